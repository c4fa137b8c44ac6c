"""Spans and figures on their way to a collector that answers, refuses, or is away."""

import logging
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider

from kafka_processor.config import Settings, load_settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.monitoring.losses import Losses
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.families import HistogramFamily
from kafka_processor.ops.histogram import Histogram
from kafka_processor.ops.insight import Insight
from kafka_processor.telemetry.failures import LastFailure
from kafka_processor.telemetry.histogram_points import HistogramPoints
from kafka_processor.telemetry.metrics_sender import MetricsSender
from kafka_processor.telemetry.resource import resource_of
from kafka_processor.telemetry.span_queue import SpanQueue
from kafka_processor.telemetry.trace_sender import TraceSender
from tests.support.otlp import last_histograms, last_metrics, metrics_resource, spans_of
from tests.support.receiver import Receiver, receiving
from tests.support.told import ToldLog

NOBODY = "http://me:5ec4e7@127.0.0.1:9/?key=5ec4e7"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    with receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
        yield receiver


def let_in(queue: SpanQueue, count: int) -> None:
    """So many spans, one by one, each of them ended."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(queue)
    tracer = provider.get_tracer("test")
    for _ in range(count):
        if queue.admits(1):
            tracer.start_span("a span").end()


def test_spans_arrive(receiver: Receiver) -> None:
    log = ToldLog()
    queue = SpanQueue(Losses("lost", log.bound))
    let_in(queue, 700)
    queue.shutdown()
    assert len(spans_of(receiver)) == 700
    assert queue.waiting == 0
    assert log.lines == []


def test_spans_that_are_refused_are_counted_with_the_reason(receiver: Receiver) -> None:
    receiver.status = 401
    log = ToldLog()
    queue = SpanQueue(Losses("lost", log.bound))
    let_in(queue, 3)
    queue.shutdown()
    assert queue.waiting == 0
    assert log.lines == [("lost", {"spans": 3, "reason": "HTTP status 401"})]


@pytest.mark.parametrize(
    ("text", "values", "reason"),
    [
        ("Failed to export %s batch code: %s, reason: %s", ("spans", 413, "5ec4e7"), "413"),
        ("Transient error %s, retrying in %.2fs.", ("Service Unavailable", 1.0), "Unavailable"),
        (
            "Transient error %s, retrying in %.2fs.",
            ("\x1b[2J\r\n" + "x" * 100, 1.0),
            r"\u001b[2J\u000d\u000a" + "x" * 74 + "…",
        ),
        ("Transient error %s, retrying in %.2fs.", (OSError("5ec4e7"), 1.0), "OSError"),
        ("Failed to export %s batch due to timeout", ("spans",), "no success in time"),
    ],
)
def test_the_reason_is_taken_from_what_the_exporter_logs(
    text: str, values: tuple[object, ...], reason: str
) -> None:
    failure = LastFailure(LastFailure)
    logging.getLogger(LastFailure.__module__).warning(text, *values)
    assert failure.text.endswith(reason)


def test_no_more_spans_wait_than_are_allowed_to(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "20")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    receiver.delay = 0.3
    log = ToldLog()
    losses = Losses("lost", log.bound)
    queue = SpanQueue(losses)
    began = time.monotonic()
    let_in(queue, 1000)
    assert time.monotonic() - began < 0.3, "a slow collector was waited for"
    queue.shutdown()
    losses.report(at_once=True)
    assert len(spans_of(receiver)) + log.total("spans") == 1000
    assert len(spans_of(receiver)) >= 20
    assert len(log.lines) == 2


def test_a_collector_that_is_away_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", NOBODY)
    log = ToldLog()
    traces = TraceSender(load_settings({}), log.bound)
    let_in(traces._queue, 10)
    began = time.monotonic()
    traces.end(None)
    traces.wait(0.2)
    assert time.monotonic() - began < 0.5
    assert log.total("spans") == 10
    assert log.lines[0][0] == "traces were not delivered"
    assert "5ec4e7" not in str(log.lines)


def send_metrics(settings: Settings, insight: Insight, log: ToldLog | None = None) -> None:
    """Once, at the end."""
    sender = MetricsSender(settings, "0123abcd", insight, (log or ToldLog()).bound)
    sender.end(None)
    sender.wait(5)


def busy_insight() -> Insight:
    insight = Insight(Heartbeat(), FailureLog(ToldLog().bound))
    figures = insight.figures
    figures.outcomes.update(processed=5, parse_error=2)
    figures.by_partition.update({0: 4, 7: 3})
    figures.aborts.update(_TIMED_OUT=1)
    figures.last_commit = 1_800_000_000.5
    figures.latencies.add(0.02, 6.5)
    figures.latencies.add(7200.0)
    for kind in ("consumer", "producer"):
        figures.take_statistics(
            f'{{"type": "{kind}", "msg_cnt": 5, "msg_size": 10, "brokers": {{'
            '"a:1/1": {"nodeid": 1, "state": "UP", "rtt": {"avg": 1500, "p99": 9000}}}}'
        )
    return insight


def test_the_same_figures_as_on_the_page_for_prometheus(receiver: Receiver) -> None:
    settings = load_settings({"CONSUMER_GROUP": "group"})
    insight = busy_insight()
    collector = FiguresCollector(settings, "0123abcd", insight.figures, insight.health)
    expected: dict[str, dict[tuple[str, ...], float]] = {}
    for family in collector.collect():
        for sample in family.samples:
            if not sample.name.endswith(("_bucket", "_created")):
                labels = tuple(value for _, value in sorted(sample.labels.items()))
                expected.setdefault(sample.name, {})[labels] = sample.value
    send_metrics(settings, insight)
    found = last_metrics(receiver)
    for changing in ("kafka_processor_loop_age_seconds",):
        assert found.pop(changing).keys() == expected.pop(changing).keys()
    assert found["kafka_processor_latency_seconds_count"] == {(): 7}  # whole ones alone
    expected["kafka_processor_latency_seconds_count"] = {(): 7}
    assert found == {name: pytest.approx(samples) for name, samples in expected.items()}


def test_a_histogram_has_the_buckets_of_the_page(receiver: Receiver) -> None:
    send_metrics(load_settings({}), busy_insight())
    point = last_histograms(receiver)["kafka_processor_latency_seconds"]
    assert list(point.explicit_bounds)[:3] == [0.005, 0.01, 0.025]
    assert len(point.bucket_counts) == len(point.explicit_bounds) + 1
    assert point.bucket_counts[2] == 6
    assert point.bucket_counts[-1] == 1
    assert sum(point.bucket_counts) == point.count
    assert not point.HasField("min")
    assert not point.exemplars


@pytest.mark.parametrize(("preference", "counts"), [("", [1, 3]), ("delta", [1, 2])])
def test_a_histogram_tells_all_or_what_is_new_as_is_preferred(
    monkeypatch: pytest.MonkeyPatch, preference: str, counts: list[int]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    histogram = Histogram([1, 2])
    points = HistogramPoints([HistogramFamily(name="some", meaning="", histogram=histogram)])
    found = []
    for value in (0.5, 1.5):
        histogram.add(value, 1 if value < 1 else 2)
        [metric] = points.read()
        [point] = metric.data.data_points
        found.append(cast(Any, point).count)
    assert found == counts


def test_no_bucket_of_a_histogram_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta")
    histogram = Histogram([0.005, 0.01])
    points = HistogramPoints([HistogramFamily(name="some", meaning="", histogram=histogram)])
    news = []
    for value, times in ((0.007, 11), (0.003, 7.5), (0.007, 0.5), (0.02, 0.5)):
        histogram.add(value, times)
        [metric] = points.read()
        [point] = metric.data.data_points
        news.append(list(cast(Any, point).bucket_counts))
    assert min(map(min, news)) >= 0
    assert [sum(counts) for counts in zip(*news, strict=True)] == [8, 12, 0]


def test_metrics_that_are_refused_are_counted(receiver: Receiver) -> None:
    receiver.status = 400
    log = ToldLog()
    send_metrics(load_settings({}), busy_insight(), log)
    assert log.lines == [
        ("metrics were not delivered", {"exports": 1, "reason": "HTTP status 400"})
    ]


@pytest.mark.parametrize(
    ("given", "settings", "expected"),
    [
        ({}, {"INSTANCE_ID": "node-1"}, ("kafka-processor", "node-1")),
        ({"OTEL_SERVICE_NAME": "logins"}, {"INSTANCE_ID": "node-1"}, ("logins", "node-1")),
        (
            {"OTEL_RESOURCE_ATTRIBUTES": "service.name=a,service.instance.id=b,team=c"},
            {},
            ("a", "b"),
        ),
    ],
)
def test_the_resource_is_this_process_unless_it_is_said_otherwise(
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, str],
    settings: dict[str, str],
    expected: tuple[str, str],
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    send_metrics(load_settings(settings), busy_insight())
    resource = metrics_resource(receiver)
    assert (resource["service.name"], resource["service.instance.id"]) == expected
    assert resource.get("team") == ("c" if len(given) and not settings else None)
    assert resource["service.version"]


def test_two_processes_without_an_instance_id_have_different_names() -> None:
    """Else the figures of one would be taken for those of the other."""
    name = resource_of(load_settings({})).attributes["service.instance.id"]
    assert len(str(name)) == 36


def test_what_is_secret_in_the_settings_is_in_no_line(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.status = 400
    address = receiver.url.replace("//", "//me:5ec4e7@")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "5ec4e7 5ec4e7,authorization=5ec4e7")
    log = ToldLog()
    queue = SpanQueue(Losses("lost", log.bound))
    let_in(queue, 1)
    queue.shutdown()
    send_metrics(load_settings({}), busy_insight(), log)
    assert len(log.lines) == 2
    assert "5ec4e7" not in str(log.lines)
    assert "5ec4e7" not in "".join(capfd.readouterr())
