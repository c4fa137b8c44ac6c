"""The wire formats of `docs/contract.md`, and the counts stored with a committed offset.

Times are RFC 3339 UTC text. `message_id` is built in `message_id.py`. `replay_of` is present only
in records of a message that was replayed. Structs take keywords, so that a swap of two fields of
the same type does not type-check.
"""

from json import JSONDecoder
from typing import Annotated, Final, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from kafka_processor.outcomes import ErrorType, FilterReason, Outcome

OutputRecord = tuple[str, bytes | None, bytes]
"""Topic, key, value."""

MAX_TEXT: Final = 1024
"""Code points of the longest text that a field may have."""

Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
Timestamp = int | float | Text
Content = dict[str, str | int | float | msgspec.Raw | None]


class LoginEvent(Struct, gc=False, kw_only=True):
    """A login event that has all listed fields, each of the right type."""

    user_id: Text
    ip: Text
    device_id: Text
    app_version: Text
    device_type: Text
    timestamp: Timestamp
    locale: Text


FIELDS: Final = LoginEvent.__struct_fields__
"""The listed fields, in the order in which errors name them."""


class ProcessedRecord(Struct, gc=False, kw_only=True):
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


class Source(Struct, gc=False, kw_only=True):
    topic: str
    partition: int
    offset: int
    timestamp: str | None


class ErrorRecord(Struct, gc=False, kw_only=True):
    message_id: str
    user_id: str | None
    error_type: ErrorType
    error_message: str
    message_content: Content | None
    source: Source
    timestamp: str
    replay_of: str | UnsetType = UNSET


class CleanedRecord(Struct, gc=False, kw_only=True):
    message_id: str
    user_id: str
    clean_type: FilterReason
    message_content: Content
    timestamp: str
    replay_of: str | UnsetType = UNSET


class MessageDetails(Struct, gc=False, kw_only=True):
    """What happened to one message; `processing_time` and `latency` are in seconds."""

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
"""Any form that labels have or once had. How many are listed is decided by `summary_printer.py`."""
LabelCounts = Annotated[dict[_Label, Count], Meta(max_length=65)]
_ErrorName = Annotated[str, Meta(pattern=rf"\A({'|'.join(get_args(ErrorType))})\Z")]
ErrorCounts = dict[_ErrorName, Count]


class SummaryRecord(Struct, kw_only=True):
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


SNAPSHOT_VERSION: Final = 1


class Snapshot(Struct, array_like=True, kw_only=True):
    """The counts of one partition as they travel in the metadata of its committed offset.

    An array and not an object, so that the worst case stays below the 4,096 characters that a
    broker allows there (`offset.metadata.max.bytes`).

    Committed offsets keep old snapshots for weeks, and during an upgrade old and new processes read
    each other's. So the format evolves by two rules:

    - **To add a field**, append it behind all others with a default that means "not known". The
      version stays: older programs ignore the field, newer ones use the default where it is
      missing. `topic_id` was added in this way.
    - **If an older program must not continue with newer counts**, for example because it would
      commit them without the new field, also raise SNAPSHOT_VERSION. An older program then rejects
      the snapshot and its counts restart; a newer one reads every version up to its own.

    A field is never removed, moved or given another meaning. A new error type needs neither rule:
    an older program rejects counts that have a name that it does not know.
    """

    version: Annotated[int, Meta(ge=1, le=SNAPSHOT_VERSION)]
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
    """The first characters of the input topic's id; empty: not known."""

    @property
    def is_possible(self) -> bool:
        """Whether a daemon can have counted this: each offset at most once, and each processed
        message under one device type and one locale."""
        total = self.processed + self.filtered + self.skipped + sum(self.errors.values())
        return (
            self.replayed <= total <= self.next_offset - self.counted_since_offset
            and sum(self.device_types.values()) == self.processed
            and sum(self.locales.values()) == self.processed
        )


encode = msgspec.json.Encoder().encode
_decode_snapshot = msgspec.json.Decoder(Snapshot).decode
_find_end = JSONDecoder().raw_decode


def decode_snapshot(text: str) -> Snapshot:
    """Returns the snapshot at the beginning of the text; anything may follow (`committed.py`).

    Whoever may commit for the group may write any text there: check `Snapshot.is_possible` too.
    Raises msgspec.MsgspecError, RecursionError.
    """
    try:
        _, end = _find_end(text)
    except ValueError:
        end = len(text)
    return _decode_snapshot(text[:end])
