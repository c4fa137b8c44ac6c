"""Histograms that are kept by ourselves, in the form in which the exporter takes them."""

import os
import time
from collections.abc import Iterable
from typing import Final

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
)

from kafka_processor.ops.families import HistogramFamily
from kafka_processor.telemetry.instruments import name_of, unit_of

PREFERENCE: Final = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
DELTA: Final = ("delta", "lowmemory")


class _State:
    """Of one histogram when it was looked at: how many were in each bucket, and their sum."""

    def __init__(self, family: HistogramFamily, at: int) -> None:
        buckets = family.histogram.buckets()
        self.bounds = [float(bound) for bound, _ in buckets[:-1]]
        totals = [round(total) for _, total in buckets]
        self.counts = [b - a for a, b in zip([0, *totals], totals, strict=False)]
        self.sum = family.histogram.sum
        self.at = at


class HistogramPoints:
    """What is new since the last time, or all, as the settings prefer."""

    def __init__(self, families: Iterable[HistogramFamily]) -> None:
        is_delta = os.environ.get(PREFERENCE, "").strip().lower() in DELTA
        self._temporality = (
            AggregationTemporality.DELTA if is_delta else AggregationTemporality.CUMULATIVE
        )
        now = time.time_ns()
        self._before = {family.name: _State(family, now) for family in families}
        self._families = list(families)

    def read(self) -> list[Metric]:
        now = time.time_ns()
        return [self._metric(family, _State(family, now)) for family in self._families]

    def _metric(self, family: HistogramFamily, state: _State) -> Metric:
        before = self._before[family.name]
        if self._temporality is AggregationTemporality.DELTA:
            self._before[family.name] = state
        counts = [new - old for new, old in zip(state.counts, before.counts, strict=True)]
        point = HistogramDataPoint(
            attributes={},
            start_time_unix_nano=before.at,
            time_unix_nano=state.at,
            count=sum(counts),
            sum=state.sum - before.sum,
            bucket_counts=counts,
            explicit_bounds=state.bounds,
            min=None,  # type: ignore[arg-type]  # not kept; OTLP may be without
            max=None,  # type: ignore[arg-type]
        )
        data = Histogram([point], self._temporality)
        return Metric(name_of(family.name), family.meaning, unit_of(family.name), data)
