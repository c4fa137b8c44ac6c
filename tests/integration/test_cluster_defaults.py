"""A cluster whose defaults would spoil our topics, and which allows short transactions only."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    ConfigResource,
    ResourceType,
)

from dev.local_kafka import LocalKafka
from tests.support.job import Job, Site
from tests.support.load import assert_each_once, event
from tests.support.program import CHECK, STARTED

DEFAULTS = {
    "log.cleanup.policy": "compact",
    "log.message.timestamp.before.max.ms": "900",
    "log.message.timestamp.after.max.ms": "900",
    "message.max.bytes": "2000",
    "transaction.max.timeout.ms": "5000",
}
OF_OURS = {
    "cleanup.policy": "delete",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.after.max.ms": "3600000",
    "max.message.bytes": "1048588",
}


@pytest.fixture(scope="module")
def job(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    with LocalKafka(properties=DEFAULTS) as kafka:
        site = Site(kafka.bootstrap_servers, program, tmp_path_factory.mktemp("daemons"))
        with Job(site, None) as job:
            job.create_topic(job.input, 1, OF_OURS)
            job.partitions = 1
            yield job


def test_transaction_timeout_above_that_of_the_broker_ends_check_and_start(job: Job) -> None:
    settings = job.settings(TRANSACTION_TIMEOUT="6")
    for arguments in (CHECK, CHECK[:2]):
        daemon = job.launch(settings, arguments)
        assert daemon.wait() == 1
        assert STARTED not in daemon.stdout
        assert "TRANSACTION_TIMEOUT: 6 s" in daemon.log_lines[-1]
        assert "transaction.max.timeout.ms=5000" in daemon.log_lines[-1]


def test_topics_made_by_us_work(job: Job) -> None:
    for number in range(100):
        job.send(event(0, number))
    job.send(b"no JSON")
    job.flush()
    assert_each_once(job, job.run(101, TRANSACTION_TIMEOUT="5"), {0: 101})
    for name, topic in job.topics.items():
        expected = OF_OURS | ({"cleanup.policy": "compact"} if name == "summary" else {})
        [future] = job.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        found = {key: entry.value for key, entry in future.result(10).items() if key in expected}
        assert found == expected, topic


def test_topics_made_by_the_cluster_are_named(job: Job) -> None:
    """One that somebody has created with the defaults of the cluster."""
    job.create_topic(f"{job.input}-made", 1)
    settings = job.settings(TRANSACTION_TIMEOUT="5", METRICS_TOPIC=f"{job.input}-made")
    try:
        check = job.launch(settings, CHECK)
        assert check.wait() == 1
        for name in ("cleanup.policy", "before.max.ms", "after.max.ms"):
            assert name in check.log_lines[-1]
    finally:
        job.delete_topic(f"{job.input}-made")
