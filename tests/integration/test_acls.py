"""Each part works with exactly the rights that docs/threat-model.md lists."""

from collections.abc import Iterator

import pytest

from dev.local_kafka import LocalKafka
from kafka_processor.replay.sending import transactional_id
from tests.support.acls import bindings, rights_of
from tests.support.audits import run_audit
from tests.support.dashboards import Dashboard
from tests.support.job import Job, Site
from tests.support.load import send_load
from tests.support.program import CHECK, PROJECT_FOLDER, copy_program
from tests.support.replays import REPLAY

LOGIN = "LOGIN"
INSTANCE = "node-1"
TAILS = (
    "verify_processed_output.py",
    "verify_processed_errors.py",
    "verify_cleaned_data.py",
    "verify_summary_data.py",
    "verify_metrics.py",
)
USERS = ("processor", "auditor", "replayer", "viewer", "reader", "nobody")
MESSAGES = 20


@pytest.fixture(scope="module")
def kafka() -> Iterator[LocalKafka]:
    """What no rule allows is denied; the plain listener may do anything."""
    users = " ".join(f'user_{user}="{user}-password"' for user in USERS)
    name = f"listener.name.{LOGIN.lower()}"
    properties = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        f"{name}.sasl.enabled.mechanisms": "PLAIN",
        f"{name}.plain.sasl.jaas.config": (
            f"org.apache.kafka.common.security.plain.PlainLoginModule required {users};"
        ),
    }
    with LocalKafka(extra_listeners={LOGIN: "SASL_PLAINTEXT"}, properties=properties) as kafka:
        yield kafka


class Guarded(Job):
    """A job whose parts log in, and may do what the page says."""

    def __init__(self, kafka: LocalKafka, site: Site, partitions: int | None = 1) -> None:
        super().__init__(site, partitions)
        self._login_servers = kafka.servers_of(LOGIN)
        self.partitions = 1
        self._names = {
            "INPUT_TOPIC": self.input,
            "CONSUMER_GROUP": self.group,
            "<CONSUMER_GROUP>/<INSTANCE_ID>": f"{self.group}/{INSTANCE}",
            "kafka-processor-<INPUT_TOPIC>:replay": transactional_id(self.input),
        } | {f"{name.upper()}_TOPIC": topic for name, topic in self.topics.items()}

    def grant(self, user: str, *parts: str) -> None:
        rights = bindings(user, rights_of(*parts), self._names)
        for created in self.admin.create_acls(rights).values():
            created.result(10)

    def as_user(self, user: str, **settings: str) -> dict[str, str]:
        return self.settings(
            KAFKA_BOOTSTRAP_SERVERS=self._login_servers,
            KAFKA_SECURITY_PROTOCOL="SASL_PLAINTEXT",
            KAFKA_SASL_MECHANISM="PLAIN",
            KAFKA_SASL_USERNAME=user,
            KAFKA_SASL_PASSWORD=f"{user}-password",
            **settings,
        )


@pytest.fixture(scope="module")
def site(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Site:
    program = copy_program(tmp_path_factory.mktemp("program"))
    return Site(kafka.bootstrap_servers, program, tmp_path_factory.mktemp("daemons"))


@pytest.mark.parametrize("create", ["none", "outputs", "all"])
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_the_daemon(kafka: LocalKafka, site: Site, delivery: str, create: str) -> None:
    with (job := Guarded(kafka, site, None if create == "all" else 1)):
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
        assert not daemon.lines_with("permission|AUTHORIZATION"), daemon.log
        results = job.results()
        assert len(results.processed) + len(results.cleaned) == len(results.lines) == MESSAGES
        assert results.summary, daemon.log


def test_those_who_read(kafka: LocalKafka, site: Site) -> None:
    with (job := Guarded(kafka, site)):
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
