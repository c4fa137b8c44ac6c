"""The wire formats of `docs/contract.md`: JSON, one object a record.

Times are RFC 3339 UTC text, `message_id` is `<input topic>-<partition>-<offset>`. `replay_of` is
there only in records of a message that was sent again.
"""

from json import JSONDecoder
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

ErrorType = Literal[
    "parse_error", "missing_field", "invalid_field", "transform_error", "publish_error"
]
Outcome = Literal["processed", "filtered", "skipped"] | ErrorType
ERROR_TYPES: Final[frozenset[str]] = frozenset(get_args(ErrorType))

MAX_TEXT: Final = 1024
"""Longest text of a field, in code points."""

FIELDS: Final = (
    "user_id",
    "ip",
    "device_id",
    "app_version",
    "device_type",
    "timestamp",
    "locale",
)
"""The listed fields, in the order in which errors name them."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Timestamp = int | float | Text
Content = dict[str, str | int | float | msgspec.Raw | None]


class LoginEvent(Struct, gc=False):
    """A login event whose fields are all there and of the right type."""

    user_id: Text
    ip: Text
    device_id: Text
    app_version: Text
    device_type: Text
    timestamp: Timestamp
    locale: Text


class ProcessedRecord(Struct, gc=False):
    message_id: str
    user_id: str
    app_version: str
    device_type: str
    ip: str
    locale: str
    device_id: str
    key_id: str
    timestamp: str
    replay_of: str | UnsetType = UNSET


class Source(Struct, gc=False):
    topic: str
    partition: int
    offset: int
    timestamp: str | None


class ErrorRecord(Struct, gc=False):
    message_id: str
    user_id: str | None
    error_type: ErrorType
    error_message: str
    message_content: Content | None
    source: Source
    timestamp: str
    replay_of: str | UnsetType = UNSET


class CleanedRecord(Struct, gc=False):
    message_id: str
    user_id: str
    clean_type: Literal["filtered_app_version"]
    message_content: Content
    timestamp: str
    replay_of: str | UnsetType = UNSET


class MessageDetails(Struct, gc=False):
    """What happened to one message: `processing_time` and `latency` in seconds."""

    message_id: str
    outcome: Outcome
    topic: str | None
    processing_time: float
    latency: float | None
    timestamp: str
    replay_of: str | UnsetType = UNSET


class MetricsRecord(Struct):
    message_details: list[MessageDetails]


Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_Label = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9 ._-]{1,16}\Z")]
"""Of any form that a label has or had; how many are listed is for `summary_printer.py` to say."""
LabelCounts = Annotated[dict[_Label, Count], Meta(max_length=65)]
_ErrorName = Annotated[str, Meta(pattern=rf"\A({'|'.join(get_args(ErrorType))})\Z")]
ErrorCounts = dict[_ErrorName, Count]


class SummaryRecord(Struct):
    """Cumulative counts of one input partition and group."""

    consumer_group: str
    source_topic: str
    source_partition: Count
    next_offset: Count
    counted_since_offset: Count
    total_received_count: Count
    processed_count: Count
    filtered_count: Count
    skipped_count: Count
    error_count: Count
    replayed_count: Count
    error_type_counts: dict[str, Count]
    device_type_counts: dict[str, Count]
    locale_counts: dict[str, Count]
    timestamp: str


TOPIC_ID_LENGTH: Final = 8
"""Characters of a topic id in a snapshot: 48 random bits."""


class Snapshot(Struct, array_like=True):
    """The counts of one partition as they travel in the metadata of its committed offset.

    An array and not an object, so that the worst case stays below the 4,096 characters that a
    broker allows there (`offset.metadata.max.bytes`).
    """

    version: Literal[1]
    next_offset: Count
    key_id: Annotated[str, Meta(pattern=r"\A[0-9a-f]{8}\Z")]
    counted_since_offset: Count
    processed: Count
    filtered: Count
    skipped: Count
    replayed: Count
    errors: ErrorCounts
    device_types: LabelCounts
    locales: LabelCounts
    topic_id: Annotated[str, Meta(max_length=22)] = ""
    """The beginning of the input topic's id; empty: not known. Behind all others and optional, so
    that programs with and without it read each other's snapshots."""

    @property
    def is_possible(self) -> bool:
        """Whether a daemon can have counted so: each offset at most once, and each processed
        message under one device type and one locale."""
        total = self.processed + self.filtered + self.skipped + sum(self.errors.values())
        return (
            self.replayed <= total <= self.next_offset - self.counted_since_offset
            and sum(self.device_types.values()) == self.processed
            and sum(self.locales.values()) == self.processed
        )


class _Identified(Struct):
    message_id: str


def position_of(value: bytes) -> tuple[int, int]:
    """Partition and offset of the input message that a record of ours is about."""
    _, partition, offset = _decode_identified(value).message_id.rsplit("-", 2)
    return int(partition), int(offset)


_decode_identified = msgspec.json.Decoder(_Identified).decode
encode = msgspec.json.Encoder().encode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_find_end = JSONDecoder().raw_decode


def decode_snapshot(text: str) -> Snapshot:
    """The snapshot at the beginning of the text; what follows is none of it (`committed.py`).

    Whoever may commit for the group may write any text there: see `Snapshot.is_possible` too.
    Raises msgspec.MsgspecError, RecursionError.
    """
    try:
        _, end = _find_end(text)
    except ValueError:
        end = len(text)
    return _decode_snapshot(text[:end])
