"""What goes on inside, kept for whoever shows it: OPS_PORT, or telemetry."""

from typing import Any, Final

from kafka_processor.heartbeat import Heartbeat
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health

STATISTICS_INTERVAL: Final = 1_000
"""Milliseconds between two statistics of a client: how old lags can be."""


class Insight:
    def __init__(self, heartbeat: Heartbeat, failures: FailureLog) -> None:
        self._failures = failures
        self.figures = Figures()
        self.health = Health(heartbeat, self.figures)
        self.client_options: dict[str, Any] = {
            "stats_cb": self._take_statistics,
            "statistics.interval.ms": STATISTICS_INTERVAL,
        }
        """For the consumer and the producer, so that they tell of themselves."""

    def _take_statistics(self, text: str) -> None:
        """The client calls it inside poll, out of which an exception would come."""
        with self._failures.guarding("client statistics"):
            self.figures.take_statistics(text)
