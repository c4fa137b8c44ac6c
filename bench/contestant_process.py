"""The daemon under measurement: a process of its own, and what it uses of the machine."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import psutil

from kafka_processor.config import rules

READY = b"Kafka Consumer has started..."


class MeasuredDaemon:
    """`python -m kafka_processor` with the given settings, ready when the context is entered."""

    def __init__(self, bootstrap_servers: str, **settings: str) -> None:
        names = {name for name, _ in rules()}
        clean = {name: value for name, value in os.environ.items() if name not in names}
        self._environment = clean | {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "CREATE_TOPICS": "all",
            "DEVICE_ID_KEY": "0b" * 32,
            "MAX_MESSAGE_AGE": "0",
            **settings,
        }
        self._folder = tempfile.TemporaryDirectory(prefix="kafka-processor-bench-")
        self._log = Path(self._folder.name) / "daemon.log"

    def __enter__(self) -> "MeasuredDaemon":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kafka_processor"],
                env=self._environment,
                cwd=self._folder.name,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout
        if READY not in self._process.stdout.readline():
            raise SystemExit(f"the daemon did not start:\n{self._log.read_text()}")
        self._usage = psutil.Process(self._process.pid)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        if self._process.stdout:
            self._process.stdout.close()
        self._folder.cleanup()

    @property
    def cpu_seconds(self) -> float:
        times = self._usage.cpu_times()
        return float(times.user + times.system)

    @property
    def memory(self) -> float:
        """Resident, in MB."""
        return float(self._usage.memory_info().rss) / 1e6
