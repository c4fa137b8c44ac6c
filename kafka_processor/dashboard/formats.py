"""The fields that the dashboard decodes of each record, all of bounded size.

Neither `user_id` nor `message_content` is among them: what is not decoded cannot be shown.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

MAX_COUNT: Final = 2**53
"""The largest count that a JavaScript number holds exactly."""

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class MetricsLine(Struct, gc=False):
    """`latency` in seconds."""

    message_id: str
    outcome: str
    latency: float | None = None


class Metrics(Struct):
    message_details: list[MetricsLine]


class Failure(Struct):
    message_id: str
    error_type: str
    error_message: str


class Summary(Struct):
    """Cumulative counts of one input partition."""

    consumer_group: str
    source_topic: str
    source_partition: int
    total_received_count: Count
    processed_count: Count
    filtered_count: Count
    skipped_count: Count
    error_count: Count
    error_type_counts: dict[str, Count]
    device_type_counts: dict[str, Count]
    locale_counts: dict[str, Count]
    replayed_count: Count = 0


decode_metrics = msgspec.json.Decoder(Metrics).decode
decode_failure = msgspec.json.Decoder(Failure).decode
decode_summary = msgspec.json.Decoder(Summary).decode

UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What the decoders raise."""
