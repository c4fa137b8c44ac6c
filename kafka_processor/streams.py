"""stdout and stderr that raise nothing: what cannot be written is dropped, and work goes on."""

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
"""Seconds that a log line waits for a pipe whose reader does not read; the next ones do not."""

_PIECE: Final = 4096
"""Bytes that a pipe takes without blocking once it is ready (PIPE_BUF of Linux)."""


class _Output(io.RawIOBase):
    """A file descriptor that takes everything."""

    def __init__(self, descriptor: int, patience: float | None) -> None:
        """`patience`: seconds to wait for whoever reads; None: as long as it takes."""
        self._descriptor = descriptor
        self._patience = patience
        self._is_stuck = False
        self._poll: select.poll | None = None
        if hasattr(select, "poll"):  # not on Windows
            self._poll = select.poll()
            self._poll.register(descriptor, select.POLLOUT)
        self.failure: OSError | None = None
        """Of the last write that was lost; None: none was."""

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
        """Raises OSError: TimeoutError if nobody reads."""
        deadline = None
        if self._patience is not None:
            deadline = time.monotonic() + (0 if self._is_stuck else self._patience)
        while view:
            self._wait(deadline)
            with suppress(BlockingIOError):  # somebody else has made it non-blocking
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
    """Replaces stdout and stderr, unless that has been done by whoever runs us.

    Descriptors that are closed lead to nowhere from here on: else the next socket would have the
    number of stderr, and what the client's library prints would be sent to a broker.
    """
    global _stdout  # noqa: PLW0603  # there is one, as there is one stdout
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stdout is sys.__stdout__:
        _stdout = _Output(1, patience=None)
        sys.stdout = _guarded(sys.stdout, _stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _guarded(sys.stderr, _Output(2, PATIENCE))


def lost_output() -> OSError | None:
    """Why something that was written to stdout was lost; None: nothing was."""
    return _stdout.failure if _stdout else None


def is_delivered() -> bool:
    """Whether stdout has taken all, or nobody wanted to read on. Says why it has not."""
    why = lost_output()
    if why is None or isinstance(why, BrokenPipeError):
        return True
    print(f"stdout cannot be written ({why.strerror})", file=sys.stderr)  # noqa: T201
    return False


def _guarded(stream: TextIO | None, output: _Output) -> TextIO:
    encoding = "utf-8"
    if stream is not None:  # None: it was closed
        encoding = stream.encoding
        with suppress(OSError, ValueError):
            stream.flush()
    # A name that the encoding does not have must not raise either.
    return io.TextIOWrapper(
        io.BufferedWriter(output), encoding, "backslashreplace", line_buffering=True
    )
