"""Quix Streams doing the job: `python -m bench.peers.quix_streams`, in its own environment.

In its fastest form that is right: all of the job in a sink, as Quix's own sink for Kafka does it.
Quix hands it each message, and flushes it before it commits; with `apply` and `to_topic` instead,
the throughput is a quarter less (exactly once a seventh), and a sink is needed all the same for
records that stand for many messages. At least once the sink has a producer of its own. Exactly once
it writes with the application's, and so in the transaction of the checkpoint, by an attribute that
is not documented.

Counts are kept in memory and begin anew with the process: Quix's state would cost a read and a
write of RocksDB for each message, and a changelog record.
"""

import os
import tempfile
from collections.abc import Callable
from typing import Any

from quixstreams import Application
from quixstreams.sinks import BaseSink

from bench.peers.login_job import LoginJob, announce, peer_settings
from bench.peers.patient_producer import PatientProducer, peer_producer_config
from kafka_processor.clients.client_config import consumer_config

COMMIT_INTERVAL = float(os.environ.get("COMMIT_INTERVAL", "0.3"))
"""Seconds. Quix stands still while it commits; with exactly-once it is also the latency."""
FLUSH_TIMEOUT = 30.0

Produce = Callable[[str, bytes, bytes | None], Any]
"""Topic, value, key."""


class LoginSink(BaseSink):  # type: ignore[misc]
    """Works on each message, and publishes what belongs to many before each commit."""

    def __init__(self, job: LoginJob, produce: Produce) -> None:
        super().__init__()
        self._job = job
        self._produce = produce

    def add(
        self,
        value: bytes | None,
        key: object,  # noqa: ARG002
        timestamp: int,
        headers: Any,
        topic: str,  # noqa: ARG002
        partition: int,
        offset: int,
    ) -> None:
        created = timestamp if timestamp >= 0 else None
        if record := self._job.work(partition, offset, created, value, headers):
            output, user, content = record
            self._produce(output, content, user)

    def flush(self) -> None:
        for output, key, content in self._job.take_records():
            self._produce(output, content, key)


class OwnProducerSink(LoginSink):
    """For at-least-once: nothing is committed before all of it is acknowledged."""

    def __init__(self, job: LoginJob, config: dict[str, Any]) -> None:
        self._producer = PatientProducer(config)
        super().__init__(job, self._producer.produce)

    def flush(self) -> None:
        super().flush()
        self._producer.flush(FLUSH_TIMEOUT)


def main() -> None:
    settings = peer_settings()
    job = LoginJob(settings)
    app = Application(
        broker_address=settings.kafka_bootstrap_servers,
        consumer_group=settings.consumer_group,
        auto_offset_reset=settings.auto_offset_reset,
        processing_guarantee=settings.delivery,
        commit_interval=COMMIT_INTERVAL,
        consumer_extra_config=consumer_config(settings),
        producer_extra_config=peer_producer_config(settings),
        consumer_poll_timeout=min(COMMIT_INTERVAL, 0.1),
        auto_create_topics=False,
        use_changelog_topics=False,
        state_dir=tempfile.gettempdir(),
        broker_availability_timeout=0,
        loglevel="WARNING",
    )
    sink = (
        LoginSink(job, app._producer.produce)
        if settings.delivery == "exactly-once"
        else OwnProducerSink(job, peer_producer_config(settings))
    )
    source = app.topic(settings.input_topic, value_deserializer="bytes")
    app.dataframe(source).sink(sink)
    assign = app._on_assign

    def on_assign(consumer: Any, partitions: Any) -> None:
        job.forget(each.partition for each in partitions)
        assign(consumer, partitions)
        if partitions:
            announce()

    app._on_assign = on_assign
    app.run()


if __name__ == "__main__":
    main()
