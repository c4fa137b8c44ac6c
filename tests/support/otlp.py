"""What an OTLP receiver reads of what was posted to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import HistogramDataPoint, Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.support.receiver import Receiver

Labels = tuple[str, ...]
"""Values of a point's attributes, in the order of their names."""
TRACES, METRICS = "/v1/traces", "/v1/metrics"


@dataclass(frozen=True)
class ReceivedSpan:
    span: Span
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def is_error(self) -> bool:
        return bool(self.span.status.code == Status.STATUS_CODE_ERROR)

    @property
    def links(self) -> list[str]:
        """Trace and span, as in a `traceparent` header; the SDK does not send its flags."""
        return [f"{link.trace_id.hex()}-{link.span_id.hex()}" for link in self.span.links]


@dataclass(frozen=True)
class ReceivedBatch:
    batch: ReceivedSpan
    parts: dict[str, ReceivedSpan]
    """By the first word of their names."""


def spans_of(receiver: Receiver) -> list[ReceivedSpan]:
    found = []
    for body in receiver.posted(TRACES):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            about = _attributes(resource.resource.attributes)
            found += [
                ReceivedSpan(span, _attributes(span.attributes), about)
                for scope in resource.scope_spans
                for span in scope.spans
            ]
    return found


def batches_of(receiver: Receiver) -> list[ReceivedBatch]:
    """In the order of their beginnings."""
    spans = spans_of(receiver)
    roots = {each.span.span_id: each for each in spans if not each.span.parent_span_id}
    batches = {key: ReceivedBatch(root, {}) for key, root in roots.items()}
    for each in spans:
        if each.span.parent_span_id:
            parts = batches[each.span.parent_span_id].parts
            word = each.name.split()[0]
            assert word not in parts
            parts[word] = each
    return sorted(batches.values(), key=lambda each: each.batch.span.start_time_unix_nano)


def last_metrics(receiver: Receiver) -> dict[str, dict[Labels, float]]:
    """Samples by their names on `/metrics`; of a histogram its `_count` and `_sum`."""
    found: dict[str, dict[Labels, float]] = {}
    for metric in _metrics(receiver.posted(METRICS)[-1]):
        if metric.HasField("histogram"):
            for point in metric.histogram.data_points:
                found[f"{metric.name}_count"] = {(): point.count}
                found[f"{metric.name}_sum"] = {(): point.sum}
            continue
        is_sum = metric.HasField("sum")
        name = f"{metric.name}_total" if is_sum else metric.name
        points = metric.sum.data_points if is_sum else metric.gauge.data_points
        found[name] = {
            tuple(str(value) for _, value in sorted(_attributes(point.attributes).items())): (
                point.as_int if point.HasField("as_int") else point.as_double
            )
            for point in points
        }
    return found


def last_histograms(receiver: Receiver) -> dict[str, HistogramDataPoint]:
    return {
        metric.name: metric.histogram.data_points[0]
        for metric in _metrics(receiver.posted(METRICS)[-1])
        if metric.HasField("histogram")
    }


def metrics_resource(receiver: Receiver) -> dict[str, Any]:
    request = ExportMetricsServiceRequest.FromString(receiver.posted(METRICS)[-1])
    return _attributes(request.resource_metrics[0].resource.attributes)


def _metrics(body: bytes) -> Iterator[Metric]:
    for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
        for scope in resource.scope_metrics:
            yield from scope.metrics


def _attributes(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    pair: KeyValue
    for pair in pairs:
        found[pair.key] = _value(pair.value)
    return found


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
