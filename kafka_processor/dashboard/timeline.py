"""Messages by kind and their latencies, second by second, for the last minutes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from msgspec import Struct

from kafka_processor.dashboard.latency import percentile
from kafka_processor.outcomes import KINDS, Kind

NO_LATENCIES: Final[Mapping[int, int]] = {}

SETTLING: Final = 2
"""Seconds until the records of a second have been committed and read."""
MOST_POINTS: Final = 180
_STEPS: Final = (1, 2, 5, 10, 15, 20, 30, 60)


class Series(Struct, kw_only=True):
    """Points at `start`, `start + step`, …, in seconds: each covers the step that begins there.

    Messages a second by kind, latencies in milliseconds.
    """

    start: int
    step: int
    processed: list[float] = []
    filtered: list[float] = []
    skipped: list[float] = []
    error: list[float] = []
    p50: list[float | None] = []
    p99: list[float | None] = []


class Sums(NamedTuple):
    """Sums over several seconds; latencies by bucket."""

    kinds: Counter[Kind]
    latencies: Counter[int]


class _Point(NamedTuple):
    rates: Mapping[Kind, float]
    p50: float | None
    p99: float | None


class Timeline:
    """Seconds since the epoch; only the last `window` ones are kept."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._seconds: dict[int, Sums] = {}
        self._since: int | None = None
        """The first second that a message was added for."""
        self._step = 0
        self._points: dict[int, _Point] = {}
        """The points of the last `series` that are still valid, by their start."""

    def add(
        self,
        second: int,
        now: int,
        kind: Kind,
        count: int,
        latencies: Mapping[int, int] = NO_LATENCIES,
    ) -> None:
        """Leaves out what is older than the window; what is in the future counts as now."""
        second = min(second, now)
        if second <= now - self._window:
            return
        sums = self._seconds.get(second)
        if sums is None:
            self._forget(now)
            sums = self._seconds[second] = Sums(Counter(), Counter())
            self._since = second if self._since is None else min(self._since, second)
        sums.kinds[kind] += count
        sums.latencies.update(latencies)
        if self._step:
            self._points.pop(second - second % self._step, None)

    def _forget(self, now: int) -> None:
        for second in [each for each in self._seconds if each <= now - self._window]:
            del self._seconds[second]

    def sums(self, seconds: int, now: int) -> Sums:
        """Sums over the last `seconds` that are settled."""
        end = now - SETTLING
        return self._sum(range(end - seconds, end))

    def rate(self, seconds: int, now: int) -> float:
        """Returns messages a second over the last `seconds`, or since the first message."""
        if self._since is None:
            return 0.0
        elapsed = max(min(seconds, now - SETTLING - self._since), 1)
        return self.sums(elapsed, now).kinds.total() / elapsed

    def series(self, now: int) -> Series:
        """Returns the window, or the time since the first message, in at most 180 points."""
        end = now - SETTLING
        oldest = end - self._window + 1
        first = end if self._since is None else max(self._since, oldest)
        step = next((step for step in _STEPS if (end - first) / step <= MOST_POINTS), _STEPS[-1])
        # A step that begins before the window is left out. One in which the first message arrived
        # is not.
        first += -first % step if first == oldest else -(first % step)
        if step != self._step:
            self._step, self._points = step, {}
        points = self._points = {
            at: self._points.get(at) or self._point(range(at, at + step))
            for at in range(first, end - end % step, step)
        }
        series = Series(start=first, step=step)
        for point in points.values():
            for kind in KINDS:
                getattr(series, kind).append(point.rates[kind])
            series.p50.append(point.p50)
            series.p99.append(point.p99)
        return series

    def _point(self, seconds: range) -> _Point:
        kinds, latencies = self._sum(seconds)
        return _Point(
            rates={kind: round(kinds[kind] / len(seconds), 2) for kind in KINDS},
            p50=_milliseconds(percentile(latencies, 0.5)),
            p99=_milliseconds(percentile(latencies, 0.99)),
        )

    def _sum(self, seconds: Iterable[int]) -> Sums:
        whole = Sums(Counter(), Counter())
        for second in seconds:
            if sums := self._seconds.get(second):
                whole.kinds.update(sums.kinds)
                whole.latencies.update(sums.latencies)
        return whole


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
