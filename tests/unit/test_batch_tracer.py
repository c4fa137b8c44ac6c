"""Spans of batches: what the tracer makes of what the loop tells."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from kafka_processor.config import load_settings
from kafka_processor.delivery.batch import Batch
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed
from kafka_processor.telemetry import batch_trace, batch_tracer
from kafka_processor.telemetry.batch_tracer import BatchTracer
from kafka_processor.telemetry.span_queue import SpanQueue
from kafka_processor.telemetry.spans import SpanWriter
from kafka_processor.telemetry.trace_context import MAX_LINKS

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SECOND = 1_000_000_000


class Clock:
    """Of the tracer: stands still unless it is told."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + 1_800_000_000


class Polled:
    def __init__(self, offset: int) -> None:
        self._offset = offset

    def offset(self) -> int:
        return self._offset

    def __len__(self) -> int:
        return 0

    def value(self) -> Any: ...
    def timestamp(self) -> Any: ...
    def headers(self) -> Any: ...


class FakeBatch:
    """As much of a batch as the tracer looks at."""

    def __init__(self) -> None:
        self.closed: float | None = None
        self.works: dict[int, Work] = {}


class Queue:
    admits_all = True
    asked = 0

    def admits(self, spans: int) -> bool:
        self.asked += spans
        return self.admits_all


class Loop:
    """Tells the tracer what a loop would."""

    def __init__(self, clock: Clock, sampler: Sampler) -> None:
        self.clock = clock
        self.queue = Queue()
        self._exporter = InMemorySpanExporter()
        self._provider = TracerProvider(sampler)
        self._provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        writer = SpanWriter(
            self._provider.get_tracer("test"),
            load_settings({"INPUT_TOPIC": "logins", "CONSUMER_GROUP": "group"}),
            cast(SpanQueue, self.queue),
        )
        self.tracer = BatchTracer(writer.write)

    def work(
        self, partition: int, first: int, count: int, seconds: float, *parents: str
    ) -> dict[int, Work]:
        """Polls for 0.1 s and then works so long."""
        self.tracer.polling()
        self.clock.now += 0.1 + seconds
        outcomes: Counter[Any] = Counter(processed=count)
        work = Work(first + count, outcomes=outcomes, seconds=seconds)
        work.trace_parents = [parent.encode() for parent in parents]
        messages: list[Message] = [Polled(first + number) for number in range(count)]
        self.tracer.processed({partition: messages}, {partition: work})
        return {partition: work}

    def publish(self, batch: FakeBatch, seconds: float) -> None:
        self.clock.now += seconds
        self.tracer.published(cast(Batch, batch), seconds)

    def commit(self, batch: FakeBatch, works: Mapping[int, Work], seconds: float) -> None:
        batch.works = dict(works)
        batch.closed = self.clock.now
        self.clock.now += seconds
        self.tracer.committed(cast(Batch, batch), seconds)

    def spans(self) -> dict[str, ReadableSpan]:
        """By the first word of the name, since the last call."""
        found = {span.name.split()[0]: span for span in self._exporter.get_finished_spans()}
        self._exporter.clear()
        return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (batch_trace, batch_tracer):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr("kafka_processor.telemetry.spans.time", clock)
    return clock


@pytest.fixture
def loop(clock: Clock) -> Loop:
    return Loop(clock, ALWAYS_ON)


def times(span: ReadableSpan) -> tuple[float, float]:
    """Seconds by the tracer's clock."""
    assert span.start_time
    assert span.end_time
    offset = 1_800_000_000 * SECOND
    return (span.start_time - offset) / SECOND, (span.end_time - offset) / SECOND


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def links(span: ReadableSpan) -> set[tuple[int, int]]:
    return {(link.context.trace_id, link.context.span_id) for link in span.links}


def test_a_batch_of_one_piece(loop: Loop) -> None:
    batch = FakeBatch()
    works = loop.work(3, 40, 10, 0.2, PARENT, "junk")
    loop.publish(batch, 0.3)
    loop.commit(batch, works, 0.4)
    spans = loop.spans()

    assert set(spans) == {"process", "poll", "work", "publish", "commit"}
    assert {name: times(span) for name, span in spans.items()} == {
        "process": pytest.approx((100.0, 101.0), abs=1e-5),
        "poll": pytest.approx((100.0, 100.1), abs=1e-5),
        "work": pytest.approx((100.1, 100.3), abs=1e-5),
        "publish": pytest.approx((100.3, 100.6), abs=1e-5),
        "commit": pytest.approx((100.6, 101.0), abs=1e-5),
    }
    root = spans.pop("process")
    assert root.parent is None
    assert all(span.parent == root.context for span in spans.values())
    assert attributes(root) == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "logins",
        "messaging.destination.partition.id": "3",
        "messaging.consumer.group.name": "group",
        "messaging.batch.message_count": 10,
        "kafka_processor.offsets": ("3:40-49",),
        "kafka_processor.messages.processed": 10,
    }
    assert [span.kind for span in (root, spans["poll"], spans["publish"], spans["commit"])] == [
        SpanKind.CONSUMER,
        SpanKind.CLIENT,
        SpanKind.PRODUCER,
        SpanKind.CLIENT,
    ]
    assert links(root) == {(int(PARENT[3:35], 16), int(PARENT[36:52], 16))}
    assert root.links[0].context.is_remote
    assert {span.status.status_code for span in (root, *spans.values())} == {StatusCode.UNSET}


def test_pieces_in_a_backlog_are_one_span_each_phase_with_the_busy_time(loop: Loop) -> None:
    batch = FakeBatch()
    works: dict[int, Work] = {}
    for number in range(3):
        works = loop.work(number % 2, 100 * number, 100, 0.2)
        loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.5)
    spans = loop.spans()
    assert times(spans["work"]) == pytest.approx((100.1, 101.1), abs=1e-5)
    assert attributes(spans["work"])["kafka_processor.busy_seconds"] == pytest.approx(0.6)
    assert attributes(spans["work"])["kafka_processor.pieces"] == 3
    assert attributes(spans["publish"])["kafka_processor.busy_seconds"] == pytest.approx(0.3)
    assert attributes(spans["poll"])["kafka_processor.busy_seconds"] == pytest.approx(0.3)
    assert attributes(spans["process"])["messaging.batch.message_count"] == 300
    assert attributes(spans["process"])["kafka_processor.offsets"] == ("0:0-299", "1:100-199")
    assert "messaging.destination.partition.id" not in attributes(spans["process"])


def test_what_is_worked_on_during_a_commit_belongs_to_the_next_batch(loop: Loop) -> None:
    first, second = FakeBatch(), FakeBatch()
    works = loop.work(0, 0, 10, 0.2)
    loop.publish(first, 0.1)
    later = loop.work(0, 10, 5, 0.2, PARENT)
    loop.commit(first, works, 0.1)
    assert attributes(loop.spans()["process"])["kafka_processor.offsets"] == ("0:0-9",)
    loop.publish(second, 0.1)
    loop.commit(second, later, 0.1)
    spans = loop.spans()
    assert attributes(spans["process"])["kafka_processor.offsets"] == ("0:10-14",)
    assert len(spans["process"].links) == 1


def test_a_batch_whose_commit_fails_is_an_error_and_its_successor_has_nothing_of_it(
    loop: Loop,
) -> None:
    batch = FakeBatch()
    loop.work(0, 0, 10, 0.2)
    loop.publish(batch, 0.1)
    batch.closed = loop.clock.now
    loop.work(0, 10, 5, 0.2)
    error = KafkaError(KafkaError._TIMED_OUT)
    loop.tracer.gave_up(BatchFailed("the commit was not answered in time", error), 10)
    spans = loop.spans()
    for name in ("process", "commit"):
        assert spans[name].status.status_code is StatusCode.ERROR
        assert spans[name].status.description == "the commit was not answered in time"
        assert attributes(spans[name])["error.type"] == "_TIMED_OUT"
    assert spans["publish"].status.status_code is StatusCode.UNSET
    assert attributes(spans["process"])["messaging.batch.message_count"] == 10
    assert times(spans["commit"]) == pytest.approx((100.4, 100.7), abs=1e-5)

    again = FakeBatch()
    works = loop.work(0, 0, 10, 0.2)
    loop.publish(again, 0.1)
    loop.commit(again, works, 0.1)
    assert attributes(loop.spans()["process"])["kafka_processor.offsets"] == ("0:0-9",)


def test_a_batch_that_was_opened_for_something_else_begins_with_its_first_poll(
    loop: Loop,
) -> None:
    batch = FakeBatch()
    loop.publish(batch, 0.1)
    works = loop.work(0, 0, 10, 0.2)
    loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.1)
    spans = loop.spans()
    assert times(spans["publish"]) == pytest.approx((100.4, 100.5), abs=1e-5)
    assert times(spans["process"]) == pytest.approx((100.1, 100.6), abs=1e-5)


@pytest.mark.parametrize("pieces", [0, 2])
def test_a_batch_that_cannot_be_published_is_an_error(loop: Loop, pieces: int) -> None:
    batch = FakeBatch()
    for number in range(pieces):
        loop.work(0, 10 * number, 10, 0.2)
        loop.publish(batch, 0.1)
    loop.work(0, 10 * pieces, 10, 0.2)
    loop.clock.now += 0.5
    loop.tracer.gave_up(BatchFailed("the queue is broken"), 10 * pieces)
    spans = loop.spans()
    assert set(spans) == {"process", "poll", "work", "publish"}
    assert spans["publish"].status.status_code is StatusCode.ERROR
    assert attributes(spans["publish"])["kafka_processor.busy_seconds"] == pytest.approx(
        0.5 + 0.1 * pieces
    )
    assert attributes(spans["process"])["error.type"] == "other"
    assert attributes(spans["process"])["messaging.batch.message_count"] == 10 * (pieces + 1)


def test_a_failure_without_messages_is_no_batch(loop: Loop) -> None:
    loop.tracer.gave_up(BatchFailed("a summary alone"), 0)
    assert loop.spans() == {}


def test_partitions_that_are_taken_away_leave_nothing_behind(loop: Loop) -> None:
    batch = FakeBatch()
    loop.work(0, 0, 10, 0.2, PARENT)
    works = loop.work(1, 0, 10, 0.2)
    loop.tracer.revoked([0])
    loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.1)
    root = loop.spans()["process"]
    assert attributes(root)["kafka_processor.offsets"] == ("1:0-9",)
    assert not root.links


def test_links_are_bounded_and_go_to_recorded_spans_first(loop: Loop) -> None:
    batch = FakeBatch()
    works: dict[int, Work] = {}
    for piece in range(3):
        parents = [
            f"00-{piece * 1000 + number + 1:032x}-{1:016x}-{int(number < 40):02x}"
            for number in range(1000)
        ]
        works = loop.work(0, piece * 1000, 1000, 0.2, *parents)
        loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.1)
    found = loop.spans()["process"].links
    assert len(found) == MAX_LINKS
    assert sum(link.context.trace_flags.sampled for link in found) == 120


def test_a_batch_that_is_not_sampled_makes_no_spans(clock: Clock) -> None:
    loop = Loop(clock, ALWAYS_OFF)
    batch = FakeBatch()
    works = loop.work(0, 0, 10, 0.2)
    loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.1)
    assert loop.spans() == {}
    assert loop.queue.asked == 0


def test_a_batch_has_all_of_its_spans_or_none(loop: Loop) -> None:
    loop.queue.admits_all = False
    batch = FakeBatch()
    works = loop.work(0, 0, 10, 0.2)
    loop.publish(batch, 0.1)
    loop.commit(batch, works, 0.1)
    assert loop.spans() == {}
    assert loop.queue.asked == 5
