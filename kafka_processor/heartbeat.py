"""A small file that the loop touches, so that a container's health check sees it turn.

It is in a private folder with a random name, which no other user can create beforehand.
`python -m kafka_processor.heartbeat` exits with 0 if the loop of any process of this user turns,
else with 1.
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
"""Seconds after which the folder of a killed process is removed."""

_PREFIX: Final = "kafka_processor.heartbeat."
_NAME: Final = "beat"
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108
"""Container runtimes mount it writable even if the root file system is read-only."""


class Heartbeat:
    """Works without a file if no folder is writable."""

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
        """Whether there is a file for the health check to find."""
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
    """Returns the folders to try, in order of preference."""
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
    """Yields the files in folders that only our user can write to."""
    for place in places():
        with suppress(OSError):
            folders = [path for path in place.iterdir() if path.name.startswith(_PREFIX)]
            yield from (folder / _NAME for folder in folders if _is_ours(folder))


def _is_ours(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:  # the process has just exited
        return False
    # A symbolic link is not private: its own mode is open to everybody.
    is_private = stat.S_IMODE(status.st_mode) & 0o077 == 0
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and is_private)


def _age(path: Path) -> float:
    """Returns the distance of its modification time from now in seconds, infinite without a file.

    Absolute, so a stale file does not look fresh after the clock was set back.
    """
    try:
        return abs(time.time() - path.lstat().st_mtime)
    except OSError:  # no beat yet, or the process has just exited
        return float("inf")


if __name__ == "__main__":
    sys.exit(0 if is_alive() else 1)
