"""One line for many failed messages: a producer gone wrong must not flood the log."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

from kafka_processor.records import ERROR_TYPES, Outcome

INTERVAL: Final = 10.0
"""Seconds between two reports; the first failure after a quiet time is reported at once."""


class FailedReport(NamedTuple):
    by_type: dict[Outcome, int]
    """Messages by error type."""
    example: str
    """The message_id of the last one."""
    seconds: float
    """That it took from the first to now."""


class FailedMessages:
    """Gathers what failed; times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._by_type: Counter[Outcome] = Counter()
        self._example = ""
        self._first = 0.0
        self._next = 0.0

    def add(self, outcomes: Mapping[Outcome, int], example: str | None, now: float) -> None:
        """`outcomes`: messages by outcome; `example`: the message_id of one that failed, if any."""
        if example is None:
            return
        if not self._by_type:
            self._first = now
        for outcome, messages in outcomes.items():
            if outcome in ERROR_TYPES:
                self._by_type[outcome] += messages
        self._example = example

    def report(self, now: float, at_once: bool = False) -> FailedReport | None:
        """What to warn of now, if anything; it is then forgotten."""
        if not self._by_type or (now < self._next and not at_once):
            return None
        report = FailedReport(dict(self._by_type), self._example, now - self._first)
        self._by_type.clear()
        self._next = now + INTERVAL
        return report
