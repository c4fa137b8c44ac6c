"""One log line for a backlog of messages that were too old, not one for each."""

from collections.abc import Sequence
from typing import Final, NamedTuple

QUIET: Final = 1.0
"""Seconds without a skipped message after which a backlog has ended."""
LONGEST: Final = 300.0
"""Seconds after which a backlog is reported before its end: a trickle may never end."""


class SkippedReport(NamedTuple):
    messages: int
    youngest: float
    oldest: float
    """Ages in seconds."""


class SkippedBacklog:
    """Collects skipped messages between reports; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._messages = 0
        self._youngest = self._oldest = 0
        self._first = self._last = 0.0

    def add(self, ages: Sequence[int], now: float) -> None:
        """`ages` in milliseconds."""
        if not ages:
            return
        if not self._messages:
            self._first = now
            self._youngest, self._oldest = ages[0], ages[0]
        self._last = now
        self._messages += len(ages)
        self._youngest = min(self._youngest, *ages)
        self._oldest = max(self._oldest, *ages)

    def report(self, now: float, at_once: bool = False) -> SkippedReport | None:
        """Returns what to warn about now, if anything, and resets the counts."""
        has_ended = now - self._last >= QUIET or now - self._first >= LONGEST
        if not self._messages or not (has_ended or at_once):
            return None
        report = SkippedReport(
            messages=self._messages, youngest=self._youngest / 1000, oldest=self._oldest / 1000
        )
        self._messages = 0
        return report
