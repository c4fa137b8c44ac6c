"""What the page is sent once a second, as JSON. Texts in it are cut and printable."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from kafka_processor.dashboard.failures import LatestFailure
from kafka_processor.dashboard.group import MemberRow, PartitionRow
from kafka_processor.dashboard.health import Health
from kafka_processor.dashboard.places import Places
from kafka_processor.dashboard.timeline import Series

Counts = list[tuple[str, int]]


class Figures(Struct):
    rate: float
    """Messages a second."""
    messages: int
    failed: int
    skipped: int
    """In the last minute, like the latencies, which are in seconds."""
    p50: float | None
    p99: float | None
    lag: int | None
    last_outcome: int | None
    """In milliseconds since the epoch."""


class ErrorType(Struct):
    """`recent`: within the window."""

    name: str
    total: int
    recent: int


class TopicState(Struct):
    name: str
    is_there: bool
    is_catching_up: bool
    was_read: bool
    """To its end, at least once."""
    behind: int
    """Seconds; 0 where it is not worth mentioning."""
    unreadable: int
    """Records that are not as documented."""


class Snapshot(Struct):
    now: int
    window: int
    group: str
    input_topic: str
    health: Health
    figures: Figures
    series: Series
    received: int
    replayed: int
    outcomes: dict[str, int]
    device_types: Counts
    locales: Counts
    places: Places
    error_types: list[ErrorType]
    latest_errors: list[LatestFailure]
    group_state: str
    partitions: list[PartitionRow]
    more_partitions: int
    members: list[MemberRow]
    more_members: int
    topics: list[TopicState]
    trouble: str
    has_metrics: bool


MAX_ROWS: Final = 256


def by_count(counts: Mapping[str, int]) -> Counts:
    """The largest first, those of the same size by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_ROWS]


encode = msgspec.json.Encoder().encode
