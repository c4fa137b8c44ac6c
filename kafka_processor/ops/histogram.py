"""A histogram that many observations are added to at once."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """Prometheus' kind: how many observations were at most so large."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """`bounds` ascending, without infinity."""
        self._bounds = bounds
        self._counts = [0.0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: float = 1) -> None:
        self._counts[bisect_left(self._bounds, value)] += times
        self.sum += value * times

    def buckets(self) -> list[tuple[str, float]]:
        """Upper bound and cumulative count of each, the last one `+Inf`."""
        total = 0.0
        buckets = []
        for bound, count in zip([*map(str, self._bounds), "+Inf"], self._counts, strict=True):
            total += count
            buckets.append((bound, total))
        return buckets
