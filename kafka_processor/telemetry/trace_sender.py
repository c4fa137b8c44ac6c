"""Traces of batches, put together: from the loop's observer to the collector."""

import threading
from contextlib import suppress

from opentelemetry.sdk.trace import TracerProvider
from structlog.typing import FilteringBoundLogger

from kafka_processor import __version__
from kafka_processor.config import Settings
from kafka_processor.monitoring.losses import Losses
from kafka_processor.telemetry.batch_tracer import BatchTracer
from kafka_processor.telemetry.resource import resource_of
from kafka_processor.telemetry.span_queue import SpanQueue
from kafka_processor.telemetry.spans import SpanWriter


class TraceSender:
    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        """Raises what the SDK raises for its settings."""
        self._losses = Losses("traces were not delivered", log)
        self._queue = SpanQueue(self._losses)
        self._provider = TracerProvider(resource=resource_of(settings), shutdown_on_exit=False)
        self._provider.add_span_processor(self._queue)
        tracer = self._provider.get_tracer("kafka_processor", __version__)
        self.observer = BatchTracer(SpanWriter(tracer, settings, self._queue).write)
        self._end = threading.Thread(target=self._shut_down, daemon=True)

    def end(self, _error: BaseException | None) -> None:
        self._end.start()

    def discard(self) -> None:
        """Shuts down; there is no span to send."""
        self._shut_down()

    def _shut_down(self) -> None:
        with suppress(Exception):  # what could not be sent is counted as such
            self._provider.shutdown()

    def wait(self, timeout: float) -> None:
        self._end.join(timeout)
        if left := self._queue.waiting:
            self._losses.add("spans", left, "the collector did not answer in time")
        self._losses.report(at_once=True)
