"""Files that decide what the program does: read only if nobody else may write them."""

import os
import shlex
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1024 * 1024
"""Far more than any settings need; a wrong path must not fill the memory."""

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_HAS_MODES: Final = os.name == "posix"
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)


class NotTrusted(ValueError):
    """The message says why the file is not read, and the command that mends it; without its name
    in front."""


def read_trusted(path: Path, owners: Collection[int] = ()) -> bytes:
    """Returns what the file holds.

    Its mode and owner are those of the opened file, so that no other can take its place in
    between. `owners`: user ids of which one must own the file; empty: any may.
    Raises NotTrusted, OSError.
    """
    descriptor = os.open(path, _FLAGS)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            raise NotTrusted("is not a file")
        if _HAS_MODES and status.st_mode & _OTHERS_MAY_WRITE:
            raise NotTrusted(f"other users may write it; {_command('go-w', path)}")
        if _HAS_MODES and owners and status.st_uid not in owners:
            raise NotTrusted("belongs to another user")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise NotTrusted(f"is larger than {MAX_BYTES} bytes")
    return content


def trusted_users() -> tuple[int, ...]:
    """Ours, and root, who may do anything anyway; empty where files have no owner's number."""
    return (os.geteuid(), 0) if hasattr(os, "geteuid") else ()


def command_against_reading(path: Path) -> str | None:
    """If other users may read a file: the command that mends it."""
    with suppress(OSError):
        if _HAS_MODES and path.stat().st_mode & stat.S_IROTH:
            return _command("o-r", path)
    return None


def command_against_replacing(path: Path) -> str | None:
    """If other users may put another file in its place: the command that mends it."""
    with suppress(OSError):
        for folder in {path.absolute().parent, path.resolve().parent}:
            mode = folder.stat().st_mode
            if _HAS_MODES and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return _command("o-w", folder)
    return None


def shown(path: Path) -> str:
    """On one line, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _command(change: str, path: Path) -> str:
    return f"chmod {change} {shlex.quote(shown(path))}"
