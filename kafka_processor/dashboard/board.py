"""What the threads of the dashboard share: those that read fill it, the server shows it."""

import threading
import time

from kafka_processor.dashboard.snapshot import encode
from kafka_processor.dashboard.state import State


class Board:
    """Hold `lock` to look at `state`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.lock = threading.Lock()

    def snapshot(self) -> bytes:
        """What the page shows now, as JSON."""
        with self.lock:
            snapshot = self.state.snapshot(time.time_ns() // 1_000_000)
        return encode(snapshot)
