"""Latencies in few numbers: buckets that are 4% wide, and percentiles out of them."""

from collections.abc import Mapping
from functools import lru_cache
from math import exp, floor, log
from typing import Final

_WIDTH: Final = log(1.04)
_MIN: Final = 0.0005
"""Seconds: latencies are measured in milliseconds."""
_MAX: Final = 30 * 86_400.0


@lru_cache(maxsize=4096)  # neighbours share theirs, which are whole milliseconds
def bucket_of(seconds: float) -> int:
    """Some 600 different ones at most, whatever the latency."""
    return floor(log(min(max(seconds, _MIN), _MAX) / _MIN) / _WIDTH)


def seconds_of(bucket: int) -> float:
    """The middle of a bucket; at most 2% off any latency in it."""
    return _MIN * exp((bucket + 0.5) * _WIDTH)


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds that `share` of the latencies do not exceed; None without any.

    `counts`: how many are in each bucket.
    """
    wanted = share * sum(counts.values())
    reached = 0
    for bucket in sorted(counts):
        reached += counts[bucket]
        if reached >= wanted:
            return seconds_of(bucket)
    return None
