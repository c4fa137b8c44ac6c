"""The watch on the output: when did it flow again after a fault?"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.job import Job
from tests.support.waiting import wait_until


class _Outcome(msgspec.Struct):
    message_id: str


_decode = msgspec.json.Decoder(_Outcome).decode


class OutputWatch:
    """Reads `processed-output` as a `read_committed` reader does, from a thread of its own."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._end = threading.Event()
        self._lock = threading.Lock()
        self._since = time.time()
        self._first: dict[int, float] = {}
        self.seen = 0
        """Records read so far."""
        self._thread = threading.Thread(target=self._read, daemon=True)

    @contextmanager
    def running(self) -> Iterator["OutputWatch"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._end.set()
            self._thread.join()

    def begin(self) -> None:
        """From now on, what counts is what was written after now."""
        with self._lock:
            self._since = time.time()
            self._first.clear()

    def seconds_to_output(self, partitions: int, timeout: float) -> float:
        """From `begin` until so many input partitions had new output, each its first record."""
        wait_until(
            lambda: len(self._first) >= partitions,
            lambda: (
                f"new output of {partitions} partitions, seen of {sorted(self._first)}:\n"
                + "\n".join(daemon.log for daemon in self._job.daemons if daemon.is_running)
            ),
            timeout,
        )
        with self._lock:
            return max(self._first.values()) - self._since

    def _read(self) -> None:
        topic = self._job.topics["processed"]
        consumer = self._consumer()
        known: set[int] = set()
        next_look = 0.0
        while not self._end.is_set():
            if time.monotonic() >= next_look:
                known |= self._take_up(consumer, topic, known)
                next_look = time.monotonic() + 0.5
            for message in consumer.consume(2000, 0.02):
                if message.error():
                    continue
                written = message.timestamp()[1] / 1000
                partition = int(_decode(message.value() or b"").message_id.rsplit("-", 2)[1])
                self.seen += 1
                with self._lock:
                    if written > self._since:
                        self._first.setdefault(partition, time.time())
        consumer.close()

    def _take_up(self, consumer: Consumer, topic: str, known: set[int]) -> set[int]:
        """Starts to read new partitions, from their beginning: the topic may appear later."""
        try:
            topics = self._admin.list_topics(timeout=1).topics
        except KafkaException:
            return set()
        new = set(topics[topic].partitions) - known if topic in topics else set()
        if new:
            consumer.incremental_assign([TopicPartition(topic, number, 0) for number in new])
        return new

    def _consumer(self) -> Consumer:
        self._admin = AdminClient({"bootstrap.servers": self._job.site.broker, "log_level": 0})
        return Consumer(
            {
                "bootstrap.servers": self._job.site.broker,
                "group.id": "unused",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                "fetch.queue.backoff.ms": 5,
                "reconnect.backoff.max.ms": 500,
                "topic.metadata.refresh.interval.ms": 2000,
                "log_level": 0,
            }
        )
