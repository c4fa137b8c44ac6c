"""A broker that comes late, goes away, comes back, moves, or keeps a process from joining."""

from contextlib import ExitStack
from pathlib import Path

from dev.local_kafka import LocalKafka
from tests.support.brokers import dead_port, free_port
from tests.support.job import KEY, Job, Site
from tests.support.load import assert_each_once, send_later, send_load
from tests.support.program import PROBLEM, Daemon
from tests.support.waiting import wait_until


def test_what_keeps_a_process_from_joining_is_named(program: Path, tmp_path: Path) -> None:
    """An address that nobody can reach, and a group without a coordinator."""
    nowhere = dead_port()
    kafka = LocalKafka(
        extra_listeners={"MOVED": "PLAINTEXT"},
        advertised_ports={"MOVED": [nowhere]},
        properties={"offsets.topic.replication.factor": "3"},
    )
    with kafka, ExitStack() as daemons:

        def launch(name: str, port: int) -> Daemon:
            (tmp_path / name).mkdir()
            settings = {
                "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
                "CREATE_TOPICS": "all",
                "DEVICE_ID_KEY": KEY,
                "INPUT_TOPIC": name,
            }
            return daemons.enter_context(Daemon(program, tmp_path / name, settings))

        ports = kafka.brokers[0].ports
        moved, alone = launch("moved", ports["MOVED"]), launch("alone", ports["PLAINTEXT"])
        assert str(ports["MOVED"]) in moved.wait_for_log(
            f"warning.*advertise.*{nowhere}|{nowhere}", 60
        )
        alone.wait_for_log("warning.*__consumer_offsets.*offsets.topic.replication.factor", 60)
        assert alone.is_running
        assert len(alone.lines_with("warning")) == 1, alone.log


def test_broker_comes_late_goes_away_comes_back_and_moves(program: Path, tmp_path: Path) -> None:
    """At last it is at another of the bootstrap addresses: the clients know the one that it had,
    and find the other one all the same."""
    ports = [free_port(), free_port()]
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    folder = tmp_path / "kafka"
    late_folder = tmp_path / "late"
    late_folder.mkdir()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": servers,
        "STARTUP_RETRIES": "50",
        "CREATE_TOPICS": "all",
        "DEVICE_ID_KEY": KEY,
    }
    with Daemon(program, late_folder, settings) as late, ExitStack() as kafkas:
        late.wait_for_log(PROBLEM)
        kafka = kafkas.enter_context(LocalKafka(port=ports[0], folder=folder))
        late.wait_for_start()
        late.stop()
        with Job(Site(servers, program, tmp_path), 1) as job:
            daemon = works_over_an_outage(job, kafka)
            problems = len(daemon.lines_with(PROBLEM))
            kafka.stop()
            daemon.wait_for_log(PROBLEM, times=problems + 1)
            kafkas.enter_context(LocalKafka(port=ports[1], folder=folder))
            send_load(job, 50, first=100)
            wait_for_outcomes(job, daemon, 150)
            daemon.stop()
            assert_each_once(job, job.results(), {0: 150})


def works_over_an_outage(job: Job, kafka: LocalKafka) -> Daemon:
    (broker,) = kafka.brokers
    waiting = job.start(INSTANCE_ID="one")
    stopped = job.start(INSTANCE_ID="two")
    send_load(job, 50)
    job.wait_for_lines(50)

    problems = len(waiting.lines_with(PROBLEM))
    broker.kill()
    send_later(job, 50, first=50)
    stopped.stop()
    waiting.wait_for_log(PROBLEM, times=problems + 1)
    assert waiting.is_running

    broker.start()
    job.flush()
    wait_for_outcomes(job, waiting, 100)
    return waiting


def wait_for_outcomes(job: Job, daemon: Daemon, count: int) -> None:
    wait_until(lambda: job.committed_total() == count, lambda: f"all done:\n{daemon.log}", 45)
