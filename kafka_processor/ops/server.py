"""OPS_PORT: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever keeps it running."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.registry import Collector

from kafka_processor.ops.health import Health
from kafka_processor.watching import CannotListen

STOP_INTERVAL: Final = 0.05
"""Seconds within which it ends."""
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
"""WSGI (PEP 3333); `wsgiref.types` is there from Python 3.11 on."""
REQUEST_TIMEOUT: Final = 10.0
"""Seconds for a request to arrive; else whoever sends none would keep a thread."""


@contextmanager
def serve(host: str, port: int, collector: Collector, health: Health) -> Iterator[int]:
    """Answers in the background, and yields its port: `port` 0 takes a free one.

    Raises CannotListen.
    """
    registry = CollectorRegistry()
    registry.register(collector)
    PlatformCollector(registry)
    ProcessCollector(registry=registry)
    GCCollector(registry)
    try:
        server = _server_class(host, port)((host, port), _Handler)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no host name"
        raise CannotListen(
            f"OPS_PORT: cannot listen on {host}, port {port}: {reason}; "
            "set OPS_PORT or OPS_HOST to what is free on this machine"
        ) from None
    server.set_app(_application(make_wsgi_app(registry), health))
    thread = threading.Thread(target=server.serve_forever, args=[STOP_INTERVAL], daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _application(metrics: Application, health: Health) -> Application:
    questions = {"/healthz": health.why_not_alive, "/readyz": health.why_not_ready}

    def answer(environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            return metrics(environment, start)
        question = questions.get(path)
        if question is None:
            status, text = "404 Not Found", "there are /metrics, /healthz and /readyz"
        elif reason := question():
            status, text = "503 Service Unavailable", reason
        else:
            status, text = "200 OK", "ok"
        body = f"{text}\n".encode()
        start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """As in HTTPServer, but without asking the name service for our own name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """One that goes away in the middle is no matter for the log."""


def _server_class(host: str, port: int) -> type[_Server]:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return type("_Server", (_Server,), {"address_family": family})


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_TIMEOUT

    def log_message(self, *_: object) -> None:
        """Each scrape a line would be a flood."""
