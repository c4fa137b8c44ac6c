"""The checks of a message, in the order of the contract: age, JSON, fields, app version.

Each is a pure function. A message that fails is a value (`Fault`), never an exception.
"""

import re
from math import isinf
from typing import Any, Final, NamedTuple, TypeGuard

import msgspec

from kafka_processor.records import FIELDS, MAX_TEXT, ErrorType, LoginEvent, decode_event
from kafka_processor.timestamps import is_numeric_string

_decode_json = msgspec.json.Decoder().decode
_MIN_TOO_LONG: Final = 309
"""Digits of the smallest integer that no double holds."""
_LONG_NUMBER = re.compile(rb"[0-9]{%d}" % _MIN_TOO_LONG)
_SAMPLE: Final = 50
_DIGITS_IN_SAMPLE = re.compile(rb"[0-9]{%d}" % (_MIN_TOO_LONG // _SAMPLE))
_NUMBER = re.compile(rb"[0-9][-+.0-9eE]*")
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class Fault(NamedTuple):
    """Why a message failed. `message` names fields and types, never values."""

    error_type: ErrorType
    message: str
    fields: dict[str, Any] | None
    """The listed fields that were present, as they came; None if the message is no object."""


_TOO_LARGE_NUMBER: Final = Fault("parse_error", "the message holds a number out of range", None)


def is_too_old(age: int | None, max_age: float) -> TypeGuard[int]:
    """Both in milliseconds. A message without an age is never too old; `max_age` 0: none is."""
    return age is not None and age > max_age > 0


def read_event(value: bytes | None) -> LoginEvent | Fault:
    """The login event in a record's value, or what is wrong with it."""
    if not value:
        return Fault("parse_error", "the message has no value", None)
    try:
        event = decode_event(value)
    except _UNREADABLE:
        return _read_unusual_event(value)
    if len(value) > _MIN_TOO_LONG and _holds_too_large_number(value):
        return _TOO_LARGE_NUMBER
    if type(event.timestamp) is str and not is_numeric_string(event.timestamp):
        return _examine(msgspec.structs.asdict(event))
    return event


def _read_unusual_event(value: bytes) -> LoginEvent | Fault:
    """The same for a message that is not just the listed fields, each of its type.

    It is taken apart without a schema: only so are unlisted fields checked for valid UTF-8 too,
    and only so does the last of a name given twice count.
    """
    try:
        document = _decode_json(value)
    except _UNREADABLE as error:
        return Fault("parse_error", _describe(error), None)
    if _holds_too_large_number(value):
        return _TOO_LARGE_NUMBER
    if not isinstance(document, dict):
        return Fault("parse_error", "the message is JSON but not an object", None)
    fields = {name: document[name] for name in FIELDS if name in document}
    try:
        event = msgspec.convert(fields, LoginEvent)
    except msgspec.ValidationError:
        return _examine(fields)
    text = event.timestamp if type(event.timestamp) is str else "0"
    return event if is_numeric_string(text) else _examine(fields)


def _examine(fields: dict[str, Any]) -> LoginEvent | Fault:
    missing = [name for name in FIELDS if fields.get(name) in (None, "")]
    if missing:
        return Fault("missing_field", f"missing: {', '.join(missing)}", fields)
    invalid = [
        f"{name} is {problem}" for name in FIELDS if (problem := what_is_wrong(name, fields[name]))
    ]
    if invalid:
        return Fault("invalid_field", "; ".join(invalid), fields)
    return LoginEvent(**fields)


def what_is_wrong(name: str, value: object) -> str | None:
    """What is wrong with the value of a listed field, without the value; None: nothing."""
    is_timestamp = name == "timestamp"
    if isinstance(value, str):
        if len(value) > MAX_TEXT:
            return f"longer than {MAX_TEXT} characters"
        if is_timestamp and not is_numeric_string(value):
            return "no numeric string"
        return None
    if is_timestamp and type(value) in (int, float):
        return None
    expected = "number or numeric string" if is_timestamp else "string"
    return f"{_JSON_TYPES[type(value)]}, not {expected}"


_JSON_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "number",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}


def _holds_too_large_number(document: bytes) -> bool:
    """Whether no double holds some number of a JSON document, wherever it stands.

    The text is searched and not what was read of it, in which the last of a name given twice is
    all there is. An integer is what is searched for: the parser itself refuses other numbers.
    """
    # So many digits in a row show in every 50th byte too: a look at those is 30 times as fast.
    if not _DIGITS_IN_SAMPLE.search(document[::_SAMPLE]) or not _LONG_NUMBER.search(document):
        return False
    without_escapes = document.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_strings = without_escapes.split(b'"')[::2]
    return any(isinf(float(n)) for text in outside_strings for n in _NUMBER.findall(text))


def _describe(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "the message is not UTF-8"
    if isinstance(error, RecursionError):
        return "the message is nested too deeply"
    if isinstance(error, msgspec.ValidationError):
        return _TOO_LARGE_NUMBER.message
    return str(error)
