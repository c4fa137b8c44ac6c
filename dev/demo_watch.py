"""Shows the demo while it runs, on a terminal or in plain lines, until everything is handled."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.live import Live

from dev.demo_ledger import Latest
from dev.demo_screen import View, draw, plain_line
from dev.demo_topics import TopicReader
from dev.login_producer import LoginProducer

REFRESH: Final = 0.25
"""Seconds between two pictures."""
PLAIN_REFRESH: Final = 2.0
READING_TIME: Final = 2.0
"""Seconds that a record stays on the screen, so that it can be read."""
RATE_WINDOW: Final = 3.0
PATIENCE: Final = 30.0
"""Seconds without any progress after which the rest is not waited for."""


class Watch:
    """Looks at the producer and the topics. `check` raises if something of the demo has failed."""

    def __init__(
        self,
        reader: TopicReader,
        producer: LoginProducer,
        check: Callable[[], None],
        *,
        limit: float | None,
        hint: str,
        dashboard: str,
    ) -> None:
        self._reader = reader
        self._producer = producer
        self._check = check
        self._limit = limit
        self._hint = hint
        self._dashboard = dashboard
        self._started = time.monotonic()
        self._latest = Latest()
        self._latest_since = -READING_TIME
        self._sent: deque[tuple[float, int]] = deque([(self._started, 0)])

    def until_handled(self, sending: threading.Thread) -> bool:
        """Returns once `sending` has ended and what it sent is handled; False if it was not."""
        with _display() as show:
            while sending.is_alive():
                self._check()
                show(self._view("sending"))
                sending.join(REFRESH)
            handled, progress = -1, time.monotonic()
            while not self._is_complete():
                self._check()
                view = self._view("finishing")
                show(view)
                if view.counts.handled != handled:
                    handled, progress = view.counts.handled, time.monotonic()
                if time.monotonic() - progress > PATIENCE:
                    return False
                time.sleep(REFRESH)
            show(self._view("done"))
        return True

    def _is_complete(self) -> bool:
        with self._reader.lock:
            return self._reader.ledger.is_complete(self._producer.acknowledged)

    def _view(self, phase: str) -> View:
        now = time.monotonic()
        sent = self._producer.acknowledged
        self._sent.append((now, sent))
        while len(self._sent) > 2 and now - self._sent[0][0] > RATE_WINDOW:
            self._sent.popleft()
        then, sent_then = self._sent[0]
        with self._reader.lock:
            ledger = self._reader.ledger
            if now - self._latest_since >= READING_TIME:
                self._latest, self._latest_since = ledger.copy_of_latest(), now
            return View(
                elapsed=now - self._started,
                limit=self._limit,
                sent=sent,
                rate=(sent - sent_then) / max(now - then, REFRESH),
                counts=ledger.copy_of_counts(),
                latency_p50=ledger.percentile(0.5),
                latency_p99=ledger.percentile(0.99),
                totals=ledger.summary_totals(),
                latest=self._latest,
                phase=phase,
                hint=self._hint,
                dashboard=self._dashboard,
            )


@contextmanager
def _display() -> Iterator[Callable[[View], None]]:
    """How to show a view: on the whole terminal, or now and then as a line where there is none."""
    console = Console()
    if not sys.stdout.isatty() or console.is_dumb_terminal:
        shown = -PLAIN_REFRESH

        def show_plain(view: View) -> None:
            nonlocal shown
            if view.elapsed - shown >= PLAIN_REFRESH or view.phase == "done":
                shown = view.elapsed
                print(plain_line(view), flush=True)

        yield show_plain
        return
    with Live(console=console, screen=True, auto_refresh=False) as live:
        yield lambda view: live.update(draw(view, *console.size), refresh=True)
