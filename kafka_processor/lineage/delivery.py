"""Sends the run's events one after the other, on a thread of its own."""

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

from openlineage.client.event_v2 import RunState

from kafka_processor.lineage.run import Moment
from kafka_processor.monitoring.losses import Losses

INTERVAL: Final = 60.0
"""Seconds between two events of a run that goes on."""


class Delivery(threading.Thread):
    """Three moments are told to it at most, the others it finds itself: so nothing piles up."""

    def __init__(self, send: Callable[[Moment], None], losses: Losses) -> None:
        super().__init__(name="lineage", daemon=True)
        self._send = send
        self._losses = losses
        self._moments: queue.SimpleQueue[Moment] = queue.SimpleQueue()

    def tell(self, state: RunState, reason: str | None = None) -> None:
        """Does not wait."""
        self._moments.put(Moment(state, datetime.now(timezone.utc), reason))

    def run(self) -> None:
        due = time.monotonic() + INTERVAL
        is_over = False
        while not is_over:
            try:
                moment = self._moments.get(timeout=max(due - time.monotonic(), 0))
            except queue.Empty:
                moment = Moment(RunState.RUNNING, datetime.now(timezone.utc))
                due = time.monotonic() + INTERVAL
            self._try_to_send(moment)
            is_over = moment.is_last

    def _try_to_send(self, moment: Moment) -> None:
        try:
            self._send(moment)
        except Exception as error:  # of whatever the transport is made of
            self._losses.add("events", 1, _describe(error))

    def wait(self, timeout: float) -> None:
        self.join(timeout)
        if self.is_alive():
            left = 1 + self._moments.qsize()
            self._losses.add("events", left, "the receiver did not answer in time")
        self._losses.report(at_once=True)


def _describe(error: Exception) -> str:
    """Not its text: that names addresses, in which there may be a login."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return f"HTTP status {status}" if status else type(error).__name__
