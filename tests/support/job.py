"""A job of its own for each test: topics, group and daemons that nobody else uses."""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewPartitions, NewTopic

from tests.support.header_names import send_with_raw_headers
from tests.support.outputs import CommittedReader, OpenTransactions, Results, describe_group
from tests.support.program import Daemon
from tests.support.raw_batches import RawHeaders
from tests.support.waiting import TIMEOUT, wait_until

KEY = "00112233445566778899aabbccddeeff" * 2
OUTPUTS = ("processed", "errors", "cleaned", "summary", "metrics")


@dataclass(frozen=True)
class Site:
    """Where tests run: the broker, the program to run, and a folder for temporary files."""

    broker: str
    program: Path
    folder: Path


class Job:
    """Topics and a group with unique names, and the daemons that work on them.

    At the end of the `with` block the daemons are ended, topics and group are deleted.

    partitions: of the input topic; None: it is not created.
    """

    def __init__(self, site: Site, partitions: int | None = 4, padding: str = "") -> None:
        self.site = site
        suffix = f"{secrets.token_hex(4)}{padding}"
        self.group = f"test-{suffix}"
        self.input = f"test-input-{suffix}"
        self.topics = {name: f"test-{name}-{suffix}" for name in OUTPUTS}
        self.daemons: list[Daemon] = []
        self._group_consumer: Consumer | None = None
        self.admin = AdminClient({"bootstrap.servers": site.broker, "log_level": 0})
        self.partitions = partitions or 0
        if partitions:
            self.create_topic(self.input, partitions)
        self.producer = Producer(
            {
                "bootstrap.servers": site.broker,
                "enable.idempotence": True,
                "linger.ms": 5,
                "log_level": 0,
            }
        )

    def __enter__(self) -> "Job":
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for daemon in self.daemons:
            daemon.kill()
        self._close_group()
        self.producer.flush(TIMEOUT)
        existing = self.admin.list_topics(timeout=TIMEOUT).topics
        own = [topic for topic in (self.input, *self.topics.values()) if topic in existing]
        for future in self.admin.delete_topics(own).values() if own else ():
            future.result(TIMEOUT)
        for future in self.admin.delete_consumer_groups([self.group]).values():
            # Never used, or a killed member is not forgotten yet: then it ends by itself.
            with contextlib.suppress(KafkaException):
                future.result(TIMEOUT)

    def create_topic(
        self, topic: str, partitions: int, config: Mapping[str, str] | None = None
    ) -> None:
        new = NewTopic(topic, num_partitions=partitions, config=dict(config or {}))
        for future in self.admin.create_topics([new]).values():
            future.result(TIMEOUT)
        wait_until(
            lambda: topic in self.admin.list_topics(timeout=TIMEOUT).topics, f"topic {topic}"
        )

    def configure_topic(self, topic: str, **config: str) -> None:
        """Set entries of its configuration; `_` stands for `.` in their names."""
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        for future in self.admin.incremental_alter_configs([resource]).values():
            future.result(TIMEOUT)

    def add_partitions(self, count: int) -> None:
        """To the input, until it has so many."""
        for future in self.admin.create_partitions([NewPartitions(self.input, count)]).values():
            future.result(TIMEOUT)

        def known() -> int:
            return len(self.producer.list_topics(self.input, TIMEOUT).topics[self.input].partitions)

        wait_until(lambda: known() == count, f"{count} partitions")
        self.partitions = count

    def delete_topic(self, topic: str) -> None:
        for future in self.admin.delete_topics([topic]).values():
            future.result(TIMEOUT)
        wait_until(
            lambda: topic not in self.admin.list_topics(timeout=TIMEOUT).topics,
            f"the end of topic {topic}",
        )

    def existing_topics(self) -> set[str]:
        existing = self.admin.list_topics(timeout=TIMEOUT).topics
        return {topic for topic in (self.input, *self.topics.values()) if topic in existing}

    def settings(self, **settings: str) -> dict[str, str]:
        """The environment of a daemon on this job; `settings` override it."""
        topics = {f"{name.upper()}_TOPIC": topic for name, topic in self.topics.items()}
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.site.broker,
            "INPUT_TOPIC": self.input,
            "CONSUMER_GROUP": self.group,
            "DEVICE_ID_KEY": KEY,
            **topics,
            **settings,
        }

    def launch(
        self,
        settings: Mapping[str, str] | None = None,
        arguments: Sequence[str] = ("-m", "kafka_processor"),
        program: Path | None = None,
        working_folder: Path | None = None,
    ) -> Daemon:
        """Start the program, without waiting for anything."""
        daemon = Daemon(
            program or self.site.program,
            Path(tempfile.mkdtemp(dir=self.site.folder)),
            self.settings() if settings is None else settings,
            arguments,
            working_folder,
        )
        self.daemons.append(daemon)
        return daemon

    def start(self, **settings: str) -> Daemon:
        """Start the program, and return once it says that it has started."""
        return self.launch(self.settings(**settings)).wait_for_start()

    def send(
        self,
        value: bytes | None,
        partition: int = 0,
        key: bytes | None = None,
        age: float | None = None,
        headers: RawHeaders | None = None,
    ) -> None:
        """Produce to the input, with a timestamp `age` seconds before now; `flush` afterwards.

        The name of a header may be any bytes.
        """
        timestamp = 0 if age is None else int((time.time() - age) * 1000)
        if any(isinstance(name, bytes) for name, _ in headers or ()):
            self.flush()  # so that it comes after what was sent before
            send_with_raw_headers(
                self.admin, self.input, partition, key, value, headers or (), timestamp
            )
            return
        while True:
            try:
                self.producer.produce(
                    self.input,
                    value,
                    key,
                    partition,
                    timestamp=timestamp,
                    headers=headers,  # type: ignore[arg-type]  # no bytes are among them
                )
                return
            except BufferError:
                self.producer.poll(0.1)

    def flush(self) -> None:
        assert self.producer.flush(TIMEOUT) == 0, "cannot write to the input topic"

    def send_all(self, values: Sequence[bytes], partition: int = 0) -> None:
        for value in values:
            self.send(value, partition)
        self.flush()

    def members(self) -> dict[str, list[int]]:
        return describe_group(self.admin, self.group)

    def wait_for_shares(self, members: int, timeout: float = TIMEOUT) -> None:
        """Return once so many members share all partitions evenly."""

        def shared() -> bool:
            shares = list(self.members().values())
            owned = sorted(partition for share in shares for partition in share)
            return (
                len(shares) == members
                and owned == list(range(self.partitions))
                and max(map(len, shares)) - min(map(len, shares)) <= 1
            )

        wait_until(
            shared, lambda: f"{members} members with equal shares: {self.members()}", timeout
        )

    def group_state(self) -> str:
        """As the client names it: `STABLE`, `PREPARING_REBALANCING`, …"""
        [future] = self.admin.describe_consumer_groups([self.group]).values()
        return str(future.result(TIMEOUT).state.name)

    def committed(self) -> dict[int, int]:
        """The group's committed offset of each partition that has one."""
        wanted = [TopicPartition(self.input, number) for number in range(self.partitions)]
        for _ in range(2):
            try:
                answer = self._group().committed(wanted, timeout=TIMEOUT)
            except KafkaException as exception:
                if exception.args[0].code() != KafkaError.NOT_COORDINATOR:
                    raise
                # The coordinator has moved, which a new client finds out. Or a new broker is just
                # making its offsets topic: nobody has committed yet.
                self._close_group()
            else:
                return {each.partition: each.offset for each in answer if each.offset >= 0}
        return {}

    def committed_total(self) -> int:
        """How many messages are done, if offsets of the input have no gaps."""
        return sum(self.committed().values())

    def committed_with_metadata(self, partition: int) -> tuple[int, str]:
        [found] = self._group().committed([TopicPartition(self.input, partition)], timeout=TIMEOUT)
        # The client may hand out bytes of its memory behind the text, which is JSON.
        metadata = found.metadata or ""
        return found.offset, metadata[: metadata.rindex("]") + 1]

    def commit_by_hand(self, partition: int, offset: int, metadata: str | None = None) -> None:
        offsets = [TopicPartition(self.input, partition, offset, metadata or "")]
        self._group().commit(offsets=offsets, asynchronous=False)

    def _group(self) -> Consumer:
        """A client for the group's offsets, which is no member."""
        if self._group_consumer is None:
            self._group_consumer = Consumer(
                {
                    "bootstrap.servers": self.site.broker,
                    "group.id": self.group,
                    "enable.auto.commit": False,
                    "reconnect.backoff.max.ms": 500,
                    "log_level": 0,
                }
            )
        return self._group_consumer

    def _close_group(self) -> None:
        if self._group_consumer is not None:
            self._group_consumer.close()
            self._group_consumer = None

    def logs(self) -> str:
        """Of all daemons, the ones that have ended too."""
        return "\n\n".join(daemon.log for daemon in self.daemons)

    def reader(self, *names: str) -> CommittedReader:
        """A reader of the named output topics, or of all."""
        return CommittedReader(self.site.broker, [self.topics[name] for name in names or OUTPUTS])

    def wait_for_lines(self, count: int, timeout: float = TIMEOUT) -> None:
        """Return once so many metrics lines are committed."""
        reader = self.reader("metrics")
        try:
            lines = 0
            deadline = time.monotonic() + timeout
            while lines < count:
                log = self.daemons[-1].log if self.daemons else ""
                assert time.monotonic() < deadline, f"{lines} of {count} outcomes:\n{log}"
                reader.read()
                records = reader.records[self.topics["metrics"]]
                lines = sum(len(record.value["message_details"]) for record in records)
        finally:
            reader.close()

    def wait_for_end_of_transactions(self) -> None:
        reader = self.reader()
        open_transactions = OpenTransactions(self.site.broker, reader.partitions)
        try:
            wait_until(lambda: not open_transactions.any(), "the end of all transactions", 45)
        finally:
            open_transactions.close()
            reader.close()

    def results(self) -> Results:
        """All that is committed, once no transaction is open any more."""
        self.wait_for_end_of_transactions()
        reader = self.reader()
        try:
            reader.read_to_end()
        finally:
            reader.close()
        return Results(**{name: reader.records[self.topics[name]] for name in OUTPUTS})

    def run(self, count: int, **settings: str) -> Results:
        """Start, wait until `count` messages have an outcome, stop: what came out."""
        daemon = self.start(**settings)
        self.wait_for_lines(count)
        daemon.stop()
        return self.results()


class MakeJob(Protocol):
    """The fixture `make_job`: makes jobs that are cleaned up at the end of the test."""

    def __call__(self, partitions: int | None = 4, padding: str = "") -> Job: ...
