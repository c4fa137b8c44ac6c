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
    """Negative: the record cannot be read, and nothing of it is known but its offset."""
    device_id_length: int
    device_label: str
    locale_label: str
    replay_of: int

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
    device_id: int
    others: list[tuple[str, int]]
    """Strings where the contract has none, or one of another form: field and fingerprint."""
    text: str
    """The error message, where it could hold a value, or says that a record is unreadable."""


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


Header = tuple[str, bytes | str | None]
Headers = list[Header] | dict[str, bytes | str | None] | None
"""As the client gives them."""

Entry = Message | Record | Line

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
            offset = int(end)
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


def listed(headers: Headers) -> list[Header]:
    return list(headers.items()) if isinstance(headers, dict) else headers or []


def strings_in(value: Any, name: str) -> list[tuple[str, int]]:
    """Path and fingerprint of each text and number in a value, however deep."""
    found: list[tuple[str, int]] = []
    waiting = [(name, value)]
    while waiting:
        path, part = waiting.pop()
        if isinstance(part, dict):
            waiting += [(f"{path}.{inner}", each) for inner, each in part.items()]
        elif isinstance(part, list):
            waiting += [(f"{path}[{number}]", each) for number, each in enumerate(part)]
        elif part not in (None, ""):
            found.append((path, fingerprint(part)))
    return found


def strings_beside(
    document: Mapping[str, Any], known: Set[str], prefix: str = ""
) -> list[tuple[str, int]]:
    """The same for all fields but the known ones."""
    return [
        found
        for name, value in document.items()
        if name not in known
        for found in strings_in(value, prefix + name)
    ]
