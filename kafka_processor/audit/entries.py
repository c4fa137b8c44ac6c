"""What the audit keeps of each record: a few numbers, small enough for tens of millions of them.

Values are compared by fingerprints, so that temporary files contain no address and no device id.
Only short labels are kept as they are, and error messages that have a digit.
"""

from collections.abc import Mapping, Set
from typing import Any, Final

import msgspec
from msgspec import Struct

OUTCOMES: Final = (
    "processed",
    "filtered",
    "skipped",
    "parse_error",
    "missing_field",
    "invalid_field",
    "transform_error",
    "publish_error",
)
PROCESSED, FILTERED, SKIPPED, PARSE_ERROR = range(4)
PUBLISH_ERROR: Final = 7
UNKNOWN: Final = len(OUTCOMES)
"""An outcome that the contract does not have."""
CODE_OF_OUTCOME: Final = {outcome: code for code, outcome in enumerate(OUTCOMES)}

UNREADABLE: Final = "unreadable record: "
"""Prefix of the error message about a record that the client cannot read."""
NOTHING: Final = 0
"""The fingerprint of a value that is absent, null, empty or must not be kept."""


class Message(Struct, array_like=True, gc=False):
    """A message of the input. Fields that are invalid by the contract have no fingerprint."""

    offset: int
    user_id: int
    app_version: int
    device_type: int
    locale: int
    timestamp: int
    ip: int
    """Also NOTHING for an address that its mask leaves unchanged: it may be copied."""
    device_id: int
    """Also NOTHING for an id that equals the message's own masked address."""
    ip_length: int
    """Of the text in lower case, as is `device_id_length`. Negative: the record cannot be read, and
    only its offset is known."""
    device_id_length: int
    device_label: str
    locale_label: str
    replay_of: int
    ip_folded: int = NOTHING
    """Of the text in lower case, for comparison with values that do not pass through."""
    device_id_folded: int = NOTHING

    @property
    def is_unreadable(self) -> bool:
        return self.ip_length < 0


class Record(Struct, array_like=True, gc=False):
    """A record of processed-output, cleaned-data or processed-errors."""

    offset: int
    """Of the input message that it is about."""
    outcome: int
    lane: int
    """Number of its output partition."""
    position: int
    """Its own offset there."""
    replay_of: int
    key_user_id: int
    """`user_id` of the record; the other fields are those of its content, if it has one."""
    user_id: int
    app_version: int
    device_type: int
    locale: int
    timestamp: int
    ip: int
    """Folded, as are `device_id`, `key_id`, `written` and `others`."""
    device_id: int
    others: list[tuple[str, int]]
    """Field and fingerprint of strings that the contract does not have there."""
    text: str
    """The error message in lower case, if it could contain a value or reports an unreadable
    record."""
    key_id: int = NOTHING
    """Also NOTHING for a known key of the group."""
    written: int = NOTHING
    """Its `timestamp`."""
    faults: list[str] = []
    """Violations of the contract's form."""


class Line(Struct, array_like=True, gc=False):
    """A line of metrics-output."""

    offset: int
    outcome: int
    lane: int
    position: int
    """Offset of the record that contains the line."""
    fits_topic: bool
    """Whether it names the topic of its outcome."""
    replay_of: int
    others: list[tuple[str, int]]
    """Folded, as is `written`."""
    written: int = NOTHING
    """Its `timestamp`."""


Header = tuple[str, bytes | str | None]
Headers = list[Header] | dict[str, bytes | str | None] | None
"""As the client returns them."""

Found = list[tuple[str, int]]
"""Path and folded fingerprint of each text."""
Entry = Message | Record | Line
MAX_OFFSET_DIGITS: Final = 19
NAME: Final = "(a name)"
"""The path of a text that is itself the name of a field."""
_MAX_PATH: Final = 100

_encode = msgspec.json.Encoder().encode


class StrangeRecord(Exception):
    """An output record that does not have the contract's form; the message contains no value."""


class OtherInput(Exception):
    """An output record is about a message of another input topic."""


class Names:
    """Parses a `message_id` into partition and offset."""

    def __init__(self, input_topic: str, partitions: int) -> None:
        self._topic = input_topic
        self._partition_of = {f"{input_topic}-{number}": number for number in range(partitions)}

    def position(self, message_id: Any) -> tuple[int, int]:
        """Raises OtherInput, and StrangeRecord for an id of another form."""
        try:
            start, _, end = message_id.rpartition("-")
            offset = int(end) if len(end) <= MAX_OFFSET_DIGITS else -1
            if str(offset) != end:
                raise ValueError
        except (AttributeError, ValueError):
            raise StrangeRecord("its message_id is not <topic>-<partition>-<offset>") from None
        partition = self._partition_of.get(start)
        if partition is None:
            if start.rpartition("-")[0] == self._topic:
                raise StrangeRecord("its message_id names a partition that the input does not have")
            raise OtherInput
        return partition, offset


def fingerprint(value: Any) -> int:
    """Returns 64 bits that are equal for equal values within one process; numbers by their text.

    This is Python's hash of text: SipHash with a random key of the process that is never stored
    (unless PYTHONHASHSEED sets it).
    """
    if type(value) is str:
        return hash(value)
    if value is None:
        return NOTHING
    try:
        return hash(repr(value) if type(value) in (int, float) else _encode(value))
    except (ValueError, OverflowError, TypeError, msgspec.MsgspecError, RecursionError):
        return NOTHING


def folded(value: Any) -> int:
    """Returns the fingerprint of a text in lower case, for comparison that ignores case."""
    return hash(value.lower()) if type(value) is str else fingerprint(value)


def listed(headers: Headers) -> list[Header]:
    return list(headers.items()) if isinstance(headers, dict) else headers or []


def strings_in(value: Any, name: str) -> Found:
    """Returns path and fingerprint of each text, number and name in a nested value.

    Paths are cut, so that memory stays bounded for many values under a very long name.
    """
    found: Found = []
    waiting = [(name[:_MAX_PATH], value)]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, dict):
            for inner, each in part.items():
                found.append((NAME, folded(inner)))
                waiting.append((f"{path}.{inner[:_MAX_PATH]}"[:_MAX_PATH], each))
        elif isinstance(part, list):
            waiting += [(path, each) for each in part]
        elif part not in (None, ""):
            found.append((path, folded(part)))
    return found


def strings_beside(document: Mapping[str, Any], known: Set[str], prefix: str = "") -> Found:
    """Does the same for all fields except the known ones."""
    found: Found = []
    for name, value in document.items():
        if name not in known:
            found.append((NAME, folded(name)))
            found += strings_in(value, prefix + name[:_MAX_PATH])
    return found
