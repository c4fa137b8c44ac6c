"""What is no crash: the process waits, says why, and goes on when it can."""

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    ResourceType,
)

from tests.faults.account import records_by_message
from tests.faults.arena import Arena
from tests.faults.conftest import MakeArena
from tests.support.acls import allow

USER = "processor"


def test_partitions_are_added_to_the_input(arena_of: MakeArena) -> None:
    """Two members notice them, and read them from their beginning."""
    with arena_of("partitions added to the input") as arena:
        arena.start()
        arena.start()
        arena.wait_for_output()
        arena.begin_fault()
        arena.job.add_partitions(6)
        arena.load.take_up_partitions(6)
        arena.end_fault()


def test_output_topic_is_deleted_and_made_again(arena_of: MakeArena) -> None:
    """While it is gone nothing is published and no offset moves; nothing is lost but the topic."""
    with arena_of("output topic deleted and made again") as arena:
        daemon = arena.start()
        arena.wait_for_output()
        job, topic = arena.job, arena.job.topics["processed"]
        with arena.load.paused():
            arena.wait_until_done()
            arena.deleted.update(records_by_message(job, topic))
            job.delete_topic(topic)
        daemon.wait_for_log("batch given up")
        arena.wait_for_standstill()
        assert daemon.is_running
        arena.begin_fault()
        job.create_topic(topic, 4)
        arena.end_fault()


def all_rights(arena: Arena) -> dict[str, list[AclBinding]]:
    """What docs/contract.md's process needs, by a name for each."""
    job = arena.job
    outputs = [
        right
        for topic in job.topics.values()
        for right in allow(USER, ResourceType.TOPIC, topic, AclOperation.WRITE)
    ]
    return {
        "read the input": allow(USER, ResourceType.TOPIC, job.input, AclOperation.READ),
        "write outputs": outputs,
        "use the group": allow(USER, ResourceType.GROUP, job.group, AclOperation.READ),
        "use the transactional id": allow(
            USER, ResourceType.TRANSACTIONAL_ID, f"{job.group}/one", AclOperation.WRITE
        ),
    }


@pytest.mark.parametrize(
    "right", ["read the input", "write outputs", "use the group", "use the transactional id"]
)
def test_permission_is_taken_away_and_given_back(arena_of: MakeArena, right: str) -> None:
    with arena_of(f"permission taken away and given back: {right}") as arena:
        arena.start().stop()  # creates the topics, which this user may not
        rights = all_rights(arena)
        arena.change_acls(grant=[each for some in rights.values() for each in some])
        daemon = arena.launch(INSTANCE_ID="one", **arena.cluster.login(USER)).wait_for_start()
        arena.wait_for_output()
        arena.change_acls(revoke=rights[right])
        daemon.wait_for_log("AUTHORIZATION_FAILED")
        arena.wait_for_standstill()
        assert daemon.is_running
        arena.begin_fault()
        arena.change_acls(grant=rights[right])
        arena.end_fault()
