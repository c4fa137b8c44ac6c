"""The figures of `/metrics`, put together: from the loop's observer to the collector."""

import dataclasses
import threading
from contextlib import suppress
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import (
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from structlog.typing import FilteringBoundLogger

from kafka_processor import __version__
from kafka_processor.config import Settings
from kafka_processor.monitoring.losses import Losses
from kafka_processor.ops.families import HistogramFamily, families_of
from kafka_processor.ops.insight import Insight
from kafka_processor.telemetry.failures import LastFailure
from kafka_processor.telemetry.histogram_points import HistogramPoints
from kafka_processor.telemetry.instruments import add_instrument
from kafka_processor.telemetry.resource import resource_of


class MetricsSender:
    def __init__(
        self, settings: Settings, key_id: str, insight: Insight, log: FilteringBoundLogger
    ) -> None:
        """Raises what the SDK raises for its settings."""
        self._losses = Losses("metrics were not delivered", log)
        families = families_of(settings, key_id, insight.figures, insight.health)
        histograms = [each for each in families if isinstance(each, HistogramFamily)]
        self._exporter = _Exporter(HistogramPoints(histograms), self._losses)
        self._provider = MeterProvider(
            [PeriodicExportingMetricReader(self._exporter)],
            resource_of(settings),
            exemplar_filter=AlwaysOffExemplarFilter(),
            shutdown_on_exit=False,
        )
        meter = self._provider.get_meter("kafka_processor", __version__)
        for family in families:
            if not isinstance(family, HistogramFamily):
                add_instrument(meter, family)
        self._end = threading.Thread(target=self._shut_down, daemon=True)

    def end(self, _error: BaseException | None) -> None:
        """The last figures are sent, whenever the next were due."""
        self._end.start()

    def discard(self) -> None:
        """Shuts down without sending anything."""
        self._exporter.is_silent = True
        self._shut_down()

    def _shut_down(self) -> None:
        with suppress(Exception):  # what could not be sent is counted as such
            self._provider.shutdown()

    def wait(self, timeout: float) -> None:
        self._end.join(timeout)
        if self._end.is_alive():
            self._losses.add("exports", 1, "the collector did not answer in time")
        self._losses.report(at_once=True)


class _Exporter(OTLPMetricExporter):
    def __init__(self, histograms: HistogramPoints, losses: Losses) -> None:
        super().__init__()
        self._histograms = histograms
        self._losses = losses
        self._last_failure = LastFailure(OTLPMetricExporter)
        self.is_silent = False

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        if self.is_silent:
            return MetricExportResult.SUCCESS
        try:
            complete = self._with_histograms(metrics_data)
            result = super().export(complete, timeout_millis or 10_000, **kwargs)
        except Exception as error:  # of whatever the transport is made of
            self._last_failure.note(error)
            result = MetricExportResult.FAILURE
        if result is not MetricExportResult.SUCCESS:
            self._losses.add("exports", 1, self._last_failure.text)
        return result

    def _with_histograms(self, data: MetricsData) -> MetricsData:
        resource, *others = data.resource_metrics
        scope, *other_scopes = resource.scope_metrics
        scope = dataclasses.replace(scope, metrics=[*scope.metrics, *self._histograms.read()])
        resource = dataclasses.replace(resource, scope_metrics=[scope, *other_scopes])
        return MetricsData([resource, *others])
