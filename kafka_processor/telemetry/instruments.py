"""The figures of `/metrics` as instruments of OpenTelemetry, which it asks when it sends.

Histograms are not among them: OpenTelemetry has no such instrument (`histogram_points.py`).
"""

from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from kafka_processor.ops.families import PREFIX, Family

UNITS: Final = {"_seconds": "s", "_bytes": "By"}


def name_of(name: str) -> str:
    """As on `/metrics`; Prometheus adds `_total` to counters by itself."""
    return PREFIX + name


def unit_of(name: str) -> str:
    return next((unit for ending, unit in UNITS.items() if name.endswith(ending)), "")


def add_instrument(meter: Meter, family: Family) -> None:
    unit, meaning = unit_of(family.name), family.meaning
    if family.kind == "counter":
        meter.create_observable_counter(name_of(family.name), [_reader(family)], unit, meaning)
    else:
        name = f"{family.name}_info" if family.kind == "info" else family.name
        meter.create_observable_gauge(name_of(name), [_reader(family)], unit, meaning)


def _reader(family: Family) -> Callable[[CallbackOptions], Iterable[Observation]]:
    def read(_options: CallbackOptions) -> Iterable[Observation]:
        for values, value in family.read().items():
            yield Observation(value, dict(zip(family.labels, values, strict=True)))

    return read
