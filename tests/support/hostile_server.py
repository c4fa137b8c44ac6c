"""Servers that answer a request with what no client should have to bear."""

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
CHUNK = b"x" * 65536
OK = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(bytes(10_000_000))


class HostileServer:
    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []
        """The beginning of each."""
        self.sent = 0
        """Bytes of answers."""
        self.open = 0
        """Connections."""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)


Answer = Callable[[HostileServer, socket.socket], None]


def _drip(server: HostileServer, connection: socket.socket, data: bytes) -> None:
    for number in range(len(data)):
        server.send(connection, data[number : number + 1])
        time.sleep(0.05)


def dripping_status(server: HostileServer, connection: socket.socket) -> None:
    _drip(server, connection, b"HTTP/1.1 200 " + CHUNK)


def dripping_header(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK)
    _drip(server, connection, b"X: " + CHUNK)


def dripping_body(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK + b"Content-Length: 65536\r\n\r\n")
    _drip(server, connection, CHUNK)


def dripping_tls(server: HostileServer, connection: socket.socket) -> None:
    """The beginning of a record of the handshake, whose end does not come."""
    server.send(connection, b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb\x03\x03")
    _drip(server, connection, CHUNK)


def endless_continue(server: HostileServer, connection: socket.socket) -> None:
    while True:
        server.send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.001)


def silent(_: HostileServer, connection: socket.socket) -> None:
    while connection.recv(65536):
        pass


def endless_body(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK + b"\r\n")
    while True:
        server.send(connection, CHUNK)


def endless_chunks(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        server.send(connection, b"10000\r\n" + CHUNK + b"\r\n")


def endless_failure(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\n\r\n")
    while True:
        server.send(connection, CHUNK)


def endless_headers(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK)
    while True:
        server.send(connection, b"X-Header: value\r\n" * 1000)


def gzip_bomb(server: HostileServer, connection: socket.socket) -> None:
    length = b"Content-Length: %d\r\n\r\n" % len(BOMB)
    server.send(connection, OK + b"Content-Encoding: gzip\r\n" + length + BOMB)


def closing_in_the_middle(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, OK + b"Content-Length: 1000\r\n\r\nx")


def no_http(server: HostileServer, connection: socket.socket) -> None:
    server.send(connection, b"\0\xff\r\n\r\n")


def try_much_later(server: HostileServer, connection: socket.socket) -> None:
    server.send(
        connection, b"HTTP/1.1 503 Busy\r\nRetry-After: 1000000000\r\nContent-Length: 0\r\n\r\n"
    )


def redirecting_to(url: str) -> Answer:
    def redirect(server: HostileServer, connection: socket.socket) -> None:
        head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {url}/elsewhere\r\nContent-Length: 0\r\n\r\n"
        server.send(connection, head.encode())

    return redirect


@contextmanager
def hostile(answer: Answer) -> Iterator[HostileServer]:
    with socket.create_server((HOST, 0)) as listener:
        server = HostileServer(listener.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(30)
                server.requests.append(connection.recv(65536))
                answer(server, connection)
            server.open -= 1

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.open += 1
                    threading.Thread(target=serve, args=[connection], daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield server
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
