"""What OPS_PORT turns on, put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from kafka_processor.config import Settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from kafka_processor.ops.server import serve

STATISTICS_INTERVAL: Final = 1_000
"""Milliseconds between two statistics of a client: how old lags can be."""


@dataclass(frozen=True)
class Room:
    figures: Figures
    health: Health
    client_options: dict[str, Any]
    """For the consumer and the producer, so that they tell of themselves."""


@contextmanager
def open_room(settings: Settings, key_id: str, port: int, heartbeat: Heartbeat) -> Iterator[Room]:
    """Raises CannotListen."""
    figures = Figures()
    health = Health(heartbeat, figures)
    collector = FiguresCollector(settings, key_id, figures, health)
    options = {
        "stats_cb": figures.take_statistics,
        "statistics.interval.ms": STATISTICS_INTERVAL,
    }
    with serve(settings.ops_host, port, collector, health):
        yield Room(figures, health, options)
