"""What a run measures, in its quick and in its full form."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.contestants import OURS, STREAMS


@dataclass(frozen=True)
class Plan:
    """What is measured; times in seconds, sizes in messages."""

    form: str
    rounds: int
    backlog: int
    longest: float
    """Of one turn: who is slower is measured by what it did until then."""
    rates: list[int]
    rate_seconds: float
    warm_up: float
    latency_names: Sequence[str]
    backlogs: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)
    partitions: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    """Bytes of an event."""


QUICK: Final = Plan("quick", 1, 1_500_000, 12, [5_000], 10, 10, (OURS, STREAMS))
FULL: Final = Plan(
    "full",
    3,
    3_000_000,
    45,
    [1_000, 5_000, 20_000],
    15,
    15,
    (OURS, STREAMS, "Quix Streams", "Arroyo"),
    backlogs=[1_000_000, 10_000_000, 50_000_000],
    members=[1, 2, 4],
    partitions=[4, 32, 128],
    sizes=[200, 2_000, 20_000],
)
