"""Makes stdout and stderr drop what they cannot write, instead of raising or blocking."""

import io
import os
import select
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

PATIENCE: Final = 1.0
"""Seconds that stderr waits for a stalled reader. While it stalls, further lines do not wait."""

_PIECE: Final = 4096
"""Bytes that a writable pipe accepts without blocking (PIPE_BUF on Linux)."""


class _Output(io.RawIOBase):
    """A file descriptor whose writes never fail."""

    def __init__(self, descriptor: int, patience: float | None) -> None:
        """`patience`: seconds to wait for a stalled reader; None: forever."""
        self._descriptor = descriptor
        self._patience = patience
        self._is_stuck = False
        self._poll: select.poll | None = None
        if hasattr(select, "poll"):  # not on Windows
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)
        self.failure: OSError | None = None
        """The error of the last write that was dropped, or None."""

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer") -> int:
        view = memoryview(data).cast("B")
        try:
            self._write(view)
        except OSError as error:
            self.failure = error
        return len(view)

    def _write(self, view: memoryview) -> None:
        """Raises OSError, including TimeoutError for a stalled reader."""
        deadline = None
        if self._patience is not None:
            deadline = time.monotonic() + (0 if self._is_stuck else self._patience)
        while view:
            self._wait(deadline)
            with suppress(BlockingIOError):  # another process made it non-blocking
                view = view[os.write(self._descriptor, view[:_PIECE]) :]

    def _wait(self, deadline: float | None) -> None:
        if self._poll is None:
            return
        timeout = None if deadline is None else max(deadline - time.monotonic(), 0) * 1000
        self._is_stuck = not self._poll.poll(timeout)
        if self._is_stuck:
            raise TimeoutError


_stdout: _Output | None = None


def guard_streams() -> None:
    """Replaces stdout and stderr, unless a caller such as pytest has replaced them already.

    Opens closed standard descriptors on /dev/null. Otherwise the next socket would become
    descriptor 2, and whatever librdkafka prints to stderr would go to a broker.
    """
    global _stdout  # noqa: PLW0603  # there is one, as there is one stdout
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    if sys.stdout is sys.__stdout__:
        _stdout = _Output(1, patience=None)
        sys.stdout = _guarded(sys.stdout, _stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _guarded(sys.stderr, _Output(2, PATIENCE))


def lost_output() -> OSError | None:
    """Returns the error of the last dropped write to stdout, or None."""
    return _stdout.failure if _stdout else None


def is_delivered() -> bool:
    """Returns False, and reports it on stderr, if stdout lost output.

    A closed pipe does not count: its reader needs no more.
    """
    why = lost_output()
    if why is None or isinstance(why, BrokenPipeError):
        return True
    print(f"cannot write to stdout ({why.strerror})", file=sys.stderr)  # noqa: T201
    return False


def _guarded(stream: TextIO | None, output: _Output) -> TextIO:
    encoding = "utf-8"
    if stream is not None:  # None if it was closed
        encoding = stream.encoding
        with suppress(OSError, ValueError):
            stream.flush()
    # A name that the encoding lacks must not raise either.
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding, "backslashreplace", line_buffering=True
    )
