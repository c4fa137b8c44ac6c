"""Collectors and lineage servers that answer with too much, too slowly, or with a redirect."""

import gc
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from opentelemetry.sdk.trace import TracerProvider
from urllib3.util import Retry

from kafka_processor.endpoints import bounded_http
from kafka_processor.endpoints.bounded_http import MAX_RESPONSE, RedirectRefused
from kafka_processor.monitoring.losses import Losses
from kafka_processor.telemetry.span_queue import SpanQueue
from tests.support import hostile_server as answers
from tests.support.hostile_server import Answer, HostileServer, hostile
from tests.support.receiver import Receiver, receiving
from tests.support.told import ToldLog
from tests.support.waiting import wait_until

DEADLINE = 0.4
MUCH = 8_000_000
"""Bytes: more than what is read of an answer and what waits in the buffers of two sockets."""
SLOW: list[Answer] = [
    answers.dripping_status, answers.dripping_header, answers.dripping_body, answers.silent,
    answers.endless_continue,
]  # fmt: skip
LARGE: list[Answer] = [answers.endless_body, answers.endless_chunks, answers.gzip_bomb]
BROKEN: list[Answer] = [answers.closing_in_the_middle, answers.endless_headers, answers.no_http]


@pytest.fixture(autouse=True)
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.Session, "get_adapter", requests.Session.get_adapter)
    bounded_http.install()
    bounded_http.install()  # once is enough


@pytest.fixture
def no_threads_stay() -> Iterator[None]:
    before = threading.active_count()
    yield
    wait_until(lambda: threading.active_count() <= before, "the end of all threads")


def post(url: str, retry: Retry | None = None) -> requests.Response:
    with requests.Session() as session:
        if retry:
            session.mount("http://", requests.adapters.HTTPAdapter(max_retries=retry))
        return session.post(
            url, data=b"spans", timeout=DEADLINE, headers={"Authorization": "5ec4e7"}
        )


def assert_let_go(server: HostileServer, began: float) -> None:
    assert time.monotonic() - began < DEADLINE + 1
    wait_until(lambda: not server.open, "the end of the connection")
    assert server.sent < MUCH * len(server.requests)


@pytest.mark.usefixtures("no_threads_stay")
@pytest.mark.parametrize("answer", SLOW, ids=lambda each: each.__name__)
def test_an_answer_that_takes_too_long_is_given_up(answer: Answer) -> None:
    with hostile(answer) as server:
        began = time.monotonic()
        with pytest.raises(requests.Timeout):
            post(server.url)
        assert_let_go(server, began)


# The library leaves the socket of such a handshake to the collector, which warns of it: here, and
# not in any other test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_handshake_that_takes_too_long_is_given_up() -> None:
    with hostile(answers.dripping_tls) as server:
        began = time.monotonic()
        with pytest.raises(requests.Timeout):
            post(server.url.replace("http:", "https:"))
        assert_let_go(server, began)
    gc.collect()


@pytest.mark.parametrize("answer", LARGE, ids=lambda each: each.__name__)
def test_no_more_of_an_answer_is_read_than_its_beginning(answer: Answer) -> None:
    with hostile(answer) as server:
        began = time.monotonic()
        tracemalloc.start()
        try:
            response = post(server.url)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert response.status_code == 200
        assert len(response.content) <= MAX_RESPONSE
        assert peak < 2_000_000
        assert_let_go(server, began)


@pytest.mark.parametrize("answer", BROKEN, ids=lambda each: each.__name__)
def test_an_answer_that_is_none_is_an_error(answer: Answer) -> None:
    with hostile(answer) as server:
        began = time.monotonic()
        with pytest.raises(requests.ConnectionError):
            post(server.url)
        assert_let_go(server, began)


def test_a_redirect_is_not_followed() -> None:
    with receiving() as elsewhere, hostile(answers.redirecting_to(elsewhere.url)) as server:
        with pytest.raises(RedirectRefused) as refused:
            post(server.url)
        assert refused.value.response is not None
        assert refused.value.response.status_code == 307
        assert not elsewhere.connections
        assert b"5ec4e7" in server.requests[0]


@pytest.mark.parametrize("answer", [answers.try_much_later, answers.endless_failure])
def test_the_server_has_no_say_in_when_it_is_tried_again(answer: Answer) -> None:
    retry = Retry(total=5, backoff_factor=0.001, status_forcelist=[503], allowed_methods=["POST"])
    with hostile(answer) as server:
        began = time.monotonic()
        assert post(server.url, retry).status_code == 503
        assert len(server.requests) == 6
        assert_let_go(server, began)


def test_attempts_end_with_the_deadline() -> None:
    retry = Retry(total=100, backoff_factor=0.2, status_forcelist=[503], allowed_methods=["POST"])
    with hostile(answers.try_much_later) as server:
        began = time.monotonic()
        with pytest.raises(requests.Timeout):
            post(server.url, retry)
        assert_let_go(server, began)


@pytest.mark.parametrize(
    ("scheme", "answer"),
    [
        ("http", answers.dripping_header),
        ("http", answers.endless_body),
        ("https", answers.dripping_status),
    ],
)
def test_a_proxy_is_bounded_too(
    scheme: str, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hostile(answer) as server:
        monkeypatch.setenv(f"{scheme}_proxy", server.url)
        monkeypatch.setenv("no_proxy", "")
        began = time.monotonic()
        with suppress(requests.RequestException):
            post(f"{scheme}://collector.invalid/")
        assert len(server.requests) == 1
        assert_let_go(server, began)


def test_a_server_that_answers_is_heard(receiver: Receiver) -> None:
    assert post(receiver.url).status_code == 200
    assert receiver.everything == b"spans"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (answers.dripping_body, "no success in time"),
        (answers.closing_in_the_middle, "no success in time"),
        (answers.try_much_later, "no success in time"),
        (answers.redirecting_to("http://127.0.0.1:9"), "RedirectRefused"),
    ],
)
def test_traces_that_were_not_taken_are_counted(
    answer: Answer, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = ToldLog()
    with hostile(answer) as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", str(DEADLINE))
        queue = SpanQueue(Losses("lost", log.bound))
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(queue)
        assert queue.admits(1)
        provider.get_tracer("test").start_span("a span").end()
        began = time.monotonic()
        queue.shutdown()
        assert_let_go(server, began)
    assert log.total("spans") == 1
    assert reason in log.lines[0][1]["reason"]
