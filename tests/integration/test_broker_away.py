"""A broker that comes late, goes away and comes back, refuses a login, or to create a topic."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    ResourceType,
)

from dev.local_kafka import LocalKafka
from tests.support.acls import allow
from tests.support.brokers import dead_port, free_port
from tests.support.job import KEY, Job, Site
from tests.support.load import assert_each_once, send_later, send_load
from tests.support.program import CHECK, PROBLEM, STARTED, Daemon, copy_program
from tests.support.waiting import wait_until

LOGIN = "LOGIN"
JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    ' user_processor="the-right-password";'
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_program(tmp_path_factory.mktemp("program"))


@pytest.fixture(scope="module")
def kafka_with_login() -> Iterator[LocalKafka]:
    properties = {
        f"listener.name.{LOGIN.lower()}.sasl.enabled.mechanisms": "PLAIN",
        f"listener.name.{LOGIN.lower()}.plain.sasl.jaas.config": JAAS,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    with LocalKafka(extra_listeners={LOGIN: "SASL_PLAINTEXT"}, properties=properties) as kafka:
        yield kafka


def login_settings(job: Job, kafka: LocalKafka, password: str) -> dict[str, str]:
    return job.settings(
        KAFKA_BOOTSTRAP_SERVERS=kafka.servers_of(LOGIN),
        KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
        KAFKA_SASL_MECHANISM="PLAIN",
        KAFKA_SASL_USERNAME="processor",
        KAFKA_SASL_PASSWORD=password,
        LOG_LEVEL="debug",
    )


def test_login(kafka_with_login: LocalKafka, program: Path, tmp_path: Path) -> None:
    with Job(Site(kafka_with_login.bootstrap_servers, program, tmp_path), 1) as job:
        send_load(job, 10)
        settings = login_settings(job, kafka_with_login, "the-right-password")
        daemon = job.launch(settings).wait_for_start()
        job.wait_for_lines(10)
        daemon.stop()
        assert "the-right-password" not in daemon.log


def test_refused_login(kafka_with_login: LocalKafka, program: Path, tmp_path: Path) -> None:
    with Job(Site(kafka_with_login.bootstrap_servers, program, tmp_path), 1) as job:
        daemon = job.launch(login_settings(job, kafka_with_login, "a-wrong-password"))
        assert daemon.wait(10) == 1
        assert "a-wrong-password" not in daemon.log
        assert daemon.lines_with("authenticat|login|credential|password")
        assert STARTED not in daemon.stdout


def test_check_knows_who_may_create_topics(
    kafka_with_login: LocalKafka, program: Path, tmp_path: Path
) -> None:
    """Kafka accepts CREATE on the cluster, or on the topic (KIP-277)."""
    with Job(Site(kafka_with_login.bootstrap_servers, program, tmp_path), 1) as job:
        settings = login_settings(job, kafka_with_login, "the-right-password")
        # What has an access rule is for those alone whom it names.
        cluster = allow("somebody-else", ResourceType.BROKER, "kafka-cluster", AclOperation.CREATE)
        create_acls(job, cluster)
        allowed = job.launch(settings, CHECK)
        assert allowed.wait() == 0, allowed.log

        errors = job.topics["errors"]
        create_acls(job, allow("processor", ResourceType.TOPIC, errors, AclOperation.WRITE))
        refused = job.launch(settings, CHECK)
        assert refused.wait() == 1
        assert errors in refused.log_lines[-1]
        assert job.existing_topics() == {job.input}


def test_transactional_id_of_others(
    kafka_with_login: LocalKafka, program: Path, tmp_path: Path
) -> None:
    """A check does not take the id that may be in use, and says so where it may not try another."""
    with Job(Site(kafka_with_login.bootstrap_servers, program, tmp_path), 1) as job:
        settings = login_settings(job, kafka_with_login, "the-right-password")
        settings["INSTANCE_ID"] = "one"
        own = f"{job.group}/one"
        trial = f"{own}:check"
        for id_ in (own, trial):
            kind = ResourceType.TRANSACTIONAL_ID
            create_acls(job, allow("somebody-else", kind, id_, AclOperation.WRITE))
        check = job.launch(settings, CHECK)
        assert check.wait() == 0, check.log
        line = check.stdout.splitlines()[-1]
        assert f"WRITE on transactional id {trial}" in line
        assert line.endswith(own)

        start = job.launch(settings)
        assert start.wait() == 1
        assert f"WRITE on transactional id {own} " in start.log_lines[-1]


def create_acls(job: Job, acls: list[AclBinding]) -> None:
    for created in job.admin.create_acls(acls).values():
        created.result(10)


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
        assert str(ports["MOVED"]) in moved.wait_for_log(f"warning.*advertise.*{nowhere}|{nowhere}")
        alone.wait_for_log("warning.*__consumer_offsets.*offsets.topic.replication.factor")
        assert alone.is_running
        assert len(alone.lines_with("warning")) == 1, alone.log


def test_broker_comes_late_goes_away_and_comes_back(program: Path, tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "STARTUP_RETRIES": "50",
        "CREATE_TOPICS": "all",
        "DEVICE_ID_KEY": KEY,
    }
    late_folder = tmp_path / "late"
    late_folder.mkdir()
    with Daemon(program, late_folder, settings) as late:
        late.wait_for_log(PROBLEM)
        with LocalKafka(port=port) as kafka:
            late.wait_for_start()
            with Job(Site(kafka.bootstrap_servers, program, tmp_path), 1) as job:
                works_over_an_outage(job, kafka)
                late.stop()


def works_over_an_outage(job: Job, kafka: LocalKafka) -> None:
    (broker,) = kafka.brokers
    waiting = job.start(INSTANCE_ID="one")
    stopped = job.start(INSTANCE_ID="two")
    send_load(job, 50)
    job.wait_for_lines(50)

    broker.kill()
    send_later(job, 50, first=50)
    stopped.stop()
    waiting.wait_for_log(PROBLEM)
    assert waiting.is_running

    broker.start()
    job.flush()
    wait_until(lambda: job.committed_total() == 100, lambda: f"all done:\n{waiting.log}", 45)
    waiting.stop()
    assert_each_once(job, job.results(), {0: 100})


def test_broker_comes_back_at_another_of_the_bootstrap_addresses(
    program: Path, tmp_path: Path
) -> None:
    """The clients know the address that the broker had, and find the other one all the same."""
    ports = [free_port(), free_port()]
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    folder = tmp_path / "kafka"
    (tmp_path / "daemons").mkdir()
    with ExitStack() as kafkas:
        first = kafkas.enter_context(LocalKafka(port=ports[0], folder=folder))
        with Job(Site(servers, program, tmp_path / "daemons"), 1) as job:
            send_load(job, 50)
            daemon = job.start()
            job.wait_for_lines(50)
            first.stop()
            daemon.wait_for_log(PROBLEM)
            kafkas.enter_context(LocalKafka(port=ports[1], folder=folder))
            send_load(job, 50, first=50)
            wait_until(lambda: job.committed_total() == 100, lambda: f"all done:\n{daemon.log}", 45)
            daemon.stop()
            assert_each_once(job, job.results(), {0: 100})
