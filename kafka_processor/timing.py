"""Deadlines and intervals on the monotonic clock."""

import time


class Deadline:
    """A moment some seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def has_passed(self) -> bool:
        return time.monotonic() >= self._at

    @property
    def seconds_left(self) -> float:
        """0 once it has passed."""
        return max(self._at - time.monotonic(), 0.0)


class Every:
    """When a periodic task is due: `interval` seconds after the last `restart`."""

    def __init__(self, interval: float, *, is_due_now: bool = False) -> None:
        self._interval = interval
        self._due = Deadline(0 if is_due_now else interval)

    @property
    def is_due(self) -> bool:
        return self._due.has_passed

    def restart(self) -> None:
        self._due = Deadline(self._interval)
