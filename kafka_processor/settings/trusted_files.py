"""Reads settings and key files, and refuses those that other users can write to."""

import os
import shlex
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1024 * 1024
"""Far more than settings need. Bounded, since a path such as /dev/zero never ends."""

_OTHERS_MAY_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_HAS_MODES: Final = os.name == "posix"
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOCTTY", 0)
_NOT_WAITING: Final = getattr(os, "O_NONBLOCK", 0)


class UntrustedFileError(ValueError):
    """The file is unsafe to read. Its message continues a sentence that begins with the path."""


def read_trusted(path: Path, owners: Collection[int] = (), *, may_be_pipe: bool = True) -> bytes:
    """Returns the content of a file.

    Checks mode and owner on the open descriptor, so the file cannot be swapped between check and
    read. `owners`: user ids that may own it; empty: any. `may_be_pipe`: waits for the writer of a
    named pipe. Raises UntrustedFileError and OSError.
    """
    descriptor = os.open(path, _FLAGS | (0 if may_be_pipe else _NOT_WAITING))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        is_allowed_pipe = may_be_pipe and stat.S_ISFIFO(status.st_mode)
        if not (stat.S_ISREG(status.st_mode) or is_allowed_pipe):
            raise UntrustedFileError("is not a regular file")
        if _HAS_MODES and status.st_mode & _OTHERS_MAY_WRITE:
            raise UntrustedFileError(f"is writable by other users; run: {_command('go-w', path)}")
        if _HAS_MODES and owners and status.st_uid not in owners:
            raise UntrustedFileError("belongs to another user")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UntrustedFileError(f"is larger than {MAX_BYTES} bytes")
    return content


def trusted_users() -> tuple[int, ...]:
    """Our user id and root's. Empty on Windows, where files have no numeric owner."""
    return (os.geteuid(), 0) if hasattr(os, "geteuid") else ()


def command_against_reading(path: Path) -> str | None:
    """Returns the command that fixes a file that other users can read, or None."""
    with suppress(OSError):
        if _HAS_MODES and path.stat().st_mode & stat.S_IROTH:
            return _command("o-r", path)
    return None


def command_against_replacing(path: Path) -> str | None:
    """Returns the command that fixes a folder in which other users can replace the file, or None.

    In a folder with the sticky bit, such as /tmp, they cannot.
    """
    with suppress(OSError):
        for folder in {path.absolute().parent, path.resolve().parent}:
            mode = folder.stat().st_mode
            if _HAS_MODES and mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return _command("o-w", folder)
    return None


def shown(path: Path) -> str:
    """Returns the path as printable text on one line."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def _command(change: str, path: Path) -> str:
    return f"chmod {change} {shlex.quote(shown(path))}"
