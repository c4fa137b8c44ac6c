"""OPS_PORT and clients that mean harm: slow, many, large, of another name."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import load_settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.ops import server as module
from kafka_processor.ops.collector import FiguresCollector
from kafka_processor.ops.figures import Figures
from kafka_processor.ops.health import Health
from kafka_processor.ops.pages import RENDER_INTERVAL, Pages, text_page
from kafka_processor.ops.requests import MAX_HEAD, Refused, read_request
from kafka_processor.ops.server import MAX_CONNECTIONS, serve
from tests.support.scraping import get
from tests.support.waiting import wait_until

DEADLINE = 0.4
HERE = "127.0.0.1"


@contextmanager
def serving(host: str = HERE) -> Iterator[tuple[int, Figures, Health]]:
    figures = Figures()
    health = Health(Heartbeat(), figures)
    collector = FiguresCollector(load_settings({}), "0123abcd", figures, health)
    with serve(host, 0, collector, health) as port:
        yield port, figures, health


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as (port, _, _):
        yield port


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(module, "DEADLINE", DEADLINE)
    with serving() as (port, _, _):
        yield port


def connect(port: int) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=5)


def ask(port: int, request: bytes) -> bytes:
    with connect(port) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """Until the server closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def request(path: str = "/healthz", *headers: str, method: str = "GET", host: str = HERE) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode(
        "latin-1"
    )


def is_open(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return bool(connection.recv(1))
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_silent_connections_are_few_and_keep_nobody_out(port: int) -> None:
    threads = threading.active_count()
    with ExitStack() as stack:
        silent = [stack.enter_context(closing(connect(port))) for _ in range(4 * MAX_CONNECTIONS)]
        assert get(port, "/healthz") == (200, "ok\n")
        wait_until(
            lambda: sum(map(is_open, silent)) <= MAX_CONNECTIONS, "the end of the older ones"
        )
        assert sum(map(is_open, silent)) >= MAX_CONNECTIONS - 1
        assert get(port, "/healthz") == (200, "ok\n")
        assert threading.active_count() == threads


def test_a_request_that_drips_is_given_up(impatient: int) -> None:
    began = time.monotonic()
    with connect(impatient) as connection, pytest.raises(OSError):
        for number in range(1000):
            connection.sendall(request()[number % 20 : number % 20 + 1])
            time.sleep(0.02)
    assert time.monotonic() - began < DEADLINE + 1


def test_an_answer_that_is_not_read_is_given_up(
    impatient: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = text_page("200 OK", "x" * 50_000_000)
    monkeypatch.setattr(Pages, "answer", lambda *_: large)
    with connect(impatient) as connection:
        connection.sendall(request("/metrics"))
        monkeypatch.undo()
        time.sleep(DEADLINE + 0.2)
        assert get(impatient, "/healthz")[0] == 200
        received = 0
        with suppress(ConnectionError):
            while part := connection.recv(65536):
                received += len(part)
    assert received < 50_000_000


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (request("/healthz", f"X: {'x' * MAX_HEAD}"), 431),
        (request("/healthz", *["X: y"] * 100), 431),
        (b"x" * (MAX_HEAD + 10), 431),
        (request("/" + "x" * 4000), 400),
        (b"\r\n\r\n", 400),
        (b"\0\xff\r\n\r\n", 400),
        (b"GET /healthz\r\n\r\n", 400),
        (b"GET /healthz HTTP/9.9\r\n\r\n", 400),
        (b"GET http://127.0.0.1/healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        (request("/healthz", "no header"), 400),
        (request("/healthz", " folded: x"), 400),
        (request("/healthz", "Host: 127.0.0.1"), 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        *((request(method=method), 405) for method in ("POST", "PUT", "DELETE", "OPTIONS", "X")),
        (request("/healthz?x=<script>"), 200),
        (request("/<script>alert(1)</script>"), 404),
        (request("/%0d%0aX:%20y"), 404),
    ],
)
def test_what_is_no_request_is_refused_without_an_echo(text: bytes, status: int, port: int) -> None:
    answer = ask(port, text)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"script" not in answer
    assert b"xxx" not in answer
    assert len(body) < 100
    for word in (b"server:", b"python", b"wsgi", b"cpython"):
        assert word not in head.lower()


def test_head_has_no_body(port: int) -> None:
    head, _, body = ask(port, request("/metrics", method="HEAD")).partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert body == b""


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:{port}", "localhost:{port}", "LocalHost", "[::1]:{port}", "[::1]"],
)
def test_names_of_this_machine_are_answered(host: str, port: int) -> None:
    assert b"200 OK" in ask(port, request(host=host.format(port=port)))


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "10.0.0.1:{port}", "", "@"],
)
def test_on_loopback_other_names_are_refused(host: str, port: int) -> None:
    """A web page of that name, which was made to lead here."""
    answer = ask(port, request("/metrics", host=host.format(port=port)))
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"kafka_processor" not in answer
    assert b"evil" not in answer


def test_elsewhere_any_name_is_answered() -> None:
    """Prometheus asks a pod by its address, and a service by its name."""
    with serving("0.0.0.0") as (port, _, _):
        for host in (f"10.1.2.3:{port}", "processor:9108", "processor.logins.svc.cluster.local"):
            assert b"200 OK" in ask(port, request(host=host))


def test_the_name_that_it_listens_on_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    find = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *a, **k: find(HERE if host == "node" else host, *a, **k)
    )
    with serving("node") as (port, _, _):
        assert b"200 OK" in ask(port, request(host=f"Node:{port}"))


def test_a_second_request_needs_a_second_connection(port: int) -> None:
    assert ask(port, request() * 2).count(b"HTTP/1.1 ") == 1


def test_asking_all_the_time_renders_once_in_a_while() -> None:
    rendered = 0

    class Counted(FiguresCollector):
        def collect(self):  # type: ignore[no-untyped-def]
            nonlocal rendered
            rendered += 1
            return super().collect()

    health = Health(Heartbeat(), Figures())
    with serve(HERE, 0, Counted(load_settings({}), "0", Figures(), health), health) as port:
        began = time.monotonic()
        rendered = 0
        for number in range(50):
            accept = f"Accept: application/openmetrics-text; version=1.0.{number}"
            assert b"\n# EOF\n" in ask(port, request("/metrics", accept))
        assert rendered <= (time.monotonic() - began) / RENDER_INTERVAL + 1


def test_a_page_with_a_defect_is_500_without_its_text() -> None:
    class Broken(FiguresCollector):
        def collect(self):  # type: ignore[no-untyped-def]
            if self.is_broken:
                raise RuntimeError("5ec4e7")
            return super().collect()

        is_broken = False

    health = Health(Heartbeat(), Figures())
    collector = Broken(load_settings({}), "0", Figures(), health)
    with serve(HERE, 0, collector, health) as port:
        collector.is_broken = True
        answer = ask(port, request("/metrics"))
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert b"5ec4e7" not in answer
        assert b"200 OK" in ask(port, request())


def test_a_reason_with_a_brokers_text_is_printable_and_short() -> None:
    with serving() as (port, _, health):
        health.set_source(lambda: "recovering from: \x1b[2J\r\nX-Header: y" + "x" * 10_000)
        status, text = get(port, "/readyz")
    assert status == 503
    assert text.startswith("recovering from: \\u001b[2J\\u000d\\u000aX-Header: y")
    assert len(text) < 600


@given(st.one_of(st.binary(max_size=300), st.builds(
    lambda lines: b"GET / HTTP/1.1\r\n" + b"\r\n".join(lines), st.lists(st.binary(max_size=30))
)))  # fmt: skip
def test_whatever_comes_is_read_or_refused(head: bytes) -> None:
    try:
        found = read_request(head, lambda _: True)
    except Refused as refused:
        assert refused.status[0] == "4"
    else:
        assert found.path.startswith("/")
