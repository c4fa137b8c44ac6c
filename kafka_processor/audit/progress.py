"""The progress of the audit: what it shows, and when it stops."""

import time

from kafka_processor.errors import StoppedError
from kafka_processor.terminal.progress import Progress


class AuditProgress:
    """Counts offsets while topics are read, then buckets while they are compared."""

    def __init__(self) -> None:
        self._line = Progress()
        self._begun = time.monotonic()
        self._expected = self._read = 0
        self._buckets = self._judged = 0
        self._is_stopped = False

    def stop(self) -> None:
        """Makes the next call of `check`, `read` or `judged` raise StoppedError."""
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

    def note(self, text: str) -> None:
        """Writes a line that is not overwritten."""
        self._line.note(text)

    def clear(self) -> None:
        """To be called before anything else is written to the terminal."""
        self._line.clear()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun

    @property
    def offsets(self) -> int:
        return self._read

    def _update(self) -> None:
        self.check()
        if self._line.is_due:
            self._line.show(self._text())

    def _text(self) -> str:
        if self._buckets:
            share = self._judged / self._buckets
            return f"comparing: {share:.0%}, {self.seconds:.0f} s so far"
        share = self._read / max(self._expected, 1)
        rate = self._read / max(self.seconds, 0.1)
        return f"reading: {self._read:,} of {self._expected:,} records ({share:.0%}), {rate:,.0f}/s"
