"""The program under test as a process of its own."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from tests.support.waiting import TIMEOUT, wait_until

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
STARTED = "Kafka Consumer has started..."
PROBLEM = r"\[(warning|error) "
"""Pattern of log lines that tell of one."""
NO_BROKER = "127.0.0.1:9"
CHECK = ("-m", "kafka_processor", "--check")
STOP_LIMIT = 5.0
"""Seconds within which a signal ends the program."""


def copy_program(folder: Path, *, with_project_file: bool = False) -> Path:
    """Copy the package into `folder`, as an installation or, with its project file, a checkout.

    Run from a copy, the program cannot meet the `.env` and the key of the developer's checkout.
    """
    shutil.copytree(
        PROJECT_FOLDER / "kafka_processor",
        folder / "kafka_processor",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    if with_project_file:
        shutil.copy(PROJECT_FOLDER / "pyproject.toml", folder)
    return folder


class Daemon:
    """A started program; end it with `stop`, `kill`, or as a context manager.

    program: folder that holds the package. folder: an empty one to work in, for the logs too.
    settings: all that its environment holds, besides what Python needs.
    """

    def __init__(
        self,
        program: Path,
        folder: Path,
        settings: Mapping[str, str],
        arguments: Sequence[str] = ("-m", "kafka_processor"),
        working_folder: Path | None = None,
    ) -> None:
        self._stdout, self._stderr = folder / "stdout.log", folder / "stderr.log"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(program),
            "PYTHONIOENCODING": "utf-8",
            # A test that names no broker must not meet the developer's, which has the default port.
            "KAFKA_BOOTSTRAP_SERVERS": NO_BROKER,
            **settings,
        }
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                env=environment,
                cwd=working_folder or folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )

    def __enter__(self) -> "Daemon":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def log(self) -> str:
        return self._stderr.read_text(errors="replace")

    @property
    def log_lines(self) -> list[str]:
        return self.log.splitlines()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_for_start(self, timeout: float = TIMEOUT) -> "Daemon":
        def started() -> bool:
            assert self.is_running, f"ended with {self.process.returncode}:\n{self.log}"
            return STARTED in self.stdout.splitlines()

        wait_until(started, lambda: f"the program's start:\n{self.log}", timeout)
        return self

    def wait_for_log(self, pattern: str, timeout: float = TIMEOUT, times: int = 1) -> str:
        """The first line of the log in which the pattern is found, ignoring case; waits until it
        was found so many times."""
        wait_until(
            lambda: len(self.lines_with(pattern)) >= times,
            lambda: f"{times} log lines with {pattern!r}:\n{self.log}",
            timeout,
        )
        return self.lines_with(pattern)[0]

    def lines_with(self, pattern: str) -> list[str]:
        return [line for line in self.log_lines if re.search(pattern, line, re.IGNORECASE)]

    def wait(self, timeout: float = TIMEOUT) -> int:
        """The exit code, once the program has ended by itself; its log holds no traceback."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:.0f} s:\n{self.log}") from None
        assert "Traceback" not in self.log, self.log
        return code

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it by a signal; it must exit with 0, and in time."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.wait()
        seconds = time.monotonic() - began
        assert code == 0, f"exit code {code}:\n{self.log}"
        assert seconds < STOP_LIMIT, f"stopped after {seconds:.1f} s:\n{self.log}"

    @contextmanager
    def frozen(self) -> Iterator[None]:
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would, if it still runs."""
        if self.is_running:
            self.process.kill()
        self.process.wait()
