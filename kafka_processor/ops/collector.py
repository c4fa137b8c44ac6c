"""The figures as Prometheus has them; `docs/operations.md` lists them all."""

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from confluent_kafka import libversion
from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from kafka_processor import __version__
from kafka_processor.config import Settings
from kafka_processor.ops.client_statistics import BrokerFigures, ClientStatistics
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from kafka_processor.ops.histogram import Histogram
from kafka_processor.records import ERROR_TYPES

PREFIX: Final = "kafka_processor_"
Samples = Mapping[tuple[str, ...], float]
"""Values by the values of the labels."""


class FiguresCollector(Collector):
    def __init__(self, settings: Settings, key_id: str, figures: Figures, health: Health) -> None:
        self._settings = settings
        self._figures = figures
        self._health = health
        self._build = {
            "version": __version__,
            "python": platform.python_version(),
            "librdkafka": libversion()[0],
            "delivery": settings.delivery,
            "consumer_group": settings.consumer_group,
            "input_topic": settings.input_topic,
            "key_id": key_id,
        }

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily(f"{PREFIX}build", "What runs", self._build)
        yield from self._state()
        yield from self._messages()
        yield from self._partitions()
        yield from self._commits()
        yield from _clients(list(self._figures.clients.values()))

    def _state(self) -> Iterator[Metric]:
        ready = self._health.why_not_ready() is None
        yield _gauge("ready", "1 while messages can be processed", {(): float(ready)})
        seconds = self._health.seconds_since_turn
        yield _gauge("loop_age_seconds", "Time since the loop last turned", {(): seconds})

    def _messages(self) -> Iterator[Metric]:
        figures, settings = self._figures, self._settings
        outcomes = dict(figures.outcomes)
        kinds = ("processed", "filtered", "skipped", *sorted(ERROR_TYPES))
        yield _counter(
            "messages",
            "Messages committed, by what happened to them",
            {_kind(kind): outcomes.get(kind, 0) for kind in kinds},
            ("outcome", "error_type"),
        )
        errors = sum(outcomes.get(kind, 0) for kind in ERROR_TYPES)
        records: Samples = {
            (settings.processed_topic,): outcomes.get("processed", 0),
            (settings.errors_topic,): errors,
            (settings.cleaned_topic,): outcomes.get("filtered", 0),
        }
        yield _counter("records", "Records committed, one a message", records, ("topic",))
        yield _counter("replayed_messages", "Of these, sent again", {(): figures.replayed})
        yield _counter(
            "gone_unread_messages",
            "Messages that were deleted before they were read",
            {(): figures.gone_unread},
        )
        yield _histogram("processing_seconds", "Time of a message's work", figures.processing_times)
        yield _histogram(
            "latency_seconds", "From a record's timestamp to its commit", figures.latencies
        )

    def _partitions(self) -> Iterator[Metric]:
        figures = self._figures
        now = time.time_ns() // 1_000_000
        label = ("partition",)
        yield _counter(
            "partition_messages",
            "Messages committed, by input partition",
            _labelled(figures.by_partition),
            label,
        )
        yield _gauge("assigned_partitions", "Input partitions of ours", {(): figures.assigned})
        yield _gauge(
            "committed_offset", "Next offset to read", _labelled(figures.positions()), label
        )
        yield _gauge(
            "consumer_lag_messages",
            "Messages that are not committed yet",
            _labelled(figures.lags()),
            label,
        )
        yield _gauge(
            "consumer_age_seconds",
            "Age of the oldest of them, at most",
            _labelled(figures.ages(now)),
            label,
        )
        yield _counter(
            "partition_moves",
            "Partitions that were assigned, revoked, or lost",
            {(kind,): figures.moves[kind] for kind in ("assigned", "revoked", "lost")},
            ("kind",),
        )
        consumer = figures.clients.get("consumer")
        count = consumer.cgrp.rebalance_cnt if consumer else 0
        yield _counter("rebalances", "Rebalances of the group, as seen from here", {(): count})

    def _commits(self) -> Iterator[Metric]:
        figures = self._figures
        yield _histogram("batch_messages", "Messages of a committed batch", figures.batch_sizes)
        yield _histogram("commit_seconds", "Duration of a commit", figures.commit_times)
        aborts: Samples = {(cause,): count for cause, count in dict(figures.aborts).items()}
        yield _counter("aborts", "Batches given up and tried again", aborts, ("cause",))
        if figures.last_commit is not None:
            yield _gauge(
                "last_commit_timestamp_seconds",
                "When a batch was committed last",
                {(): figures.last_commit},
            )


def _clients(clients: Sequence[ClientStatistics]) -> Iterator[Metric]:
    own = ("client",)
    queued: Samples = {(client.type,): client.queued_messages() for client in clients}
    yield _gauge(
        "client_queued_messages",
        "Fetched and not polled, or produced and not acknowledged",
        queued,
        own,
    )
    sizes: Samples = {(each.type,): each.msg_size for each in clients if each.type == "producer"}
    yield _gauge("client_queued_bytes", "Of those produced", sizes, own)
    brokers = {(c.type, str(b.node)): b for c in clients for b in c.known_brokers()}

    def samples(figure: Callable[[BrokerFigures], float]) -> Samples:
        return {labels: figure(broker) for labels, broker in brokers.items()}

    labels = ("client", "broker")
    yield _gauge("broker_up", "1 while connected", samples(lambda b: b.is_up), labels)
    yield _gauge(
        "broker_request_average_seconds",
        "From a request to its answer, mean of the last second",
        samples(lambda b: b.average_seconds),
        labels,
    )
    yield _gauge(
        "broker_request_p99_seconds",
        "The same, 99th percentile",
        samples(lambda b: b.p99_seconds),
        labels,
    )
    yield _counter(
        "broker_errors",
        "Requests that failed or were not answered in time",
        samples(lambda b: b.errors),
        labels,
    )
    yield _counter(
        "broker_disconnects", "Connections that ended", samples(lambda b: b.disconnects), labels
    )


def _kind(outcome: str) -> tuple[str, str]:
    return ("error", outcome) if outcome in ERROR_TYPES else (outcome, "")


def _labelled(by_partition: Mapping[int, float]) -> Samples:
    return {(str(number),): value for number, value in sorted(dict(by_partition).items())}


def _counter(name: str, meaning: str, samples: Samples, labels: tuple[str, ...] = ()) -> Metric:
    family = CounterMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def _gauge(name: str, meaning: str, samples: Samples, labels: tuple[str, ...] = ()) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, meaning, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def _histogram(name: str, meaning: str, histogram: Histogram) -> Metric:
    return HistogramMetricFamily(
        PREFIX + name, meaning, buckets=histogram.buckets(), sum_value=histogram.sum
    )
