"""The figures as Prometheus has them."""

from collections.abc import Iterable

from prometheus_client import Metric
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.registry import Collector

from kafka_processor.config import Settings
from kafka_processor.ops.families import PREFIX, Family, HistogramFamily, families_of
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health


class FiguresCollector(Collector):
    def __init__(self, settings: Settings, key_id: str, figures: Figures, health: Health) -> None:
        self._families = families_of(settings, key_id, figures, health)

    def collect(self) -> Iterable[Metric]:
        for family in self._families:
            yield _histogram(family) if isinstance(family, HistogramFamily) else _metric(family)


def _metric(family: Family) -> Metric:
    name, meaning, samples = PREFIX + family.name, family.meaning, family.read()
    if family.kind == "info":
        [values] = samples
        return InfoMetricFamily(name, meaning, dict(zip(family.labels, values, strict=True)))
    made = (CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily)(
        name, meaning, labels=family.labels
    )
    for values, value in samples.items():
        made.add_metric(values, value)
    return made


def _histogram(family: HistogramFamily) -> Metric:
    return HistogramMetricFamily(
        PREFIX + family.name,
        family.meaning,
        buckets=family.histogram.buckets(),
        sum_value=family.histogram.sum,
    )
