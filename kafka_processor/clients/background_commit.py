"""Commits on a thread in the background; the loop abandons one that hangs."""

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from kafka_processor.timing import Deadline


class BackgroundCommit:
    """Runs the steps of one commit, one after the other, until one raises."""

    def __init__(self, steps: Sequence[Callable[[], None]], timeout: float) -> None:
        self._steps = steps
        self._lock = threading.Lock()
        self._given_up = False
        self._began = time.monotonic()
        self._deadline = Deadline(timeout)
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
        return self._deadline.has_passed

    @property
    def age(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._began

    def give_up(self) -> None:
        """Begins no further step. The one that hangs is harmless: a new producer fences it."""
        with self._lock:
            self._given_up = True


class CommitThread:
    """The one thread on which commits run: a thread for each commit may not be available."""

    def __init__(self) -> None:
        self._commits: SimpleQueue[BackgroundCommit | None] | None = None
        """The running thread's queue, in which None ends the thread; None: no thread runs."""

    def run(self, commit: BackgroundCommit) -> None:
        """Runs the commit, at once unless another one is running.

        Raises RuntimeError if the system cannot start the thread.
        """
        if self._commits is None:
            commits: SimpleQueue[BackgroundCommit | None] = SimpleQueue()
            threading.Thread(target=_run_all, args=[commits], name="commit", daemon=True).start()
            self._commits = commits
        self._commits.put(commit)

    def abandon(self) -> None:
        """Abandons the thread in the call in which it hangs; the next commit gets another one."""
        if self._commits:
            self._commits.put(None)
            self._commits = None


def _run_all(commits: "SimpleQueue[BackgroundCommit | None]") -> None:
    while commit := commits.get():
        commit.run()


class Patience:
    """How long a commit may take before it is abandoned, in `seconds`.

    Short at first, doubled with each abandoned commit in a row, and never less than four times what
    the last one took: slow commits alone are no reason to abandon them.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = min(first, longest)
        self._longest = longest
        self.seconds = self._first

    def after_success(self, took: float) -> None:
        self.seconds = min(max(self._first, 4 * took), self._longest)

    def after_giving_up(self) -> None:
        self.seconds = min(2 * self.seconds, self._longest)
