"""Receivers of telemetry and lineage that are away, slow or unwilling disturb nothing."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.brokers import HOST, dead_port
from tests.support.hostile_server import dripping_body, hostile, redirecting_to
from tests.support.job import Job
from tests.support.load import assert_each_once, send_load
from tests.support.receiver import receiving


@contextmanager
def nobody() -> Iterator[str]:
    yield f"http://{HOST}:{dead_port()}"


@contextmanager
def unwilling() -> Iterator[str]:
    with receiving() as receiver:
        receiver.status = 500
        yield receiver.url


@contextmanager
def dripping() -> Iterator[str]:
    with hostile(dripping_body) as server:
        yield server.url


@contextmanager
def redirecting() -> Iterator[str]:
    with receiving() as elsewhere:
        with hostile(redirecting_to(elsewhere.url)) as server:
            yield server.url
        assert server.requests
        assert not elsewhere.connections, "headers, a token among them, were carried elsewhere"


RECEIVERS = [nobody, unwilling, dripping, redirecting]


@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda each: each.__name__)
def test_the_daemon_works_and_stops_in_time(job: Job, receiver: object) -> None:
    assert callable(receiver)
    with receiver() as url:
        daemon = job.start(
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            OTEL_EXPORTER_OTLP_HEADERS="no header but a 5ec4e7",
            OTEL_METRIC_EXPORT_INTERVAL="500",
            OTEL_BSP_SCHEDULE_DELAY="100",
            OTEL_BSP_MAX_QUEUE_SIZE="20",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
            OPENLINEAGE_URL=url,
        )
        for number in range(10):
            send_load(job, 100, first=100 * number)
            job.wait_for_lines(100 * (number + 1))
        daemon.stop()
    assert_each_once(job, job.results(), {0: 1000})
    for kind in ("traces", "lineage"):
        lines = daemon.lines_with(f"{kind} w.* not delivered")
        assert 1 <= len(lines) <= 3, daemon.log
    assert "5ec4e7" not in daemon.log
    assert all("[warning  ]" in line or "[info     ]" in line for line in daemon.log_lines)
