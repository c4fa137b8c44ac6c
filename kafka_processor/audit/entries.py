"""What the audit keeps of each record: a few numbers, small enough for tens of millions.

No value of a message is kept but short labels and the rare error message that has a digit: values
are compared by fingerprints, so that what waits on disk holds no address and no device id.
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
"""An outcome that is none of the contract's."""
CODE_OF_OUTCOME: Final = {outcome: code for code, outcome in enumerate(OUTCOMES)}

UNREADABLE: Final = "unreadable record: "
"""How the error message about a record begins that the client cannot hand out."""
NOTHING: Final = 0
"""The fingerprint of what is absent, null, empty or not to be kept."""


class Message(Struct, array_like=True, gc=False):
    """A message of the input. Fields that are not valid by the contract have no fingerprint."""

    offset: int
    user_id: int
    app_version: int
    device_type: int
    locale: int
    timestamp: int
    ip: int
    """NOTHING too for an address that its mask leaves unchanged: it may be copied."""
    device_id: int
    """NOTHING too for an id that is the message's own masked address."""
    ip_length: int
    """Of its text in lower case, as `device_id_length`. Negative: the record cannot be read, and
    nothing of it is known but its offset."""
    device_id_length: int
    device_label: str
    locale_label: str
    replay_of: int
    ip_folded: int = NOTHING
    """Of the text in lower case, as it is compared with what does not pass through."""
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
    """Number of the output partition that it is in."""
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
    """Strings where the contract has none, or one of another form: field and fingerprint."""
    text: str
    """The error message in lower case, where it could hold a value, or says that a record is
    unreadable."""
    key_id: int = NOTHING
    """NOTHING too for a key that the group is known to have."""
    written: int = NOTHING
    """Its `timestamp`."""
    faults: list[str] = []
    """What no record of the contract has."""


class Line(Struct, array_like=True, gc=False):
    """A line of metrics-output."""

    offset: int
    outcome: int
    lane: int
    position: int
    """Of the record that the line is in."""
    fits_topic: bool
    """Whether it names the topic where records of its outcome go."""
    replay_of: int
    others: list[tuple[str, int]]
    """Folded, as is `written`."""
    written: int = NOTHING
    """Its `timestamp`."""


Header = tuple[str, bytes | str | None]
Headers = list[Header] | dict[str, bytes | str | None] | None
"""As the client gives them."""

Found = list[tuple[str, int]]
"""Where a text stands, and its folded fingerprint."""
Entry = Message | Record | Line
MAX_OFFSET_DIGITS: Final = 19
NAME: Final = "(a name)"
"""Stands for the place of a text that is itself the name of a field."""
_MAX_PATH: Final = 100

_encode = msgspec.json.Encoder().encode


class StrangeRecord(Exception):
    """An output record that is not of the contract's form; says why, without a value of it."""


class OtherInput(Exception):
    """An output record is about a message of another topic than the audited one."""


class Names:
    """`message_id` → partition and offset."""

    def __init__(self, input_topic: str, partitions: int) -> None:
        self._topic = input_topic
        self._partition_of = {f"{input_topic}-{number}": number for number in range(partitions)}

    def position(self, message_id: Any) -> tuple[int, int]:
        """Raises OtherInput, and StrangeRecord for what names no message."""
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
                raise StrangeRecord("its message_id names a partition that the input has not")
            raise OtherInput
        return partition, offset


def fingerprint(value: Any) -> int:
    """64 bits that are equal for equal values of one run of the program, a number's text included.

    Python's own hash of text: SipHash under a key that each process draws at its start and that
    is never written anywhere (unless PYTHONHASHSEED fixes it).
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
    """The fingerprint of a text in lower case: as which a value is found in another case too."""
    return hash(value.lower()) if type(value) is str else fingerprint(value)


def listed(headers: Headers) -> list[Header]:
    return list(headers.items()) if isinstance(headers, dict) else headers or []


def strings_in(value: Any, name: str) -> Found:
    """Path and fingerprint of each text, number and name in a value, however deep.

    A path is for people: it is cut where it gets long, or each of many values would have a copy of
    a name as long as the record.
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
    """The same for all fields but the known ones."""
    found: Found = []
    for name, value in document.items():
        if name not in known:
            found.append((NAME, folded(name)))
            found += strings_in(value, prefix + name[:_MAX_PATH])
    return found
