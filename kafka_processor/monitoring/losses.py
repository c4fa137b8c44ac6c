"""What could not be sent to whoever watches: counted, and told once in a while."""

import threading
import time
from typing import Final

from structlog.typing import FilteringBoundLogger

INTERVAL: Final = 30.0
"""Seconds between two lines of the log."""


class Losses:
    """For any thread."""

    def __init__(self, event: str, log: FilteringBoundLogger) -> None:
        """`event`: the line of the log that tells of them."""
        self._event = event
        self._log = log
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._reason = ""
        self._next = 0.0

    def add(self, what: str, count: int, reason: str) -> None:
        """`reason` holds no secret."""
        with self._lock:
            self._counts[what] = self._counts.get(what, 0) + count
            self._reason = reason
        self.report(at_once=False)

    def report(self, at_once: bool) -> None:
        now = time.monotonic()
        with self._lock:
            if not self._counts or not (at_once or now >= self._next):
                return
            counts, self._counts = self._counts, {}
            self._next = now + INTERVAL
        self._log.warning(self._event, **counts, reason=self._reason)
