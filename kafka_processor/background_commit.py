"""A commit on a thread of its own: the loop works on meanwhile, and one that hangs is given up."""

import threading
import time
from collections.abc import Callable, Sequence


class BackgroundCommit(threading.Thread):
    """Runs the steps of one commit, one after the other, until one raises."""

    def __init__(self, steps: Sequence[Callable[[], None]], timeout: float) -> None:
        super().__init__(name="commit", daemon=True)
        self._steps = steps
        self._lock = threading.Lock()
        self._given_up = False
        self.deadline = time.monotonic() + timeout
        self.finished = threading.Event()
        self.exception: Exception | None = None

    def run(self) -> None:
        try:
            for step in self._steps:
                with self._lock:
                    if self._given_up:
                        return
                step()
        except Exception as exception:
            self.exception = exception
        finally:
            self.finished.set()

    @property
    def is_overdue(self) -> bool:
        return time.monotonic() >= self.deadline

    def give_up(self) -> None:
        """No further step begins. The one that hangs is harmless: a new producer fences it."""
        with self._lock:
            self._given_up = True
