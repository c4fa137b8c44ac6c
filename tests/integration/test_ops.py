"""OPS_PORT of a real daemon: what it says equals what the topics hold."""

import json
import socket
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from dev import free_ports
from dev.free_ports import is_free
from tests.faults.cluster import Cluster
from tests.support.brokers import free_port
from tests.support.job import Job, MakeJob, Site
from tests.support.load import event, send_load
from tests.support.program import Daemon
from tests.support.scraping import get, is_ready, metrics
from tests.support.waiting import wait_until

PREFIX = "kafka_processor_"
FAULTY = [b"no JSON", b'{"user_id": "u"}', b"[]"]


def start(job: Job, **settings: str) -> tuple[Daemon, int]:
    port = free_port()
    daemon = job.start(OPS_PORT=str(port), **settings)
    wait_until(lambda: is_ready(port), lambda: f"readiness:\n{daemon.log}")
    return daemon, port


def assigned(port: int) -> float:
    return metrics(port)[f"{PREFIX}assigned_partitions"][()]


def test_figures_are_what_the_topics_hold(make_job: MakeJob) -> None:
    job = make_job(2)
    daemon, port = start(job)
    send_load(job, 2000)
    job.send_all(FAULTY, 1)
    job.send(b"{}", 0, age=3600)
    job.flush()
    job.wait_for_lines(2004)
    wait_until(
        lambda: (
            metrics(port).get(f"{PREFIX}consumer_lag_messages") == {("0",): 0, ("1",): 0}
            and sum(metrics(port)[f"{PREFIX}messages_total"].values()) == 2004
        ),
        lambda: f"the figures: {get(port, '/metrics')}",
    )
    found = metrics(port)
    daemon.stop()
    results = job.results()

    outcomes = Counter(line["outcome"] for line in results.lines)
    expected = {("", each): outcomes.pop(each) for each in ("processed", "filtered", "skipped")}
    expected |= {(kind, "error"): count for kind, count in outcomes.items()}
    counted = found[f"{PREFIX}messages_total"]
    assert {labels: count for labels, count in counted.items() if count} == expected
    for name in ("processed", "errors", "cleaned"):
        records = found[f"{PREFIX}records_total"][(job.topics[name],)]
        assert records == len(getattr(results, name)), name
    committed = {(str(number),): offset for number, offset in job.committed().items()}
    assert found[f"{PREFIX}committed_offset"] == committed
    assert found[f"{PREFIX}partition_messages_total"] == committed
    assert found[f"{PREFIX}consumer_age_seconds"] == {("0",): 0, ("1",): 0}
    assert found[f"{PREFIX}assigned_partitions"] == {(): 2}
    assert found[f"{PREFIX}processing_seconds_count"][()] == 2004
    assert found[f"{PREFIX}latency_seconds_count"][()] == pytest.approx(2004)
    assert 0 < found[f"{PREFIX}batch_messages_count"][()] <= 2004
    assert found[f"{PREFIX}batch_messages_sum"][()] == 2004
    assert found[f"{PREFIX}broker_up"][("1", "consumer")] == 1
    assert found[f"{PREFIX}rebalances_total"][()] >= 1


def test_transaction_markers_and_aborted_records_are_no_lag(job: Job) -> None:
    """Messages of a transaction that is open are: if it hangs, that shows."""
    daemon, port = start(job)

    def has(lag: int, committed: int) -> bool:
        found = metrics(port)
        names = ("consumer_lag_messages", "committed_offset", "consumer_age_seconds")
        lags, offsets, ages = (found.get(PREFIX + name, {}).get(("0",)) for name in names)
        return (lags, offsets) == (lag, committed) and (ages == 0) == (lag == 0)

    def wait_for(lag: int, committed: int) -> None:
        wait_until(
            lambda: has(lag, committed),
            lambda: f"lag {lag}, committed {committed}: {get(port, '/metrics')[1]}",
        )

    settings = {"bootstrap.servers": job.site.broker, "transactional.id": job.group, "log_level": 0}
    producer = Producer(settings)
    producer.init_transactions(30)

    def send(count: int) -> None:
        producer.begin_transaction()
        for number in range(count):
            producer.produce(job.input, event(0, number), partition=0)
        assert producer.flush(30) == 0

    send(5)
    producer.commit_transaction(30)
    wait_for(lag=0, committed=5)
    send(40)
    wait_for(lag=40, committed=5)
    producer.abort_transaction(30)
    wait_for(lag=0, committed=5)
    daemon.stop()
    daemon, port = start(job)
    wait_for(lag=0, committed=5)
    daemon.stop()


def test_an_idle_process_hears_of_its_producer_too(job: Job) -> None:
    """What nobody takes of its statistics would pile up in memory."""
    daemon, port = start(job)
    queued = f"{PREFIX}client_queued_messages"
    wait_until(
        lambda: metrics(port).get(queued) == {("consumer",): 0, ("producer",): 0},
        lambda: f"the producer's statistics: {metrics(port).get(queued)}",
    )
    daemon.stop()


def test_a_flood_of_failures_is_few_lines_of_log_without_values(job: Job) -> None:
    job.send_all([b'{"ip": "198.51.100.77", "device_id": "secret-device"}'] * 5000)
    daemon = job.start(LOG_FORMAT="json", LOG_LEVEL="debug")
    job.wait_for_lines(5000)
    daemon.stop()
    told = [json.loads(line) for line in daemon.log_lines if "messages failed" in line]
    assert sum(line["messages"] for line in told) == 5000
    assert len(told) <= 3
    assert told[-1]["last"].startswith(f"{job.input}-0-")
    committed = [json.loads(line) for line in daemon.log_lines if '"committed"' in line]
    assert sum(line["messages"] for line in committed) == 5000
    assert "198.51.100" not in daemon.log
    assert "secret-device" not in daemon.log


def test_it_says_that_it_is_not_ready_while_the_broker_is_away(
    cluster: Cluster, program: Path, tmp_path: Path
) -> None:
    with Job(Site(cluster.servers, program, tmp_path), 1) as job, cluster.mended():
        daemon, port = start(job)
        cluster.kafka.brokers[0].kill()
        wait_until(lambda: not is_ready(port), lambda: f"unreadiness:\n{daemon.log}")
        assert get(port, "/healthz") == (200, "ok\n")
        assert metrics(port)[f"{PREFIX}ready"] == {(): 0}
        cluster.kafka.start()
        wait_until(lambda: is_ready(port), lambda: f"readiness:\n{get(port, '/readyz')}", 45)
        send_load(job, 10)
        job.wait_for_lines(10)
        daemon.stop()


def first_of_two_free_ports() -> int:
    """Below those that outgoing connections get: one of them could take the second."""
    taken: set[int] = set()
    return next(port for port in iter(lambda: free_ports.free_port(taken), 0) if is_free(port + 1))


def test_each_worker_has_a_port_of_its_own(make_job: MakeJob) -> None:
    job = make_job(2)
    port = first_of_two_free_ports()
    daemon = job.launch(
        job.settings(OPS_PORT=str(port)), ("-m", "kafka_processor", "--workers", "2")
    )
    job.wait_for_shares(2)
    for each in (port, port + 1):
        wait_until(lambda each=each: is_ready(each), lambda: f"readiness:\n{daemon.log}")  # type: ignore[misc]
        wait_until(lambda each=each: assigned(each) == 1, lambda: f"a share:\n{daemon.log}")  # type: ignore[misc]
    daemon.stop()


def test_a_port_that_is_taken_ends_the_start_with_one_line(job: Job) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        daemon = job.launch(job.settings(OPS_PORT=str(taken.getsockname()[1])))
        assert daemon.wait() == 1
    assert len(daemon.lines_with("OPS_PORT: cannot listen on 127.0.0.1")) == 1
