"""The spans of a batch, by OpenTelemetry's conventions for messaging; `docs/telemetry.md`."""

import time
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from kafka_processor.config import Settings
from kafka_processor.producer import BatchFailed
from kafka_processor.telemetry.batch_trace import BatchTrace, Phase
from kafka_processor.telemetry.span_queue import SpanQueue
from kafka_processor.telemetry.trace_context import TraceParent

MAX_PARTITIONS: Final = 64
"""Whose offsets are named."""
Attributes = dict[str, str | int | float | list[str]]


class _Part(NamedTuple):
    name: str
    kind: SpanKind
    phase: Phase
    attributes: Attributes
    failure: BatchFailed | None = None


class SpanWriter:
    """Makes the spans of a batch when it is over; until then it costs next to nothing."""

    def __init__(self, tracer: Tracer, settings: Settings, queue: SpanQueue) -> None:
        self._tracer = tracer
        self._topic = settings.input_topic
        self._queue = queue
        self._common: Attributes = {
            "messaging.system": "kafka",
            "messaging.consumer.group.name": settings.consumer_group,
        }

    def write(
        self, trace: BatchTrace, outcomes: Mapping[str, int], failure: BatchFailed | None
    ) -> None:
        to_epoch = time.time() - time.monotonic()
        parts = [part for part in self._parts(trace, failure) if part.phase.pieces]
        batch = self._tracer.start_span(
            f"process {self._topic}",
            Context(),
            SpanKind.CONSUMER,
            self._of_batch(trace, outcomes),
            [_link(parent) for parent in trace.parents],
            _nanoseconds(trace.poll.began + to_epoch),
        )
        is_sampled = batch.get_span_context().trace_flags.sampled
        if not is_sampled or not self._queue.admits(1 + len(parts)):
            return
        within = set_span_in_context(batch, Context())
        for part in parts:
            span = self._tracer.start_span(
                part.name,
                within,
                part.kind,
                part.attributes | _of_phase(part.phase),
                start_time=_nanoseconds(part.phase.began + to_epoch),
            )
            _end(span, part.phase.ended + to_epoch, part.failure)
        _end(batch, max(part.phase.ended for part in parts) + to_epoch, failure)

    def _parts(self, trace: BatchTrace, failure: BatchFailed | None) -> Iterator[_Part]:
        count: Attributes = {"messaging.batch.message_count": trace.messages}
        is_committing = bool(trace.commit.pieces)
        yield _Part(
            f"poll {self._topic}",
            SpanKind.CLIENT,
            trace.poll,
            self._operation("poll", "receive") | self._input | count,
        )
        yield _Part("work", SpanKind.INTERNAL, trace.work, {})
        yield _Part(
            "publish",  # to several topics: no one of them is its name
            SpanKind.PRODUCER,
            trace.publish,
            self._operation("publish", "send"),
            None if is_committing else failure,
        )
        yield _Part(
            f"commit {self._topic}",
            SpanKind.CLIENT,
            trace.commit,
            self._operation("commit", "settle") | self._input,
            failure,
        )

    def _of_batch(self, trace: BatchTrace, outcomes: Mapping[str, int]) -> Attributes:
        attributes = self._operation("process", "process") | self._input
        attributes["messaging.batch.message_count"] = trace.messages
        if len(trace.partitions) == 1:
            attributes["messaging.destination.partition.id"] = str(trace.partitions[0])
        attributes["kafka_processor.offsets"] = trace.offsets[:MAX_PARTITIONS]
        for outcome, count in outcomes.items():
            attributes[f"kafka_processor.messages.{outcome}"] = count
        return attributes

    def _operation(self, name: str, kind: str) -> Attributes:
        own: Attributes = {"messaging.operation.name": name, "messaging.operation.type": kind}
        return self._common | own

    @property
    def _input(self) -> Attributes:
        return {"messaging.destination.name": self._topic}


def _of_phase(phase: Phase) -> Attributes:
    return {
        "kafka_processor.busy_seconds": phase.busy,
        "kafka_processor.pieces": phase.pieces,
    }


def _link(parent: TraceParent) -> Link:
    flags = TraceFlags(parent.flags)
    return Link(SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags))


def _end(span: Span, at: float, failure: BatchFailed | None) -> None:
    if failure:
        span.set_attribute("error.type", failure.error.name() if failure.error else "other")
        span.set_status(Status(StatusCode.ERROR, str(failure)))
    span.end(_nanoseconds(at))


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
