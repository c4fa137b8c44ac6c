"""Sentry's Arroyo doing the job: `python -m bench.peers.arroyo_loop`, in its own environment.

At least once: Arroyo has no transactions. Counts are kept in memory and begin anew with the
process, because its commits take no metadata. The strategy is one of our own, which is Arroyo's way
for what its steps do not have: several output topics, and records for many messages. The producer
is the client's own: each record costs Arroyo's `KafkaProducer` more than the whole job.
"""

import os
import signal
import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from arroyo import Topic
from arroyo.backends.kafka import KafkaConsumer, KafkaPayload
from arroyo.commit import IMMEDIATE
from arroyo.processing import StreamProcessor
from arroyo.processing.strategies import ProcessingStrategy, ProcessingStrategyFactory
from arroyo.types import Commit, Message, Partition

from bench.peers.login_job import LoginJob, announce, only_at_least_once, peer_settings
from bench.peers.patient_producer import PatientProducer, peer_producer_config
from kafka_processor.clients.client_config import consumer_config
from kafka_processor.config import Settings
from kafka_processor.records import OutputRecord

COMMIT_INTERVAL = float(os.environ.get("COMMIT_INTERVAL", "0.3"))
"""Seconds. Arroyo stands still while it commits; records are sent before that."""
FLUSH_TIMEOUT = 30.0
JOIN_TIMEOUT = 4.0
EPOCH = datetime(1970, 1, 1)
"""Arroyo's times are UTC and without a zone."""
MILLISECOND = timedelta(milliseconds=1)


class LoginStrategy(ProcessingStrategy[KafkaPayload]):  # type: ignore[misc]
    """Sends each record at once; offsets are committed after all records before them."""

    def __init__(self, job: LoginJob, settings: Settings, commit: Commit) -> None:
        self._job = job
        self._topic = Topic(settings.input_topic)
        self._commit = commit
        self._producer = PatientProducer(peer_producer_config(settings))
        self._next_commit = time.monotonic() + COMMIT_INTERVAL

    def submit(self, message: Message[KafkaPayload]) -> None:
        source = message.value
        created = (source.timestamp - EPOCH) // MILLISECOND
        payload = source.payload
        record = self._job.work(
            source.partition.index,
            source.offset,
            created if created >= 0 else None,
            payload.value,
            payload.headers,
        )
        if record:
            self._produce(record)

    def poll(self) -> None:
        if time.monotonic() >= self._next_commit:
            self._commit_all(FLUSH_TIMEOUT)

    def _produce(self, record: OutputRecord) -> None:
        topic, key, value = record
        self._producer.produce(topic, value, key)

    def _commit_all(self, timeout: float) -> None:
        offsets = self._job.next_offsets
        for record in self._job.take_records():
            self._produce(record)
        self._producer.flush(timeout)
        if offsets:
            self._commit(
                {Partition(self._topic, number): offset for number, offset in offsets.items()}
            )
        self._next_commit = time.monotonic() + COMMIT_INTERVAL

    def close(self) -> None:
        """All is worked on already."""

    def terminate(self) -> None:
        """What is not committed comes again."""

    def join(self, timeout: float | None = None) -> None:
        self._commit_all(FLUSH_TIMEOUT if timeout is None else timeout)


class LoginStrategies(ProcessingStrategyFactory[KafkaPayload]):  # type: ignore[misc]
    def __init__(self, settings: Settings) -> None:
        self._job = LoginJob(settings)
        self._settings = settings

    def create_with_partitions(
        self, commit: Commit, partitions: Mapping[Partition, int]
    ) -> LoginStrategy:
        self._job.forget(each.index for each in partitions)
        announce()
        return LoginStrategy(self._job, self._settings, commit)


def main() -> None:
    settings = peer_settings()
    only_at_least_once(settings, "Arroyo")
    consumer = KafkaConsumer(
        consumer_config(settings)
        # Arroyo assigns all partitions at once, and decides itself where to start.
        | {
            "partition.assignment.strategy": "range",
            "auto.offset.reset": settings.auto_offset_reset,
        }
    )
    processor = StreamProcessor(
        consumer=consumer,
        topic=Topic(settings.input_topic),
        processor_factory=LoginStrategies(settings),
        commit_policy=IMMEDIATE,
        join_timeout=JOIN_TIMEOUT,
    )
    signal.signal(signal.SIGTERM, lambda *_: processor.signal_shutdown())
    processor.run()


if __name__ == "__main__":
    main()
