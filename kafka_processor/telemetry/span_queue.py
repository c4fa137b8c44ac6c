"""Spans on their way to the collector: so many at most, and what does not fit is counted."""

import os
import threading
from collections.abc import Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

from kafka_processor.monitoring.losses import Losses
from kafka_processor.telemetry.failures import LastFailure

LIMIT_SETTING: Final = "OTEL_BSP_MAX_QUEUE_SIZE"
DEFAULT_LIMIT: Final = "2048"


class SpanQueue(SpanProcessor):
    """The SDK's own, behind a door that lets in all spans of a batch or none.

    The SDK would drop single spans, and each with a line of its log.
    """

    def __init__(self, losses: Losses) -> None:
        """Raises ValueError for settings that the SDK does not take."""
        self._limit = int(os.environ.get(LIMIT_SETTING) or DEFAULT_LIMIT)
        self._losses = losses
        self._lock = threading.Lock()
        self.waiting = 0
        """Let in, and neither sent nor given up."""
        exporter = _Exporter(self, losses)
        self._processor = BatchSpanProcessor(exporter, max_queue_size=self._limit)

    def admits(self, spans: int) -> bool:
        """Whether so many may end now; they count as waiting from here on."""
        with self._lock:
            admits = self.waiting + spans <= self._limit
            if admits:
                self.waiting += spans
        if not admits:
            self._losses.add("spans", spans, "more than are sent in time")
        return admits

    def settle(self, spans: int) -> None:
        with self._lock:
            self.waiting -= spans

    def on_end(self, span: ReadableSpan) -> None:
        self._processor.on_end(span)

    def shutdown(self) -> None:
        """Sends what waits; takes as long as the SDK likes."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class _Exporter(OTLPSpanExporter):
    def __init__(self, queue: SpanQueue, losses: Losses) -> None:
        super().__init__()
        self._queue_of_spans = queue
        self._losses = losses
        self._last_failure = LastFailure(OTLPSpanExporter)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = super().export(spans)
        except Exception as error:  # of whatever the transport is made of
            self._last_failure.note(error)
            result = SpanExportResult.FAILURE
        self._queue_of_spans.settle(len(spans))
        if result is not SpanExportResult.SUCCESS:
            self._losses.add("spans", len(spans), self._last_failure.text)
        return result
