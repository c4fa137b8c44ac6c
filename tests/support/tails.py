"""What the tests of the tailing scripts need: topics with records, scripts, and a terminal."""

import fcntl
import os
import pty
import secrets
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.support.program import Daemon
from tests.support.waiting import TIMEOUT, wait_until

SETTINGS = {
    "processed_output": "PROCESSED_TOPIC",
    "processed_errors": "ERRORS_TOPIC",
    "cleaned_data": "CLEANED_TOPIC",
    "summary_data": "SUMMARY_TOPIC",
    "metrics": "METRICS_TOPIC",
}
"""The scripts, and the setting that names what each of them reads."""


def script_path(program: Path, script: str) -> str:
    return str(program / "verify" / f"verify_{script}.py")


def environment(broker: str, script: str, topic: str) -> dict[str, str]:
    # A setting that is wrong, but that is no business of these scripts.
    return {
        "KAFKA_BOOTSTRAP_SERVERS": broker,
        SETTINGS[script]: topic,
        "MAX_MESSAGE_AGE": "wrong",
    }


class Tail(Daemon):
    """A running script."""

    def __enter__(self) -> "Tail":
        return self

    @property
    def raw_stdout(self) -> bytes:
        return self._stdout.read_bytes()

    def wait_for_output(self, text: str) -> None:
        wait_until(lambda: text in self.stdout, lambda: f"{text!r} on stdout:\n{self.log}")

    def ends_well(self, shown: int) -> None:
        """It ends by itself, and says how many records it has shown."""
        assert self.wait() == 0, self.log
        assert self.log_lines[-1] == f"records shown: {shown}"


def run_in_terminal(
    arguments: list[str], settings: Mapping[str, str], folder: Path, columns: int
) -> str:
    """What the program writes to a terminal until it ends."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, *arguments],
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "PYTHONUTF8": "1", **settings},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(theirs)
        written = b""
        try:
            while chunk := os.read(ours, 65536):
                written += chunk
        except OSError:
            pass  # how Linux says that nobody writes to the terminal any more
        finally:
            os.close(ours)
        assert process.wait(TIMEOUT) == 0
    return written.decode().replace("\r\n", "\n")


class Kafka:
    """Topics for the tests, and what is written to them."""

    def __init__(self, broker: str) -> None:
        self.broker = broker
        self._admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
        self._topics: set[str] = set()
        self._idle: list[Producer] = []

    def unused_topic(self) -> str:
        topic = f"test-verify-{secrets.token_hex(4)}"
        self._topics.add(topic)
        return topic

    def create(self, topic: str) -> str:
        self._admin.create_topics([NewTopic(topic, 1)])[topic].result(TIMEOUT)
        wait_until(lambda: topic in self._existing(), topic)
        return topic

    def delete(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result(TIMEOUT)
        self._idle.clear()  # they know the topic as it was

    def add_partition(self, topic: str, partitions: int) -> None:
        new = NewPartitions(topic, partitions)
        self._admin.create_partitions([new])[topic].result(TIMEOUT)
        self._idle.clear()  # they know the topic as it was

    def clean_up(self) -> None:
        for topic in self._topics & self._existing():
            self.delete(topic)

    def _existing(self) -> set[str]:
        return set(self._admin.list_topics(timeout=TIMEOUT).topics)

    def transaction(self) -> "Transaction":
        return Transaction(self._idle.pop() if self._idle else self._new_producer(), self._idle)

    def _new_producer(self) -> Producer:
        name = f"test-verify-{secrets.token_hex(4)}"
        producer = Producer(
            {"bootstrap.servers": self.broker, "transactional.id": name, "log_level": 0}
        )
        producer.init_transactions(TIMEOUT)
        return producer

    def commit(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        transaction = self.transaction()
        transaction.write(topic, *values, partition=partition)
        transaction.commit()

    def filled(self, *values: bytes | None) -> str:
        """A topic with these records, and one that was aborted before the last of them."""
        topic = self.create(self.unused_topic())
        self.commit(topic, *values[:-1])
        aborted = self.transaction()
        aborted.write(topic, values[0])
        aborted.abort()
        self.commit(topic, values[-1])
        return topic


class Transaction:
    """Begun, and to be ended by `commit` or `abort`; its producer then goes back to the idle."""

    def __init__(self, producer: Producer, idle: list[Producer]) -> None:
        self._producer = producer
        self._idle = idle
        producer.begin_transaction()

    def write(self, topic: str, *values: bytes | None, partition: int = 0) -> None:
        """The records are in the topic when this returns, if not committed."""
        for value in values:
            self._producer.produce(topic, value, partition=partition)
        assert not self._producer.flush(TIMEOUT)

    def commit(self) -> None:
        self._producer.commit_transaction(TIMEOUT)
        self._idle.append(self._producer)

    def abort(self) -> None:
        self._producer.abort_transaction(TIMEOUT)
        self._idle.append(self._producer)
