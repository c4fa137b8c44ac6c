"""The bytes of a message → its listed fields, in time that is linear in the bytes of any message.

Parsers spend most of their time on numbers: 10 µs for `1e308`. So only the end of an unlisted field
is located, and a listed array or object is not parsed.
"""

import re
from math import inf, isinf
from typing import Any, Final

import msgspec
from msgspec import Raw

from kafka_processor.records import FIELDS, LoginEvent


class TooLargeNumberError(ValueError):
    """A number that no double holds."""


UNREADABLE: Final = (
    msgspec.MsgspecError,
    UnicodeDecodeError,
    RecursionError,
    TooLargeNumberError,
)
"""What the decoders raise if a message is not a readable JSON object."""

MAX_DIGITS: Final = 309
"""Of the largest integer that a double holds."""
_ABSENT: Final = Raw(b"")


class _SmallEvent(LoginEvent, gc=False):
    timestamp: Any
    """Any type, because only then does the decoder pass floats to `float_hook`."""


_RawFields: Final = msgspec.defstruct(
    "_RawFields", [(name, Raw, _ABSENT) for name in FIELDS], gc=False
)


def _float(text: str) -> float:
    """Python's own parser. Raises ValueError for an exponent: both may be slow then."""
    if "e" in text or "E" in text:
        raise ValueError
    return float(text)


decode_small_event = msgspec.json.Decoder(_SmallEvent, float_hook=_float).decode
"""Returns an event whose text fields are all present and valid; its timestamp may be anything.

Raises UNREADABLE for all others. Only for messages that are not large and for which
`may_hold_too_large_integer` is false: an array in `timestamp` is decoded whole, at up to 50 ns a
byte.
"""
_decode_raw_fields = msgspec.json.Decoder(_RawFields).decode
_decode_text = msgspec.json.Decoder(str).decode


def decode_fields(value: bytes) -> dict[str, Any]:
    """Returns the listed fields that are present. Raises UNREADABLE.

    Arrays and objects become [] and {}. Of a name given twice the last value counts, but the
    earlier ones are checked too. Costs at most 20 ns a byte; up to 60 where a name is given twice
    among numbers near the largest double.
    """
    if not value.isascii():
        value.decode()
    raw_fields = _decode_raw_fields(value)
    fields = {
        name: _read(raw) for name in FIELDS if (raw := getattr(raw_fields, name)) is not _ABSENT
    }
    if _may_repeat_field(value, len(fields)) and _holds_too_large_number(value):
        raise TooLargeNumberError
    return fields


_QUOTE: Final = ord('"')
_CONSTANTS: Final = {b"true": True, b"false": False, b"null": None}


def _read(raw: Raw) -> Any:
    text = bytes(raw)
    first = text[0]
    if first == _QUOTE:
        return _decode_text(text)
    if first in b"[{":
        return [] if first in b"[" else {}
    if first in b"tfn":
        return _CONSTANTS[text]
    return _read_number(text)


def _read_number(text: bytes) -> int | float:
    number = float(text)
    if isinf(number):
        raise TooLargeNumberError
    # It has at most 309 digits by now: int() takes quadratic time.
    return int(text) if text.lstrip(b"-").isdigit() else number


_QUOTED_NAMES: Final = [f'"{name}"'.encode() for name in FIELDS]


def _may_repeat_field(value: bytes, present: int) -> bool:
    """False if no listed field is given twice. `present`: how many different ones there are.

    Each name is followed by a colon, and may be written with escapes.
    """
    if value.count(b":") == present:
        return False
    return b"\\u" in value or any(value.count(name) > 1 for name in _QUOTED_NAMES)


_DIGITS_IN_SAMPLE = re.compile(rb"[0-9]{6}")


def may_hold_too_large_integer(value: bytes) -> bool:
    """False if no number in it has more than 309 digits in a row.

    Such a run shows as six digits in a row in every 50th byte, which is 30 times as fast to check.
    """
    return bool(_DIGITS_IN_SAMPLE.search(value[::50]))


_LARGE_EXPONENT = re.compile(rb"[eE]\+?[0-9]{3}")
_MIN_DIGITS: Final = 209
"""A number with fewer digits and an exponent below 100 is held by a double."""
_MAYBE_TOO_LARGE = re.compile(
    rb"(?<![-+.0-9eE])-?((?:[.0-9]{%d,}|[.0-9]+[eE]\+?[0-9]{3})[-+.0-9eE]*)" % _MIN_DIGITS
)


def _holds_too_large_number(document: bytes) -> bool:
    """Whether some number of a JSON document, wherever it stands, is too large for a double."""
    if not _LARGE_EXPONENT.search(document) and not _DIGITS_IN_SAMPLE.search(document[::34]):
        return False
    without_escapes = document.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_strings = b" ".join(without_escapes.split(b'"')[::2])
    return inf in map(float, set(_MAYBE_TOO_LARGE.findall(outside_strings)))
