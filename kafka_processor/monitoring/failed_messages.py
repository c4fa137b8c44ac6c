"""One log line for many failed messages: a broken producer must not flood the log."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from kafka_processor.outcomes import ERROR_TYPES, Outcome

INTERVAL: Final = 10.0
"""Seconds between two reports; the first failure after a quiet period is reported at once."""


class FailedReport(NamedTuple):
    by_type: dict[Outcome, int]
    """Messages by error type."""
    example: str
    """The message_id of the last one that failed."""
    seconds: float
    """Since the first one failed."""


class FailedMessages:
    """Counts failed messages between reports; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._by_type: Counter[Outcome] = Counter()
        self._example = ""
        self._first = 0.0
        self._next = 0.0

    def add(self, outcomes: Mapping[Outcome, int], example: str | None, now: float) -> None:
        """`outcomes`: messages by outcome; `example`: the id of one that failed, or None."""
        if example is None:
            return
        if not self._by_type:
            self._first = now
        for outcome, messages in outcomes.items():
            if outcome in ERROR_TYPES:
                self._by_type[outcome] += messages
        self._example = example

    def report(self, now: float, at_once: bool = False) -> FailedReport | None:
        """Returns what to warn about now, if anything, and resets the counts."""
        if not self._by_type or (now < self._next and not at_once):
            return None
        report = FailedReport(dict(self._by_type), self._example, now - self._first)
        self._by_type.clear()
        self._next = now + INTERVAL
        return report
