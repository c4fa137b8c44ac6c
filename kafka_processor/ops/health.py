"""Whether the loop turns, and whether it can work: what the two questions are answered from."""

import time
from collections.abc import Callable
from typing import Final

from kafka_processor.heartbeat import TOO_OLD, Heartbeat
from kafka_processor.ops.figures import STALLED_AFTER, Figures

CONNECTED: Final = "up"
"""The state of the client's group while it is connected to its coordinator."""


class Health:
    """Each answer is a reason, or None: all is well."""

    def __init__(self, heartbeat: Heartbeat, figures: Figures) -> None:
        self._heartbeat = heartbeat
        self._figures = figures
        self._why_not_working: Callable[[], str | None] = lambda: "starting"

    def set_source(self, why_not_working: Callable[[], str | None]) -> None:
        """Whom to ask, once there is a loop."""
        self._why_not_working = why_not_working

    @property
    def seconds_since_turn(self) -> float:
        return self._heartbeat.age

    def why_not_alive(self) -> str | None:
        seconds = self.seconds_since_turn
        return f"the loop has not turned for {seconds:.0f} s" if seconds > TOO_OLD else None

    def why_not_ready(self) -> str | None:
        return (
            self.why_not_alive()
            or self._why_not_working()
            or self._why_not_connected()
            or self._why_not_moving()
        )

    def _why_not_connected(self) -> str | None:
        consumer = self._figures.clients.get("consumer")
        if consumer and consumer.cgrp.state != CONNECTED:
            return "no connection to the group's coordinator"
        return None

    def _why_not_moving(self) -> str | None:
        if stalled := self._figures.stalled(time.monotonic()):
            return (
                f"partitions {stalled} have messages waiting, and have not moved for "
                f"{STALLED_AFTER:.0f} s"
            )
        return None
