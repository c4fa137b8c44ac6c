"""The progress of the audit on stderr: on a terminal one line that is rewritten."""

import sys
import time
from collections.abc import Callable
from typing import Final

from kafka_processor.errors import StoppedError
from kafka_processor.timing import Every

TERMINAL_INTERVAL: Final = 0.5
PIPE_INTERVAL: Final = 15.0
"""Seconds between two updates."""


class Progress:
    """Counts offsets while topics are read, then buckets while they are compared."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._is_terminal = sys.stderr.isatty()
        self._begun = time.monotonic()
        self._due = Every(TERMINAL_INTERVAL if self._is_terminal else PIPE_INTERVAL)
        self._expected = self._read = 0
        self._buckets = self._judged = 0
        self._is_stopped = False
        self._has_line = False

    def stop(self) -> None:
        """Makes the next call of any other method raise StoppedError."""
        self._is_stopped = True

    def check(self) -> None:
        if self._is_stopped:
            raise StoppedError("stopped before the end, so there is no result")

    def expect(self, offsets: int) -> None:
        self._expected += offsets

    def read(self, offsets: int) -> None:
        self._read += offsets
        self._update()

    def begin_judging(self, buckets: int) -> None:
        self._buckets = buckets

    def judged(self, buckets: int) -> None:
        self._judged += buckets
        self._update()

    def clear(self) -> None:
        """To be called before anything else is written to the terminal."""
        if self._has_line:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._has_line = False

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def offsets(self) -> int:
        return self._read

    def _update(self) -> None:
        self.check()
        if not self._due.is_due:
            return
        self._due.restart()
        if self._is_terminal:
            print(f"\r\033[K{self._text()}", end="", file=sys.stderr, flush=True)
            self._has_line = True
        else:
            self._note(self._text())

    def _text(self) -> str:
        if self._buckets:
            share = self._judged / self._buckets
            return f"comparing: {share:.0%}, {self.seconds:.0f} s so far"
        share = self._read / max(self._expected, 1)
        rate = self._read / max(self.seconds, 0.1)
        return f"reading: {self._read:,} of {self._expected:,} records ({share:.0%}), {rate:,.0f}/s"
