"""Faults of a real daemon, seen by a real Prometheus, told by a real Alertmanager."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dev import grafana_dashboard
from tests.support.brokers import free_port
from tests.support.job import Job, MakeJob
from tests.support.load import event, send_load, too_large_event
from tests.support.monitoring import HOW_TO_GET_THEM, MISSING, Monitoring, run_monitoring
from tests.support.program import Daemon
from tests.support.waiting import TIMEOUT, wait_until

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed ({HOW_TO_GET_THEM})"
)
LIMIT = "8000"
"""Bytes of a record that the topic of processed messages takes."""


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job(2)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def daemon(job: Job, port: int) -> Daemon:
    return job.start(OPS_PORT=str(port), MAX_MESSAGE_AGE="600")


@pytest.fixture
def monitoring(port: int, tmp_path: Path) -> Iterator[Monitoring]:
    with run_monitoring(tmp_path, [port]) as monitoring:
        yield monitoring


@contextmanager
def steady_load(job: Job, *values: bytes) -> Iterator[None]:
    """Sends the values again and again, some tens a second, meanwhile."""
    ending = threading.Event()

    def send() -> None:
        while not ending.wait(0.1):
            job.send_all(values)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_faults_arrive_at_the_webhook(job: Job, daemon: Daemon, monitoring: Monitoring) -> None:
    with steady_load(job, event(0, 1), event(0, 2), b"no JSON"):
        monitoring.wait_for("KafkaProcessorErrorShare", severity="ticket")
    job.send(event(0, 1), 0, age=3600)
    job.flush()
    monitoring.wait_for("KafkaProcessorSkips", severity="ticket")

    daemon.process.kill()
    monitoring.wait_for("KafkaProcessorDown", severity="page")
    wait_until(
        lambda: not monitoring.query('ALERTS{alertname="KafkaProcessorSkips"}'),
        "the end of an alert whose cause is over",
    )


def test_a_standstill_is_told_although_the_process_is_well(
    job: Job, daemon: Daemon, monitoring: Monitoring
) -> None:
    send_load(job, 200)
    job.wait_for_lines(200)
    other = Producer({"bootstrap.servers": job.site.broker, "transactional.id": "hangs"})
    other.init_transactions(TIMEOUT)
    other.begin_transaction()
    other.produce(job.input, event(0, 1), partition=0)
    assert other.flush(TIMEOUT) == 0
    send_load(job, 200, first=200)
    monitoring.wait_for("KafkaProcessorStandsStill", severity="page", partition="0")
    assert daemon.is_running
    other.commit_transaction(TIMEOUT)
    job.wait_for_lines(401)
    wait_until(
        lambda: not monitoring.query('ALERTS{alertname="KafkaProcessorStandsStill"}'),
        "the end of an alert whose cause is over",
    )


def test_each_query_of_the_dashboard_finds_series(
    job: Job, daemon: Daemon, monitoring: Monitoring
) -> None:
    assert daemon.is_running
    # A limit that is not known yet: the broker refuses the record, and the batch is given up.
    job.configure_topic(job.topics["processed"], max_message_bytes=LIMIT)
    job.send(too_large_event(1))
    panels = grafana_dashboard.dashboard()["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(queries) > 20
    with steady_load(job, event(0, 1), b"no JSON"):
        for query in queries:
            concrete = query.replace("$job", ".*").replace("$__rate_interval", "30s")
            wait_until(lambda q=concrete: bool(monitoring.query(q)), f"series of {query}")  # type: ignore[misc]
