"""What optional integrations raise: logged by kind, and never passed on."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from structlog.typing import FilteringBoundLogger

LOG_INTERVAL: Final = 60.0
"""Seconds between two lines about the same kind of failure."""


class FailureLog:
    """A kind of failure is who failed and the exception's class.

    The text of an exception is left out: it may hold anything, a value of a message too.
    """

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._failures: Counter[tuple[str, str]] = Counter()
        """Since the last line about each kind."""
        self._next_line: dict[tuple[str, str], float] = {}

    @contextmanager
    def guarding(self, source: str) -> Iterator[None]:
        """Logs what is raised inside, and continues after it."""
        try:
            yield
        except Exception as error:
            self.note(source, error)

    def note(self, source: str, error: Exception) -> None:
        with suppress(Exception):  # the log itself may be what is broken
            self._note(source, type(error).__name__)

    def _note(self, source: str, error: str) -> None:
        kind = source, error
        self._failures[kind] += 1
        now = time.monotonic()
        if now >= self._next_line.get(kind, now):
            self._next_line[kind] = now + LOG_INTERVAL
            times = self._failures.pop(kind)
            self._log.error("an integration failed", source=source, error=error, times=times)
