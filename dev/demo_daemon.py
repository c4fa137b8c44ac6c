"""The daemon as the demo runs it: with default settings, and never outliving the demo."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from dev.process_guard import ProcessGuard
from kafka_processor.config import Settings, load_settings, rules

READY: Final = b"Kafka Consumer has started..."
START_TIMEOUT: Final = 60.0
STOP_TIMEOUT: Final = 10.0
_ADDRESS: Final = re.compile(r"http://\S+")


class DemoError(Exception):
    """The demo cannot go on; the message is for the user."""


class Daemon:
    """`python -m kafka_processor` beside a broker that is the demo's own."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-processor-demo-"))
        self._guard = ProcessGuard(self._folder)
        self._log = self._folder / "daemon.log"
        self._environment = _environment(bootstrap_servers, self._folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._dashboard: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> Settings:
        return load_settings(self._environment)

    def start(self) -> None:
        """Starts it and returns once it says that it works. Raises DemoError."""
        self._process = self._start(self._log)
        deadline = time.monotonic() + START_TIMEOUT
        while READY not in self._log.read_bytes():
            self.check_that_it_runs()
            if time.monotonic() > deadline:
                raise DemoError(f"kafka_processor did not start in time; {self.describe_log()}")
            time.sleep(0.05)

    def start_dashboard(self) -> str:
        """Its page beside it, on a free port, as long as the demo runs: the address.

        Raises DemoError.
        """
        log = self._folder / "dashboard.log"
        process = self._dashboard = self._start(log, "dashboard", "--port", "0")
        deadline = time.monotonic() + START_TIMEOUT
        while not (address := _ADDRESS.search(log.read_text("utf-8", errors="replace"))):
            if process.poll() is not None or time.monotonic() > deadline:
                raise DemoError(f"the dashboard did not start: {log.read_text('utf-8').strip()}")
            time.sleep(0.05)
        return address[0]

    def _start(self, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
        """kafka_processor with the settings of the demo alone."""
        unset = [f"-u{name}" for name, _ in rules() if name not in self._environment]
        given = [f"{name}={value}" for name, value in self._environment.items()]
        # Its temporary files go with the folder, also when it is killed.
        given.append(f"TMPDIR={self._folder}")
        command = ["env", *unset, *given, sys.executable, "-m", "kafka_processor", *arguments]
        return self._guard.start(command, log)

    def check_that_it_runs(self) -> None:
        """Raises DemoError if it has ended."""
        exit_code = self._process.poll() if self._process else None
        if exit_code is not None:
            raise DemoError(f"kafka_processor ended by itself: {self.describe_end(exit_code)}")

    def stop(self) -> int:
        """Asks it to end and returns its exit code; kills it if it does not end."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def describe_end(self, exit_code: int) -> str:
        return f"exit code {exit_code}, {self.describe_log()}"

    def describe_log(self) -> str:
        """The last line of its log, and where all of it is kept beyond the end of the demo."""
        descriptor, kept = tempfile.mkstemp(prefix="kafka-processor-demo-", suffix=".log")
        os.close(descriptor)
        shutil.copyfile(self._log, kept)
        lines = self._log.read_text("utf-8", errors="replace").split("\n")
        last = next((line for line in reversed(lines) if line.strip()), "(nothing)")
        return f"its log: {kept}\n  its last line: {last}"

    def close(self) -> None:
        """Ends it and its dashboard if they still run, and removes their files."""
        for process in (self._dashboard, self._process):
            if process:
                process.kill()
                process.wait()
                self._guard.ended(process.pid)
        self._guard.close()


def _environment(bootstrap_servers: str, folder: Path) -> dict[str, str]:
    """All settings: what this shell or `.env` says is meant for another broker."""
    key, key_file, properties = secrets.token_hex(32), folder / "key", folder / "empty.properties"
    key_file.write_text(key)
    properties.touch()
    return {name: rule.default for name, rule in rules() if rule.default} | {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "KAFKA_PROPERTIES_FILE": str(properties),
        "CREATE_TOPICS": "all",
        "DEVICE_ID_KEY": key,
        "DEVICE_ID_KEY_FILE": str(key_file),
    }
