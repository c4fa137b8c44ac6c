"""What goes on inside, kept for whoever shows it: OPS_PORT, or telemetry."""

from typing import Any, Final

from kafka_processor.heartbeat import Heartbeat
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health

STATISTICS_INTERVAL: Final = 1_000
"""Milliseconds between two statistics of a client: how old lags can be."""


class Insight:
    def __init__(self, heartbeat: Heartbeat) -> None:
        self.figures = Figures()
        self.health = Health(heartbeat, self.figures)
        self.client_options: dict[str, Any] = {
            "stats_cb": self.figures.take_statistics,
            "statistics.interval.ms": STATISTICS_INTERVAL,
        }
        """For the consumer and the producer, so that they tell of themselves."""
