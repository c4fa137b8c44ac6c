"""One hostile input against one daemon: its size on disk, the peak memory, the time to pass it."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.contestant_process import PROJECT, READY
from bench.hostile.inputs import GOOD, HostileInput
from bench.topics import OUTPUT_SETTINGS, output_settings
from kafka_processor.config import rules

START_LIMIT: Final = 30.0
PASS_LIMIT: Final = 120.0
"""Seconds until the event behind the hostile input must have come out."""
STOP_LIMIT: Final = 10.0
"""Seconds that a stop is waited for; the contract allows 5."""
STOP_AFTER: Final = 1.0
"""Seconds of work on the input before the daemon is told to stop."""
SEND_LIMIT: Final = 120.0
ADDRESS_SPACE: Final = 8 * 2**30
"""Bytes that a daemon may map, so that the machine survives the trial."""


class TrialFailed(Exception):
    """What the daemon did not do; the message is for the table."""


@dataclass
class Trial:
    """What was measured; NaN: it was not."""

    name: str
    on_disk: int = 0
    """Bytes of the input partition."""
    refused: Counter[str] = field(default_factory=Counter)
    """Records that the broker did not take, by its reason."""
    peak: float = float("nan")
    """MB, resident."""
    seconds: float = float("nan")
    """From the daemon's start to the outcome of the last event."""
    stop_seconds: float = float("nan")
    """From SIGTERM, in the middle of the input, to the end of the process."""
    outcomes: Counter[str] = field(default_factory=Counter)
    failure: str = ""


class Site:
    """A broker, and the folder in which it keeps its partitions."""

    def __init__(self, bootstrap_servers: str, data: Path) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._data = data
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})

    def create(self, configs: Mapping[str, Mapping[str, str]]) -> None:
        new = [
            NewTopic(name, num_partitions=1, config=dict(config))
            for name, config in configs.items()
        ]
        for created in self._admin.create_topics(new).values():
            created.result(START_LIMIT)

    def remove(self, names: list[str]) -> None:
        for removed in self._admin.delete_topics(names).values():
            removed.result(START_LIMIT)

    def size(self, topic: str) -> int:
        return sum(file.stat().st_size for file in (self._data / f"{topic}-0").glob("*.log"))


def run_trial(site: Site, number: int, hostile: HostileInput) -> Trial:
    """Never raises for what the daemon does: the trial says that it failed, and how."""
    trial = Trial(hostile.name)
    topic = f"hostile-{number}"
    outputs = output_settings(topic)
    configs = {topic: hostile.input_config} | {outputs[name]: {} for name in OUTPUT_SETTINGS}
    configs[outputs["PROCESSED_TOPIC"]] = hostile.processed_config
    site.create(configs)
    try:
        last = _send(site, topic, hostile, trial)
        trial.on_disk = site.size(topic)
        settings = {
            "KAFKA_BOOTSTRAP_SERVERS": site.bootstrap_servers,
            "INPUT_TOPIC": topic,
            "DEVICE_ID_KEY": bytes(range(32)).hex(),
            "MAX_MESSAGE_AGE": "0",
            "CREATE_TOPICS": "none",
            **outputs,
        }
        _pass(site, settings, f"{topic}-0-{last}", trial)
        _stop(settings, trial)
    except TrialFailed as failure:
        trial.failure = str(failure)
    finally:
        site.remove(list(configs))
    return trial


def _send(site: Site, topic: str, hostile: HostileInput, trial: Trial) -> int:
    """Returns the offset of the good event behind the hostile input."""
    client = Producer(
        {
            "bootstrap.servers": site.bootstrap_servers,
            "compression.type": hostile.compression,
            "message.max.bytes": 1_000_000_000,
            "batch.size": 2_147_483_647,
            "batch.num.messages": hostile.records_a_batch,
            "linger.ms": 500 if hostile.records_a_batch > 1 else 0,
            "queue.buffering.max.kbytes": 2_097_151,
            "message.timeout.ms": round(SEND_LIMIT * 1000),
            "max.in.flight.requests.per.connection": 1,
            "log_level": 0,
        }
    )
    offsets: list[int] = []

    def note(error: KafkaError | None, message: Message) -> None:
        if error:
            trial.refused[error.name()] += 1
        else:
            offsets.append(message.offset() or 0)

    for value in hostile.values():
        client.produce(topic, value, on_delivery=note)
        # The client cuts its batches by their number of records, but not where it has few of them.
        if hostile.records_a_batch == 1:
            client.flush(SEND_LIMIT)
        while len(client) >= 2 * hostile.records_a_batch:
            client.poll(0.1)
    client.flush(SEND_LIMIT)
    client.produce(topic, GOOD, on_delivery=note)
    if client.flush(SEND_LIMIT) or not offsets:
        raise TrialFailed("the input could not be written")
    return max(offsets)


def _pass(site: Site, settings: Mapping[str, str], last: str, trial: Trial) -> None:
    """Has a daemon work on the input up to the message `last`."""
    with _daemon(settings, "hostile") as daemon, _outcomes(site, settings) as read:
        daemon.wait_until_ready()
        began = time.monotonic()
        outcomes: Counter[str] = Counter()
        is_last_seen = False
        while not is_last_seen:
            for message_id, outcome in read():
                outcomes[outcome] += 1
                is_last_seen |= message_id == last
            trial.peak = daemon.peak
            trial.outcomes = outcomes
            daemon.check()
            if time.monotonic() - began > PASS_LIMIT:
                raise TrialFailed(f"not passed within {PASS_LIMIT:.0f} s")
        trial.seconds = time.monotonic() - began


def _stop(settings: Mapping[str, str], trial: Trial) -> None:
    """Stops another daemon in the middle of the input."""
    with _daemon(settings, "stopped") as daemon:
        daemon.wait_until_ready()
        time.sleep(STOP_AFTER)
        daemon.check()
        trial.stop_seconds = daemon.stop()


@contextmanager
def _outcomes(
    site: Site, settings: Mapping[str, str]
) -> Iterator[Callable[[], list[tuple[str, str]]]]:
    """A call that returns the new metrics lines: message_id and outcome."""
    reader = Consumer(
        {
            "bootstrap.servers": site.bootstrap_servers,
            "group.id": "hostile-reader",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    reader.assign([TopicPartition(settings["METRICS_TOPIC"], 0, 0)])

    def read() -> list[tuple[str, str]]:
        found = []
        for message in reader.consume(100, 0.05):
            if message.error() is None:
                for line in json.loads(message.value() or b"{}").get("message_details", ()):
                    found.append((line["message_id"], line["outcome"]))
        return found

    try:
        yield read
    finally:
        reader.close()


class _Daemon:
    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._peak = 0.0

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while READY not in (self._folder / "stdout").read_bytes():
            self.check()
            if time.monotonic() > deadline:
                raise TrialFailed(f"not started within {START_LIMIT:.0f} s")
            time.sleep(0.02)

    @property
    def peak(self) -> float:
        """MB that were resident at most so far."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text()
        except OSError:
            return self._peak
        for line in status.splitlines():
            if line.startswith("VmHWM:"):
                self._peak = int(line.split()[1]) * 1024 / 1e6
        return self._peak

    def check(self) -> None:
        code = self._process.poll()
        if code is not None:
            end = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise TrialFailed(f"the daemon ended: {end}")

    def stop(self) -> float:
        began = time.monotonic()
        self._process.terminate()
        try:
            code = self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            raise TrialFailed(f"not stopped within {STOP_LIMIT:.0f} s") from None
        if code:
            raise TrialFailed(f"stopped with exit code {code}")
        return time.monotonic() - began

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def _daemon(settings: Mapping[str, str], group: str) -> Iterator[_Daemon]:
    """In a folder of its own, and with a limit on what it may map."""
    names = {name for name, _ in rules()}
    clean = {name: value for name, value in os.environ.items() if name not in names}
    own = {"CONSUMER_GROUP": f"{settings['INPUT_TOPIC']}-{group}"}
    with tempfile.TemporaryDirectory(prefix="kafka-processor-hostile-") as name:
        folder = Path(name)
        with (folder / "stdout").open("wb") as stdout, (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "kafka_processor"],
                env={"PYTHONPATH": str(PROJECT), **clean, **settings, **own},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=log,
            )
        resource.prlimit(process.pid, resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        daemon = _Daemon(process, folder)
        try:
            yield daemon
        finally:
            daemon.kill()
