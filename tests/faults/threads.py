"""Stops a single thread of a child process, by ptrace(2): the others go on."""

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import TIMEOUT

PTRACE_CONT = 7
PTRACE_DETACH = 17
PTRACE_SEIZE = 0x4206
PTRACE_INTERRUPT = 0x4207


@contextmanager
def stopped_while_busy(thread_id: int) -> Iterator[None]:
    """Stops the thread at a moment when it runs, and waits for nothing.

    A process's main thread has the id of the process.
    """
    _ptrace(PTRACE_SEIZE, thread_id)
    try:
        _stop_outside_system_calls(thread_id)
        yield
    finally:
        _ptrace(PTRACE_DETACH, thread_id)


def _stop_outside_system_calls(thread_id: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while True:
        _ptrace(PTRACE_INTERRUPT, thread_id)
        _, status = os.waitpid(thread_id, 0)
        assert os.WIFSTOPPED(status), "the process has ended"
        if Path(f"/proc/{thread_id}/syscall").read_text().startswith("-1 "):  # proc(5)
            return
        assert time.monotonic() < deadline, "it is always in a system call"
        _ptrace(PTRACE_CONT, thread_id)


def _ptrace(request: int, thread_id: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(request, thread_id, None, None) == -1:
        raise OSError(ctypes.get_errno(), f"ptrace request {request:#x}")
