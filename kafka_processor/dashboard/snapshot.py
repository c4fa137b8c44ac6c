"""What the page receives once a second, as JSON. Texts in it are printable and bounded."""

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


class Figures(Struct, kw_only=True):
    rate: float
    """Messages a second."""
    messages: int
    failed: int
    skipped: int
    p50: float | None
    p99: float | None
    """Latencies in seconds. They and the three counts above are of the last minute."""
    lag: int | None
    last_outcome: int | None
    """In milliseconds since the epoch."""


class ErrorTypeCount(Struct, kw_only=True):
    """`recent`: within the window."""

    name: str
    label: str
    """What it means; empty for a type that is not known."""
    total: int
    recent: int


class TopicState(Struct, kw_only=True):
    name: str
    is_there: bool
    is_catching_up: bool
    was_read: bool
    """To its end, at least once."""
    behind: int
    """Seconds; 0 if too few to mention."""
    unreadable: int
    """Records that are not in the documented format."""


class Snapshot(Struct, kw_only=True):
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
    error_types: list[ErrorTypeCount]
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
    """Returns the largest first, equal ones by name."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_ROWS]


encode = msgspec.json.Encoder().encode
