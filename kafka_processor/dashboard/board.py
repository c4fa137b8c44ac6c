"""What the threads of the dashboard share: those that read fill it, the server shows it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kafka_processor.dashboard.snapshot import encode
from kafka_processor.dashboard.state import State


class Board:
    """Hold `lock` to look at `state`."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.lock = threading.Lock()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around a thread that reads: should a defect end it, the page has to say so."""
        try:
            yield
        except Exception as defect:
            with self.lock:
                self.state.broken = (
                    f"A defect has ended what reads for this page ({type(defect).__name__}): "
                    "start the dashboard anew, and report what it printed."
                )
            raise

    def snapshot(self) -> bytes:
        """What the page shows now, as JSON."""
        with self.lock:
            snapshot = self.state.snapshot(time.time_ns() // 1_000_000)
        return encode(snapshot)
