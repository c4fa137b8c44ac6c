"""What a run has measured, as it is kept in a file and read back for tables and plots."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from bench.backlog import Throughput
from bench.same_job import SameJob
from bench.steady import Steady

Growth = dict[str, dict[int, list[Throughput]]]
"""By contestant's label and size of what grows: a measurement for each round."""


@dataclass
class Results:
    """Contestants are named by their labels; a list has one entry for each round."""

    machine: str
    date: str
    form: str
    """Quick or full."""
    settings: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Contestants that did not run to the end, and why."""
    jobs: dict[str, SameJob] = field(default_factory=dict)
    throughput: dict[str, list[Throughput]] = field(default_factory=dict)
    steady: dict[str, list[Steady]] = field(default_factory=dict)
    members: Growth = field(default_factory=dict)
    partitions: Growth = field(default_factory=dict)
    sizes: Growth = field(default_factory=dict)
    backlogs: Growth = field(default_factory=dict)
    limits: dict[str, float] = field(default_factory=dict)
    """Messages a second of Kafka's own measuring tools."""

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


@dataclass(frozen=True)
class Sample:
    """One moment of a long run."""

    seconds: float
    memory: float
    """MB."""
    p50: float
    """Milliseconds, as p99."""
    p99: float
    lag: int
    """Messages produced and not yet committed."""


def load(path: Path) -> Results:
    return msgspec.json.decode(path.read_bytes(), type=Results)


def median_of(runs: list[Throughput], name: str) -> float:
    """The median over the rounds of one of the measured figures."""
    return float(median(getattr(run, name) for run in runs))


def median_ratio(runs: list[Throughput], others: list[Throughput], name: str) -> float:
    """The median over the rounds of the ratio within a round: noise that both share cancels out."""
    pairs = zip(runs, others, strict=False)
    return float(median(getattr(run, name) / getattr(other, name) for run, other in pairs))


def median_latency(runs: list[Steady], rate: int, name: str) -> float:
    """The median over the rounds of a latency figure at one rate; NaN if it was not measured."""
    figures = [getattr(each, name) for run in runs for each in run.latencies if each.rate == rate]
    return float(median(figures)) if figures else math.nan
