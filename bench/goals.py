"""What the project wants to reach, against what a run has measured."""

from collections.abc import Callable
from typing import Final

from bench.backlog import Throughput
from bench.results import Growth, Results, median_latency, median_of, median_ratio

OURS: Final = "kafka_processor, exactly-once"
OURS_AT_LEAST_ONCE: Final = "kafka_processor, at-least-once"
STREAMS: Final = "Kafka Streams, exactly-once"
QUIX: Final = "Quix Streams, exactly-once"
COPY: Final = "copy, no work, at-least-once"
RATE: Final = 5_000

Figure = Callable[[Results], float]


def _ratio(other: str, name: str) -> Figure:
    return lambda results: median_ratio(results.throughput[OURS], results.throughput[other], name)


def _p99(results: Results) -> float:
    return median_latency(results.steady[OURS], RATE, "p99")


def _p99_ratio(results: Results) -> float:
    return _p99(results) / median_latency(results.steady[STREAMS], RATE, "p99")


def _backlog_growth(results: Results) -> float:
    """Seconds a message of the largest backlog, as a multiple of the smallest's."""
    small, large = _extremes(results.backlogs)
    return median_of(small, "overall") / median_of(large, "overall")


def _partition_growth(results: Results) -> float:
    """Processor time a message with most partitions, as a multiple of that with fewest."""
    few, many = _extremes(results.partitions)
    return median_of(many, "cpu") / median_of(few, "cpu")


def _extremes(growth: Growth) -> tuple[list[Throughput], list[Throughput]]:
    """Our runs at the smallest size and at the largest. KeyError: there are not two."""
    runs = growth[OURS]
    if len(runs) < 2:
        raise KeyError(OURS)
    return runs[min(runs)], runs[max(runs)]


GOALS: Final[tuple[tuple[str, Figure, float, bool], ...]] = (
    ("throughput / Kafka Streams, exactly once", _ratio(STREAMS, "warm"), 1.25, True),
    ("throughput / Quix Streams, exactly once", _ratio(QUIX, "warm"), 5, True),
    ("throughput / copy without work, at least once", _ratio(COPY, "warm"), 0.35, True),
    ("throughput, exactly / at least once", _ratio(OURS_AT_LEAST_ONCE, "warm"), 0.9, True),
    ("CPU a message / Kafka Streams", _ratio(STREAMS, "cpu"), 0.7, False),
    ("most memory / Kafka Streams", _ratio(STREAMS, "memory"), 0.5, False),
    ("most memory, MB", lambda results: median_of(results.throughput[OURS], "memory"), 200, False),
    ("p99 at 5,000/s, ms", _p99, 40, False),
    ("p99 at 5,000/s / Kafka Streams", _p99_ratio, 0.5, False),
    ("time a message, 50 times the backlog", _backlog_growth, 1.1, False),
    ("CPU a message, 128 / 4 partitions", _partition_growth, 1.1, False),
)
"""Name, figure, target, and whether more is better."""


def goals(results: Results) -> list[list[str]]:
    """A row for each goal: name, target, what was measured, whether it is reached."""
    rows = []
    for name, figure, target, is_more_better in GOALS:
        sign = "≥" if is_more_better else "≤"
        try:
            measured = figure(results)
        except KeyError:
            rows.append([name, f"{sign} {target:g}", "not measured", ""])
            continue
        is_reached = measured >= target if is_more_better else measured <= target
        verdict = "reached" if is_reached else "missed"
        rows.append([name, f"{sign} {target:g}", f"{measured:.3g}", verdict])
    return rows
