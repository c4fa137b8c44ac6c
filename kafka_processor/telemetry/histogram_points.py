"""Histograms that are kept by ourselves, in the form in which the exporter takes them."""

import os
import time
from collections.abc import Iterable
from typing import Final, NamedTuple

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


class _State(NamedTuple):
    """Of one histogram: how many were in each bucket, their sum, and when that was so."""

    counts: list[int]
    sum: float
    at: int


class HistogramPoints:
    """What is new since the last time, or all, as the settings prefer."""

    def __init__(self, families: Iterable[HistogramFamily]) -> None:
        is_delta = os.environ.get(PREFERENCE, "").strip().lower() in DELTA
        self._temporality = (
            AggregationTemporality.DELTA if is_delta else AggregationTemporality.CUMULATIVE
        )
        self._families = list(families)
        began = time.time_ns()
        self._before = {
            family.name: _State([0] * len(family.histogram.buckets()), 0.0, began)
            for family in self._families
        }

    def read(self) -> list[Metric]:
        return [self._metric(family) for family in self._families]

    def _metric(self, family: HistogramFamily) -> Metric:
        buckets, before = family.histogram.buckets(), self._before[family.name]
        totals = [total for _, total in buckets]
        # Each rounded by itself, and never less than before: one that falls is refused.
        counts_now = [
            max(round(b - a), old)
            for a, b, old in zip([0.0, *totals], totals, before.counts, strict=False)
        ]
        state = _State(counts_now, family.histogram.sum, time.time_ns())
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
            explicit_bounds=[float(bound) for bound, _ in buckets[:-1]],
            min=None,  # type: ignore[arg-type]  # not kept; OTLP may be without
            max=None,  # type: ignore[arg-type]
        )
        data = Histogram([point], self._temporality)
        return Metric(name_of(family.name), family.meaning, unit_of(family.name), data)
