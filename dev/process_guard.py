"""Processes that never outlive the one that started them, not even when it is killed.

`ProcessGuard` starts a second Python process (this file as a script) that does nothing but read a
pipe. The parent holds the other end, which the kernel closes however the parent ends. The script
then kills what was started through the guard and removes the folder. Works on Linux and macOS.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

KILL_TIMEOUT = 20.0  # seconds that killed processes get to disappear
REMOVE_TIMEOUT = 60.0  # seconds for that and the removal of the folder

# The shell tells the guard its process id before it becomes the command, so that the command never
# runs unknown to the guard. Its standard input is the guard's pipe until then.
ANNOUNCE_AND_RUN = 'echo "+$$" >&0 && exec "$@" </dev/null'


class ProcessGuard:
    """Starts processes; `close()`, or the end of this process, kills them and removes `folder`."""

    def __init__(self, folder: Path | None) -> None:
        # A session of their own keeps the guard and its processes from a Ctrl-C in the terminal:
        # the parent decides how they end.
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(folder or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._guard.stdin is not None
        self._pipe = self._guard.stdin

    def start(self, command: Sequence[str], log_file: Path) -> subprocess.Popen[bytes]:
        """Start `command`, its output appended to `log_file`. Report its end by `ended`."""
        with log_file.open("ab") as log:
            return subprocess.Popen(
                ["/bin/sh", "-c", ANNOUNCE_AND_RUN, "sh", *command],
                stdin=self._pipe,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ended(self, pid: int) -> None:
        """The process was waited for: its id may be another's from now on."""
        self._tell(f"-{pid}")

    def close(self) -> None:
        """Kill what still runs, remove the folder."""
        # Not by closing the pipe alone: a process that was forked from this one may hold it open.
        self._tell("end")
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        self._guard.wait(KILL_TIMEOUT + REMOVE_TIMEOUT)

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # somebody ended the guard
            self._pipe.write(f"{line}\n".encode())
            self._pipe.flush()


def watch(folder: Path | None) -> None:
    """Read which processes run until the parent is gone; then kill them, and remove `folder`."""
    running: set[int] = set()
    for line in sys.stdin:
        if line == "end\n":
            break
        if line.startswith("+"):
            running.add(int(line))
        else:
            running.discard(-int(line))
    for pid in running:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _wait_until_gone(running)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + KILL_TIMEOUT
    while any(_exists(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    watch(Path(sys.argv[1]) if sys.argv[1] else None)
