"""A contestant under measurement: a process of its own, and what it uses of the machine."""

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import psutil

from kafka_processor.config import rules

READY = b"Kafka Consumer has started..."
START_TIMEOUT = 60.0
STOP_TIMEOUT = 15.0
PROJECT = Path(__file__).resolve().parent.parent
Answer = TypeVar("Answer")


class ContestantFailed(Exception):
    """It did not start, or it ended; the message is for the user."""


class ContestantProcess:
    """Starts the command, and is entered once it says that it is ready."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        names = {name for name, _ in rules()}
        clean = {name: value for name, value in os.environ.items() if name not in names}
        self._command = command
        self._environment = {**clean, "PYTHONPATH": str(PROJECT), **environment}
        self._folder = tempfile.TemporaryDirectory(prefix="kafka-processor-bench-")
        self._log = Path(self._folder.name) / "log"
        self.start_seconds = 0.0
        """From the start of the process to its being ready."""

    def __enter__(self) -> "ContestantProcess":
        began = time.monotonic()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment | {"STATE_DIR": self._folder.name},
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._usage = psutil.Process(self._process.pid)
        watchdog = threading.Timer(START_TIMEOUT, self._process.kill)
        watchdog.start()
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        finally:
            watchdog.cancel()
        self.start_seconds = time.monotonic() - began
        # What else it prints is read too: a full pipe would make it wait.
        threading.Thread(target=self._drain, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def check(self) -> None:
        """Raises ContestantFailed if it has ended."""
        if self._process.poll() is not None:
            raise ContestantFailed(f"it ended: {self._last_words()}")

    @property
    def cpu_seconds(self) -> float:
        """User and system time so far, of its children too."""
        times = (_ask(each.cpu_times) for each in self._family())
        return float(sum(each.user + each.system for each in times if each))

    @property
    def memory(self) -> float:
        """Resident, in MB, of its children too."""
        sizes = (_ask(each.memory_info) for each in self._family())
        return float(sum(each.rss for each in sizes if each)) / 1e6

    def _family(self) -> list[psutil.Process]:
        return [self._usage, *(_ask(self._usage.children) or ())]

    def _wait_until_ready(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            if READY in line:
                return
        raise ContestantFailed(f"it did not start: {self._last_words()}")

    def _drain(self) -> None:
        assert self._process.stdout
        for _ in self._process.stdout:
            pass

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def _ask(question: Callable[[], Answer]) -> Answer | None:
    """None from a process that has ended meanwhile."""
    try:
        return question()
    except psutil.NoSuchProcess:
        return None
