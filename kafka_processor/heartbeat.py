"""A small file that the loop touches, so that a container's health check sees it turn.

It lies in a folder that was made for it, under a random name, so that no other user can prepare
either. `python -m kafka_processor.heartbeat` exits 0 if some process of its user on this machine
turns, else 1.
"""

import os
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

INTERVAL: Final = 1.0
"""Seconds between two touches."""
TOO_OLD: Final = 30.0
"""Seconds: more than the longest wait in the loop."""
ABANDONED: Final = 24 * 3600.0
"""Seconds after which what a killed process left is removed."""

_PREFIX: Final = "kafka_processor.heartbeat."
_NAME: Final = "beat"
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108
"""Of a container whose root is read-only it can be written to all the same."""


class Heartbeat:
    """Where there is no folder to write to, there is no file."""

    def __init__(self) -> None:
        for beat in _beats():
            if min(_age(beat), _age(beat.parent)) > ABANDONED:
                shutil.rmtree(beat.parent, ignore_errors=True)
        self._file = _make_file()
        self._next = 0.0
        self._last = time.monotonic()

    def __enter__(self) -> "Heartbeat":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            shutil.rmtree(self._file.parent, ignore_errors=True)

    @property
    def is_visible(self) -> bool:
        """Whether the health check can see it."""
        return self._file is not None

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
    return any(_age(beat) < TOO_OLD for beat in _beats())


def places() -> list[Path]:
    """Folders that may hold the file, best first."""
    found = [os.environ.get("XDG_RUNTIME_DIR", "")]
    with suppress(FileNotFoundError):
        found.append(tempfile.gettempdir())
    paths = [Path(place) for place in dict.fromkeys((*found, _SHARED_MEMORY))]
    return [path for path in paths if path.is_absolute()]


def _make_file() -> Path | None:
    for place in places():
        with suppress(OSError):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place)) / _NAME
    return None


def _beats() -> Iterator[Path]:
    """The files in folders that are ours alone."""
    for place in places():
        with suppress(OSError):
            folders = [path for path in place.iterdir() if path.name.startswith(_PREFIX)]
            yield from (folder / _NAME for folder in folders if _is_ours(folder))


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:  # its process has just ended
        return False
    if not stat.S_ISDIR(status.st_mode):
        return False
    is_private = stat.S_IMODE(status.st_mode) & 0o077 == 0
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and is_private)


def _age(path: Path) -> float:
    """Seconds since it was touched, either way if the clock was set; infinite: it is not there."""
    try:
        return abs(time.time() - path.lstat().st_mtime)
    except OSError:  # no turn yet, or its process has just ended
        return float("inf")


if __name__ == "__main__":
    sys.exit(0 if is_alive() else 1)
