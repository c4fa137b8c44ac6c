"""A small file that the loop touches, so that a container's health check sees it turn.

`python -m kafka_processor.heartbeat` exits 0 if some process on this machine turns, else 1.
"""

import os
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

INTERVAL: Final = 1.0
"""Seconds between two touches."""
TOO_OLD: Final = 30.0
"""Seconds: more than the longest wait in the loop."""

_PREFIX: Final = "kafka_processor.heartbeat."


class Heartbeat:
    """Where there is no folder to write to, there is no heartbeat."""

    def __init__(self) -> None:
        self._file: Path | None = None
        with suppress(FileNotFoundError):
            self._file = Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getpid()}"
        self._next = 0.0
        self._last = time.monotonic()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            with suppress(OSError):
                self._file.unlink()

    def beat(self) -> None:
        now = self._last = time.monotonic()
        if self._file and now >= self._next:
            with suppress(OSError):  # a full disk is no reason to stop working
                self._file.touch()
            self._next = now + INTERVAL

    @property
    def age(self) -> float:
        """Seconds since the last one."""
        return time.monotonic() - self._last


def is_alive() -> bool:
    files = Path(tempfile.gettempdir()).glob(f"{_PREFIX}*")
    return any(time.time() - file.stat().st_mtime < TOO_OLD for file in files)


if __name__ == "__main__":
    sys.exit(0 if is_alive() else 1)
