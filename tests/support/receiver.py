"""An HTTP server that takes what the daemon sends to those who watch it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOST = "127.0.0.1"


class Receiver:
    """Keeps what was posted, by path, in the order in which it came."""

    def __init__(self) -> None:
        self.bodies: dict[str, list[bytes]] = {}
        self.headers: list[dict[str, str]] = []
        self.status = 200
        """What it answers."""
        self.delay = 0.0
        """Seconds before it answers."""
        self.port = 0
        self.connections = 0

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def everything(self) -> bytes:
        return b"\n".join(body for bodies in self.bodies.values() for body in bodies)

    def posted(self, path: str) -> list[bytes]:
        return list(self.bodies.get(path, ()))

    def take(self, path: str, headers: dict[str, str], body: bytes) -> None:
        self.headers.append(headers)
        self.bodies.setdefault(path, []).append(body)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(receiver.delay)
            if receiver.status < 400:
                receiver.take(self.path, dict(self.headers), body)
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Each request a line would be a flood."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def process_request(self, request: Any, client_address: Any) -> None:
            receiver.connections += 1
            super().process_request(request, client_address)

        def handle_error(self, request: object, client_address: object) -> None:
            """One that goes away in the middle is no matter."""

    with Server((HOST, 0), Handler) as server:
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=[0.05], daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
