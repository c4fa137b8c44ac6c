"""The pages of OPS_PORT: `/metrics` for Prometheus, `/healthz` and `/readyz`."""

import time
from typing import Final, NamedTuple

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from kafka_processor.ops.health import Health
from kafka_processor.ops.requests import Request
from kafka_processor.terminal.printable import printable

RENDER_INTERVAL: Final = 0.1
"""Seconds for which a rendered page is good: whoever asks all the time costs no more than that."""
MAX_REASON: Final = 500
"""Characters; some of it may be a broker's text."""
OPENMETRICS: Final = "application/openmetrics-text"
TEXT: Final = "text/plain; charset=utf-8"


class Page(NamedTuple):
    status: str
    content_type: str
    body: bytes


class _Rendered(NamedTuple):
    page: Page
    until: float


class Pages:
    def __init__(self, collector: Collector, health: Health) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(collector)
        PlatformCollector(self._registry)
        ProcessCollector(registry=self._registry)
        GCCollector(self._registry)
        self._questions = {"/healthz": health.why_not_alive, "/readyz": health.why_not_ready}
        self._rendered: dict[str, _Rendered] = {}
        """By one of two formats."""

    def answer(self, request: Request) -> Page:
        if request.path == "/metrics":
            return self._metrics(request.accept)
        question = self._questions.get(request.path)
        if question is None:
            return text_page("404 Not Found", "there are /metrics, /healthz and /readyz")
        if reason := question():
            return text_page("503 Service Unavailable", printable(reason, MAX_REASON))
        return text_page("200 OK", "ok")

    def _metrics(self, accept: str) -> Page:
        # Not as it was asked for: what comes back has the version that was asked for in it.
        form = f"{OPENMETRICS}; version=1.0.0" if OPENMETRICS in accept else ""
        known = self._rendered.get(form)
        now = time.monotonic()
        if known and now < known.until:
            return known.page
        encode, content_type = choose_encoder(form)
        page = Page("200 OK", content_type, encode(self._registry))
        self._rendered[form] = _Rendered(page, time.monotonic() + RENDER_INTERVAL)
        return page


def text_page(status: str, text: str) -> Page:
    return Page(status, TEXT, f"{text}\n".encode())
