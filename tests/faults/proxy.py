"""A TCP proxy in front of one broker, which can cut, slow and hold back what goes through it.

It knows just enough of Kafka's protocol to tell requests apart: a frame is its length in four
bytes, then api key (2), api version (2) and correlation id (4) in a request, and the correlation
id in a response (Kafka's protocol guide, "Request Header").
"""

import contextlib
import math
import socket
import struct
import threading
import time
from collections.abc import Iterator
from enum import IntEnum
from io import BufferedReader
from typing import Literal

HOST = "127.0.0.1"
Side = Literal["request", "response"]


class Api(IntEnum):
    """Kafka's api keys of the requests that matter for delivery."""

    PRODUCE = 0
    OFFSET_COMMIT = 8
    JOIN_GROUP = 11
    SYNC_GROUP = 14
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Proxy:
    """Listens on a port of its own; what it does to the traffic can be changed at any time."""

    def __init__(self) -> None:
        self._server = socket.create_server((HOST, 0))
        self.port: int = self._server.getsockname()[1]
        self.target_port = 0
        """Where the broker listens; to be set before the first connection."""
        self.delay = 0.0
        """Seconds by which each request and response is late."""
        self.bytes_a_second = math.inf
        """That a connection takes towards the broker."""
        self._is_cut = False
        self._held_api: Api | None = None
        self._held_side: Side = "request"
        self._held: threading.Event | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self, api: Api, side: Side, held: threading.Event) -> None:
        """From now on holds back these requests, or the responses to them, until `release`.

        What is held back never arrives: its connection stands still, and `release` closes it.
        `held` is set once there is one.
        """
        self._held = held
        self._held_side = side
        self._held_api = api

    def release(self) -> None:
        self._held_api = None
        self.close_connections()

    def cut(self) -> None:
        """Closes all connections, and each new one at once."""
        self._is_cut = True
        self.close_connections()

    def mend(self) -> None:
        self._is_cut = False

    @contextlib.contextmanager
    def running(self) -> Iterator["Proxy"]:
        try:
            yield self
        finally:
            self._server.close()
            self.cut()

    def close_connections(self) -> None:
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:  # the proxy has ended
                return
            if self._is_cut:
                client.close()
                continue
            try:
                broker = socket.create_connection((HOST, self.target_port), timeout=5)
            except OSError:
                client.close()
                continue
            broker.settimeout(None)
            for each in (client, broker):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections |= {client, broker}
            _Connection(self, client, broker)

    def must_hold(self, api: int, side: Side) -> bool:
        if api != self._held_api or side != self._held_side:
            return False
        if self._held:
            self._held.set()
        return True


class _Connection:
    """One client's connection: a thread for each direction."""

    def __init__(self, proxy: Proxy, client: socket.socket, broker: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._broker = broker
        self._api_of_request: dict[int, int] = {}
        for forward in (self._forward_requests, self._forward_responses):
            threading.Thread(target=forward, daemon=True).start()

    def _forward_requests(self) -> None:
        with self._closing(), self._client.makefile("rb") as frames:
            while frame := _read_frame(frames):
                api, _version, correlation_id = struct.unpack_from(">hhi", frame, 4)
                self._api_of_request[correlation_id] = api
                if self._proxy.must_hold(api, "request"):
                    return self._stand_still()
                time.sleep(self._proxy.delay + len(frame) / self._proxy.bytes_a_second)
                self._broker.sendall(frame)
        return None

    def _forward_responses(self) -> None:
        with self._closing(), self._broker.makefile("rb") as frames:
            while frame := _read_frame(frames):
                (correlation_id,) = struct.unpack_from(">i", frame, 4)
                api = self._api_of_request.pop(correlation_id, -1)
                if self._proxy.must_hold(api, "response"):
                    return self._stand_still()
                time.sleep(self._proxy.delay)
                self._client.sendall(frame)
        return None

    def _stand_still(self) -> None:
        """Until either end closes: what comes later on this connection must not overtake."""
        with contextlib.suppress(OSError):
            while self._client.recv(1 << 16, socket.MSG_PEEK) and self._client.fileno() >= 0:
                time.sleep(0.05)

    @contextlib.contextmanager
    def _closing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, struct.error):
            pass
        finally:
            for each in (self._client, self._broker):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _read_frame(stream: BufferedReader) -> bytes:
    """The next frame with its length; empty at the end of the connection."""
    size = stream.read(4)
    if len(size) < 4:
        return b""
    (length,) = struct.unpack(">i", size)
    body = stream.read(length)
    return size + body if len(body) == length else b""
