"""The dashboard and clients that mean harm: silent, slow, many, with bodies."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from starlette.types import Message

from kafka_processor.dashboard.limits import BACKLOG, MAX_CONNECTIONS
from kafka_processor.dashboard.server import MAX_STREAMS, application
from tests.support.waiting import wait_until

HERE = "127.0.0.1"
TIMEOUT = 1.0
SERVE = f"""
import resource
import socket
import sys
from kafka_processor.dashboard import limits, server
from kafka_processor.endpoints.listening import listen
resource.setrlimit(resource.RLIMIT_NOFILE, 2 * (int(sys.argv[1]),))
limits.REQUEST_TIMEOUT = limits.STALL_TIMEOUT = {TIMEOUT}
large = b'"' + b"x" * 300_000 + b'"'
with listen("127.0.0.1", 0, "", "") as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    print(listener.getsockname()[1], flush=True)
    server.serve(listener, lambda: large, token=None, is_loopback=True)
"""


class Served:
    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process = process
        assert process.stdout
        self.port = int(process.stdout.readline())
        self._errors = errors

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def connect(self) -> socket.socket:
        return socket.create_connection((HERE, self.port), timeout=10)

    def ask(self, path: str, method: str = "GET", *headers: str, body: bytes = b"") -> bytes:
        """The beginning of the answer."""
        with self.connect() as connection:
            connection.sendall(request(path, method, *headers) + body)
            return connection.recv(4096)

    @property
    def files(self) -> int:
        """That the process has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        """Bytes."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGESIZE")


def request(path: str, method: str = "GET", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HERE}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def is_open(connection: socket.socket) -> bool:
    """Reads what there is."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@contextmanager
def serving(folder: Path, files: int) -> Iterator[Served]:
    """`files`: how many the process may have open, connections among them."""
    errors = folder / "errors"
    command = [sys.executable, "-c", SERVE, str(files)]
    with (
        errors.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        try:
            yield Served(process, errors)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(10)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("dashboard")
    with serving(folder, files=MAX_CONNECTIONS + 6 * BACKLOG) as served:
        yield served


def test_silent_connections_keep_nobody_out_and_fill_no_log(served: Served) -> None:
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(served.connect()))
            for _ in range(MAX_CONNECTIONS + 2 * BACKLOG)
        ]
        for _ in range(5):
            assert b"200 OK" in served.ask("/")
        wait_until(
            lambda: sum(map(is_open, silent)) <= MAX_CONNECTIONS, "the end of the older ones"
        )
        wait_until(lambda: not any(map(is_open, silent)), "the end of all of them")
        assert b"200 OK" in served.ask("/")
    assert served.errors == ""


def test_a_process_that_may_open_no_more_files_fills_no_log(tmp_path: Path) -> None:
    with serving(tmp_path, files=64) as served, ExitStack() as stack:

        def is_told_with_more_of_them() -> bool:
            for _ in range(40):
                stack.enter_context(closing(served.connect()))
            return "Too many open files" in served.errors

        wait_until(is_told_with_more_of_them, "the line about it")
        assert b"200 OK" in served.ask("/")
    assert len(served.errors.splitlines()) <= 2, "one of each kind a minute"


def test_a_head_that_drips_is_given_up(served: Served) -> None:
    began = time.monotonic()
    with served.connect() as connection, pytest.raises(OSError):
        for number in range(1000):
            connection.sendall(b"GET / HTTP/1.1\r\nX: " if not number else b"x")
            time.sleep(0.05)
    assert time.monotonic() - began < TIMEOUT + 1


def test_a_head_that_is_too_large_is_refused(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", ["/", "/events", "/static/app.js", "/nothing"])
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", ["Content-Length: 1000000000"], 405),
        ("DELETE", [], 405),
        ("TRACE", [], 405),
        ("GET", ["Content-Length: 1000000000"], 413),
        ("GET", ["Transfer-Encoding: chunked"], 413),
    ],
)
def test_a_body_is_not_waited_for(
    served: Served, path: str, method: str, headers: list[str], status: int
) -> None:
    answer = served.ask(path, method, *headers, body=b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"content-security-policy" in answer.lower()


def test_each_answer_ends_its_connection(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(request("/nothing") * 2)
        answers = b""
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                answers += part
    assert answers.count(b"HTTP/1.1 404") == 1
    assert b"server:" not in answers.lower()


def test_pages_that_are_not_read_are_given_up_in_bounded_memory(served: Served) -> None:
    files, memory = served.files, served.memory
    with ExitStack() as stack:
        for _ in range(MAX_STREAMS):
            stream = stack.enter_context(closing(served.connect()))
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.sendall(request("/events"))
        assert b"200 OK" in served.ask("/"), "there is a place left for the page"
        wait_until(lambda: served.files <= files, "the end of those that do not read")
        assert served.memory - memory < 60_000_000
    assert served.errors == ""


def test_so_many_pages_are_fed_at_once() -> None:
    async def open_pages() -> list[int]:
        app = application(lambda: b"1", lambda: False, token=None, is_loopback=True, port=1)
        statuses = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        def open_page() -> "asyncio.Task[None]":
            scope = {
                "type": "http", "method": "GET", "path": "/events", "query_string": b"",
                "headers": [(b"host", b"localhost")], "root_path": "",
            }  # fmt: skip
            return asyncio.create_task(app(scope, receive, send))  # type: ignore[arg-type]

        pages = [open_page() for _ in range(MAX_STREAMS)]
        await asyncio.sleep(0.1)
        await open_page()
        pages[0].cancel()
        with suppress(asyncio.CancelledError):
            await pages[0]
        pages.append(open_page())
        await asyncio.sleep(0.1)
        for page in pages:
            page.cancel()
        return statuses

    assert asyncio.run(open_pages()) == [200] * MAX_STREAMS + [503, 200]
