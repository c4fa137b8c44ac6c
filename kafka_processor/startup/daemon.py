"""The daemon: connects, prepares the topics, joins the group, processes until the signal."""

import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Final, TypeVar

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import connection_config
from kafka_processor.config import Settings
from kafka_processor.consumer import InputConsumer
from kafka_processor.delivery.producers import create_producer
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.pipeline import Pipeline
from kafka_processor.processor import Processor
from kafka_processor.record_limits import RecordLimits
from kafka_processor.startup.connecting import connect_with_retry
from kafka_processor.startup.integrations import Integrations
from kafka_processor.startup.logs import ClientLog
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.topics.configs import LimitLookup
from kafka_processor.topics.creation import prepare_topics
from kafka_processor.transformer import former_key_id, key_id

STOP_TIMEOUT: Final = 2.5
"""Seconds from the signal to finish the batch in hand; leaving the group included, under 5."""
STOP_STEP: Final = 0.1
"""Seconds between two looks at the signal while the start waits for a broker."""
Answer = TypeVar("Answer")


class StopSignal(threading.Event):
    """Set by SIGINT or SIGTERM."""

    at = 0.0
    """When, by `time.monotonic()`."""

    def set(self) -> None:
        self.at = self.at or time.monotonic()
        super().set()


def work(
    settings: Settings,
    key: bytes,
    log: FilteringBoundLogger,
    stopping: StopSignal,
    heartbeat: Heartbeat,
    watchers: Integrations,
) -> None:
    """Connects, joins the group and processes messages until the signal to stop."""

    def wait(seconds: float) -> bool:
        heartbeat.beat()
        return stopping.wait(seconds)

    _collect_garbage_rarely()
    client_log = ClientLog(log)
    options = watchers.client_options
    limits = RecordLimits()
    consumer = InputConsumer(settings, log, client_log, options)
    producer = create_producer(settings, consumer, limits, client_log, options)
    connect_with_retry(consumer, settings, log, wait)

    def report(error: KafkaError) -> None:
        if not consumer.has_joined:  # the consumer itself reports trouble from then on
            consumer.trouble.note(error)

    reporting = {"logger": client_log, "error_cb": report}
    admin = AdminClient(connection_config(settings) | reporting)

    def serve() -> None:
        consumer.serve()
        admin.poll(0)

    found = until_stopped(
        lambda: prepare_topics(settings, consumer, log, admin, wait), stopping, serve
    )
    if found is None:
        return
    limits.update(found)
    processor = Processor(
        settings,
        consumer,
        producer,
        Pipeline(settings, key, limits=limits, notes_trace_parents=watchers.notes_trace_parents),
        SummaryPrinter(settings, key_id(key), former_key_id=former_key_id(key)),
        log,
        watchers.observers,
        LimitLookup(settings, admin, limits, log),
    )
    watchers.set_readiness(processor.why_not_working)
    try:
        processor.start(stopping.is_set, heartbeat.beat)
        if not stopping.is_set():
            print("Kafka Consumer has started...", flush=True)  # noqa: T201
        processor.run(stopping.is_set, heartbeat.beat)
    except BaseException:
        processor.leave()
        raise
    # The last turn may have waited for a broker after the signal.
    processor.stop(max(stopping.at + STOP_TIMEOUT - time.monotonic(), 0))


def until_stopped(
    work: Callable[[], Answer], stopping: threading.Event, meanwhile: Callable[[], None]
) -> Answer | None:
    """Returns or raises what `work` does; returns None as soon as the process is to stop, since
    `work` may wait for brokers for longer than a stop may take. Calls `meanwhile` repeatedly."""
    answer: Future[Answer] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    while not wait_for([answer], STOP_STEP).done:
        if stopping.is_set():
            return None
        meanwhile()
    return answer.result()


def _collect_garbage_rarely() -> None:
    """A batch allocates tens of thousands of objects that all die with it, and no cycles.

    With its default thresholds the collector spends a tenth of the time on scanning them.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
