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
        self._began = time.monotonic()
        self._deadline = self._began + timeout
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
        return time.monotonic() >= self._deadline

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def give_up(self) -> None:
        """No further step begins. The one that hangs is harmless: a new producer fences it."""
        with self._lock:
            self._given_up = True


class Patience:
    """How long a commit may take before it is given up, in `seconds`.

    Short at first, doubled with each commit that was given up in a row, and never less than four
    times what the last one took: where commits are slow, that is no reason to give them up.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = min(first, longest)
        self._longest = longest
        self.seconds = self._first

    def after_success(self, took: float) -> None:
        self.seconds = min(max(self._first, 4 * took), self._longest)

    def after_giving_up(self) -> None:
        self.seconds = min(2 * self.seconds, self._longest)
