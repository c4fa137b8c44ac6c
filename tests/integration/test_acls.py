"""Each part works with exactly the rights that docs/threat-model.md lists."""

from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
)

from kafka_processor.replay.sending import transactional_id
from tests.faults.cluster import Cluster
from tests.support.acls import bindings, rights_of
from tests.support.audits import run_audit
from tests.support.dashboards import Dashboard
from tests.support.job import Job, Site
from tests.support.load import send_load
from tests.support.program import CHECK, PROJECT_FOLDER, STARTED
from tests.support.replays import REPLAY

INSTANCE = "node-1"
TAILS = (
    "verify_processed_output.py",
    "verify_processed_errors.py",
    "verify_cleaned_data.py",
    "verify_summary_data.py",
    "verify_metrics.py",
)
MESSAGES = 20


class Guarded(Job):
    """A job whose parts log in, and may do what the page says."""

    def __init__(self, cluster: Cluster, site: Site, partitions: int | None = 1) -> None:
        super().__init__(site, partitions)
        self._cluster = cluster
        self.partitions = 1
        self.names = {
            "INPUT_TOPIC": self.input,
            "CONSUMER_GROUP": self.group,
            "<CONSUMER_GROUP>/<INSTANCE_ID>": f"{self.group}/{INSTANCE}",
            "kafka-processor-<INPUT_TOPIC>:replay": transactional_id(self.input),
        } | {f"{name.upper()}_TOPIC": topic for name, topic in self.topics.items()}

    def grant(self, user: str, *parts: str) -> None:
        self.grant_all(bindings(user, rights_of(*parts), self.names))

    def grant_all(self, rights: list[AclBinding]) -> None:
        for created in self.admin.create_acls(rights).values():
            created.result(10)

    def as_user(self, user: str, **settings: str) -> dict[str, str]:
        return self.settings(**self._cluster.login(user), **settings)


@pytest.fixture
def site(cluster: Cluster, program: Path, tmp_path: Path) -> Site:
    return Site(cluster.servers, program, tmp_path)


@pytest.mark.parametrize("create", ["none", "outputs", "all"])
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_the_daemon(cluster: Cluster, site: Site, delivery: str, create: str) -> None:
    with (job := Guarded(cluster, site, None if create == "all" else 1)):
        if create == "none":
            for name, topic in job.topics.items():
                job.create_topic(
                    topic, 1, {"cleanup.policy": "compact"} if name == "summary" else {}
                )
        parts = ["daemon", *([f"CREATE_TOPICS={create}"] if create != "none" else [])]
        if delivery == "exactly-once":
            parts.append("DELIVERY=exactly-once")
        job.grant("processor", *parts)
        settings = job.as_user(
            "processor", DELIVERY=delivery, CREATE_TOPICS=create, INPUT_PARTITIONS="1",
            INSTANCE_ID=INSTANCE, SUMMARY_PUBLISH_INTERVAL="1",
        )  # fmt: skip
        if delivery == "exactly-once":
            check = job.launch(settings, CHECK)
            assert check.wait() == 0, check.log
        daemon = job.launch(settings).wait_for_start()
        send_load(job, MESSAGES)
        job.wait_for_lines(MESSAGES)
        daemon.stop()
        assert not daemon.lines_with("permission|AUTHORIZATION|processor-password"), daemon.log
        results = job.results()
        assert len(results.processed) + len(results.cleaned) == len(results.lines) == MESSAGES
        assert results.summary, daemon.log


def test_a_wrong_password_ends_the_start_with_one_line(cluster: Cluster, site: Site) -> None:
    with (job := Guarded(cluster, site)):
        daemon = job.launch(job.as_user("processor") | {"KAFKA_SASL_PASSWORD": "a-wrong-password"})
        assert daemon.wait(10) == 1
        assert "a-wrong-password" not in daemon.log
        assert daemon.lines_with("authenticat|login|credential|password")
        assert STARTED not in daemon.stdout


def test_check_names_the_topic_that_may_not_be_created(cluster: Cluster, site: Site) -> None:
    with (job := Guarded(cluster, site)):
        rights = bindings("processor", rights_of("daemon", "CREATE_TOPICS=outputs"), job.names)
        errors = job.topics["errors"]
        missing = (errors, AclOperation.CREATE)
        job.grant_all([each for each in rights if (each.name, each.operation) != missing])
        check = job.launch(job.as_user("processor", DELIVERY="at-least-once"), CHECK)
        assert check.wait() == 1
        assert errors in check.log_lines[-1]
        assert job.existing_topics() == {job.input}


def test_transactional_id_of_others(cluster: Cluster, site: Site) -> None:
    """A check does not take the id that may be in use, and says so where it may not try another."""
    with (job := Guarded(cluster, site)):
        job.grant("processor", "daemon", "CREATE_TOPICS=outputs")
        settings = job.as_user("processor", INSTANCE_ID=INSTANCE)
        own = f"{job.group}/{INSTANCE}"
        check = job.launch(settings, CHECK)
        assert check.wait() == 0, check.log
        line = check.stdout.splitlines()[-1]
        assert f"WRITE on transactional id {own}:check" in line
        assert line.endswith(own)

        start = job.launch(settings)
        assert start.wait() == 1
        assert f"WRITE on transactional id {own} " in start.log_lines[-1]


def test_those_who_read(cluster: Cluster, site: Site) -> None:
    with (job := Guarded(cluster, site)):
        daemon = job.start()
        send_load(job, MESSAGES)
        job.send_all([b"{}", b"no JSON"])
        job.wait_for_lines(MESSAGES + 2)
        daemon.stop()
        _look_at_the_audit(job)
        _look_at_the_tails(job)
        _look_at_the_replay(job)
        _look_at_the_dashboard(job)


def _look_at_the_audit(job: Guarded) -> None:
    assert run_audit(job.as_user("auditor"), "--json").code != 0, "without any right"
    job.grant("auditor", "audit")
    audited = run_audit(job.as_user("auditor"), "--json")
    assert audited.code == 0, audited.stdout + audited.stderr
    assert str(MESSAGES + 2) in str(audited.verdict), audited.verdict


def _look_at_the_tails(job: Guarded) -> None:
    for script in TAILS:
        job.grant("reader", script)
        path = str(PROJECT_FOLDER / "verify" / script)
        arguments = (path, "--json", "--from-beginning", "--max-messages", "1", "--timeout", "1")
        tail = job.launch(job.as_user("reader"), arguments)
        assert tail.wait() == 0, tail.log
        assert tail.stdout.count("\n") == 1, (script, tail.log)


def _look_at_the_replay(job: Guarded) -> None:
    job.grant("replayer", "replay")
    command = (*REPLAY, "--outcome", "missing_field")
    shown = job.launch(job.as_user("replayer"), command)
    assert shown.wait() == 0, shown.log
    refused = job.launch(job.as_user("replayer"), (*command, "--send"))
    assert refused.wait() == 1, "a dry run's rights do not do to send"
    job.grant("replayer", "replay --send")
    sent = job.launch(job.as_user("replayer"), (*command, "--send"))
    assert sent.wait() == 0, sent.log
    assert job.committed_total() == MESSAGES + 2


def _look_at_the_dashboard(job: Guarded) -> None:
    job.grant("viewer", "dashboard")
    dashboard = Dashboard(job, **job.as_user("viewer"))
    dashboard.wait_for(
        lambda shown: (
            shown["received"] == MESSAGES + 2
            and shown["latest_errors"]
            and shown["partitions"]
            and not shown["trouble"]
        )
    )
    dashboard.process.stop()
