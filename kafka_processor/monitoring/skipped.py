"""One warning for a backlog of messages that were too old, not a line for each."""

from collections.abc import Sequence
from typing import Final, NamedTuple

QUIET: Final = 1.0
"""Seconds without a skipped message after which a backlog has ended."""
LONGEST: Final = 300.0
"""Seconds after which it is told of though it goes on: a trickle of old messages never ends."""


class SkippedReport(NamedTuple):
    messages: int
    youngest: float
    """Age in seconds."""
    oldest: float
    """Age in seconds."""


class SkippedBacklog:
    """Gathers what was skipped; times are seconds of a monotonic clock."""

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
        """What to warn of now, if anything; it is then forgotten."""
        has_ended = now - self._last >= QUIET or now - self._first >= LONGEST
        if not self._messages or not (has_ended or at_once):
            return None
        report = SkippedReport(self._messages, self._youngest / 1000, self._oldest / 1000)
        self._messages = 0
        return report
