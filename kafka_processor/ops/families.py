"""The metrics: name, meaning, and how each is read. `docs/operations.md` lists them all.

They are independent of any tool: `collector.py` converts them for Prometheus,
`telemetry/instruments.py` for OpenTelemetry.
"""

import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from confluent_kafka import libversion

from kafka_processor import __version__
from kafka_processor.config import Settings
from kafka_processor.metrics import records_by_topic
from kafka_processor.ops.client_statistics import BrokerFigures, ClientStatistics
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from kafka_processor.ops.histogram import Histogram
from kafka_processor.outcomes import OUTCOMES, OutcomeRow

PREFIX: Final = "kafka_processor_"
Samples = Mapping[tuple[str, ...], float]
"""Values by label values."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """The metrics of one name, here without the suffixes `_total` and `_info`."""

    kind: Literal["counter", "gauge", "info"]
    name: str
    meaning: str
    read: Callable[[], Samples]
    """Called on any thread."""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class HistogramFamily:
    name: str
    meaning: str
    histogram: Histogram


def families_of(
    settings: Settings, key_id: str, figures: Figures, health: Health
) -> list[Family | HistogramFamily]:
    return [
        _build(settings, key_id),
        *_state(health),
        *_messages(settings, figures),
        *_partitions(figures),
        *_commits(figures),
        *_clients(figures),
        *_brokers(figures),
    ]


def _build(settings: Settings, key_id: str) -> Family:
    build = {
        "version": __version__,
        "python": platform.python_version(),
        "librdkafka": libversion()[0],
        "delivery": settings.delivery,
        "consumer_group": settings.consumer_group,
        "input_topic": settings.input_topic,
        "key_id": key_id,
    }
    return Family(
        kind="info",
        name="build",
        meaning="What runs",
        read=lambda: {tuple(build.values()): 1},
        labels=tuple(build),
    )


def _state(health: Health) -> Iterator[Family]:
    yield _gauge(
        "ready",
        "1 while messages can be processed",
        lambda: {(): float(health.why_not_ready() is None)},
    )
    yield _gauge(
        "loop_age_seconds",
        "Time since the loop last turned",
        lambda: {(): health.seconds_since_turn},
    )


def _messages(settings: Settings, figures: Figures) -> Iterator[Family | HistogramFamily]:
    def messages() -> Samples:
        counts = dict(figures.outcomes)
        return {_label_values(*item): counts.get(item[0], 0) for item in OUTCOMES.items()}

    def records() -> Samples:
        counts = records_by_topic(settings, dict(figures.outcomes))
        return {(topic,): count for topic, count in counts.items()}

    yield _counter(
        "messages",
        "Messages committed, by outcome",
        messages,
        "outcome",
        "error_type",
    )
    yield _counter(
        "records", "Records committed, one for each message that has one", records, "topic"
    )
    yield _counter(
        "replayed_messages", "Messages committed that were replayed", lambda: {(): figures.replayed}
    )
    yield _counter(
        "gone_unread_messages",
        "Messages that were deleted before they were read",
        lambda: {(): figures.gone_unread},
    )
    yield _histogram("processing_seconds", "Time spent on a message", figures.processing_times)
    yield _histogram(
        "latency_seconds", "From a record's timestamp to its commit", figures.latencies
    )


def _partitions(figures: Figures) -> Iterator[Family]:
    def rebalances() -> Samples:
        consumer = figures.clients.get("consumer")
        return {(): consumer.cgrp.rebalance_cnt if consumer else 0}

    yield _counter(
        "partition_messages",
        "Messages committed, by input partition",
        lambda: _labelled(figures.by_partition),
        "partition",
    )
    yield _gauge(
        "assigned_partitions",
        "Input partitions assigned to this process",
        lambda: {(): figures.assigned},
    )
    yield _gauge(
        "committed_offset",
        "Committed offset: the next one to read",
        lambda: _labelled(figures.positions()),
        "partition",
    )
    yield _gauge(
        "consumer_lag_messages",
        "Messages that are not committed yet",
        lambda: _labelled(figures.lags()),
        "partition",
    )
    yield _gauge(
        "stalled_partitions",
        "Partitions with messages waiting that have not moved for a minute",
        lambda: {(): len(figures.stalled(time.monotonic()))},
    )
    yield _gauge(
        "consumer_age_seconds",
        "Age of the oldest message that is not committed yet, at most",
        lambda: _labelled(figures.ages(time.time_ns() // 1_000_000)),
        "partition",
    )
    yield _counter(
        "partition_moves",
        "Partitions assigned, revoked and lost",
        lambda: {(kind,): figures.moves[kind] for kind in ("assigned", "revoked", "lost")},
        "kind",
    )
    yield _counter("rebalances", "Rebalances of the group, as this member sees them", rebalances)


def _commits(figures: Figures) -> Iterator[Family | HistogramFamily]:
    def last_commit() -> Samples:
        seconds = figures.last_commit
        return {} if seconds is None else {(): seconds}

    yield _histogram("batch_messages", "Messages of a committed batch", figures.batch_sizes)
    yield _histogram("commit_seconds", "Duration of a commit", figures.commit_times)
    yield _counter(
        "aborts",
        "Batches that failed and are processed again",
        lambda: {(cause,): count for cause, count in dict(figures.aborts).items()},
        "cause",
    )
    yield _gauge("last_commit_timestamp_seconds", "When the last batch was committed", last_commit)


def _clients(figures: Figures) -> Iterator[Family]:
    def samples(figure: Callable[[ClientStatistics], float]) -> Samples:
        return {(client.type,): figure(client) for client in list(figures.clients.values())}

    def bytes_of_producer() -> Samples:
        clients = list(figures.clients.values())
        return {(each.type,): each.msg_size for each in clients if each.type == "producer"}

    yield _gauge(
        "client_queued_messages",
        "Messages fetched and not polled, or produced and not acknowledged",
        lambda: samples(lambda client: client.queued_messages()),
        "client",
    )
    yield _gauge(
        "client_queued_bytes", "Bytes produced and not acknowledged", bytes_of_producer, "client"
    )


def _brokers(figures: Figures) -> Iterator[Family]:
    def read(figure: Callable[[BrokerFigures], float]) -> Callable[[], Samples]:
        return lambda: {
            (client.type, str(broker.node)): figure(broker)
            for client in list(figures.clients.values())
            for broker in client.known_brokers()
        }

    labels = ("client", "broker")
    yield _gauge("broker_up", "1 while connected", read(lambda b: float(b.is_up)), *labels)
    yield _gauge(
        "broker_request_average_seconds",
        "From a request to its response, mean of the last second",
        read(lambda b: b.average_seconds),
        *labels,
    )
    yield _gauge(
        "broker_request_p99_seconds",
        "From a request to its response, 99th percentile of the last second",
        read(lambda b: b.p99_seconds),
        *labels,
    )
    yield _counter(
        "broker_errors",
        "Requests that failed or timed out",
        read(lambda b: b.errors),
        *labels,
    )
    yield _counter(
        "broker_disconnects", "Connections that ended", read(lambda b: b.disconnects), *labels
    )


def _counter(name: str, meaning: str, read: Callable[[], Samples], *labels: str) -> Family:
    return Family(kind="counter", name=name, meaning=meaning, read=read, labels=labels)


def _gauge(name: str, meaning: str, read: Callable[[], Samples], *labels: str) -> Family:
    return Family(kind="gauge", name=name, meaning=meaning, read=read, labels=labels)


def _histogram(name: str, meaning: str, histogram: Histogram) -> HistogramFamily:
    return HistogramFamily(name=name, meaning=meaning, histogram=histogram)


def _label_values(outcome: str, row: OutcomeRow) -> tuple[str, str]:
    """The labels `outcome` and `error_type`."""
    return row.counted_as, outcome if row.counted_as == "error" else ""


def _labelled(by_partition: Mapping[int, float]) -> Samples:
    return {(str(number),): value for number, value in sorted(dict(by_partition).items())}
