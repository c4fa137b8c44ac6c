"""Members that join, leave, are killed and are frozen, while the work goes on."""

import sys
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from tests.faults.arena import SESSION_TIMEOUT, Arena
from tests.faults.conftest import LONG_AT_LEAST_ONCE, MakeArena
from tests.faults.threads import stopped_while_busy
from tests.support.waiting import wait_until

CHANGE_TIMEOUT = 45.0


def wait_for_members(arena: Arena, count: int) -> None:
    arena.job.wait_for_shares(count, CHANGE_TIMEOUT)
    arena.end_fault()


@pytest.mark.parametrize("delivery", ["exactly-once", LONG_AT_LEAST_ONCE])
def test_from_one_to_three_to_two_to_five_to_one(arena_of: MakeArena, delivery: str) -> None:
    """By starting, stopping and killing members; each change counts as a fault."""
    fault = f"members join, leave and are killed, {delivery}"
    with arena_of(fault, delivery=delivery, partitions=8) as arena:
        members = [arena.start()]
        arena.wait_for_output()

        arena.begin_fault()
        members += [arena.launch(), arena.launch()]
        wait_for_members(arena, 3)

        arena.begin_fault()
        members.pop(0).stop()
        wait_for_members(arena, 2)

        arena.begin_fault()
        members += [arena.launch() for _ in range(3)]
        wait_for_members(arena, 5)

        arena.begin_fault()
        members.pop(0).kill()
        for _ in range(3):
            members.pop(0).stop()
        wait_for_members(arena, 1)


def test_frozen_for_longer_than_its_session(arena_of: MakeArena) -> None:
    """Others have its partitions when it wakes up: it writes nothing, and is a member again."""
    with arena_of("frozen beyond the session timeout, without INSTANCE_ID") as arena:
        first, _ = arena.start(), arena.start()
        arena.job.wait_for_shares(2)
        arena.wait_for_output()
        arena.begin_fault()
        with first.frozen():
            wait_for_members(arena, 1)
        arena.begin_fault()
        wait_for_members(arena, 2)
        assert first.lines_with("lost|given up"), first.log


def test_frozen_alone(arena_of: MakeArena) -> None:
    """The broker has forgotten it, and its open transaction is ended by nobody but itself."""
    with arena_of("frozen beyond the session timeout, alone, with INSTANCE_ID") as arena:
        daemon = arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        with daemon.frozen():
            arena.wait_for_empty_group()
            arena.begin_fault()
        arena.end_fault()


def test_frozen_and_replaced(arena_of: MakeArena) -> None:
    """A zombie wakes up beside its successor: it ends, with the reason, and writes nothing.

    The session is long: after its end the zombie would join anew, and shut out the successor.
    """
    settings = {"INSTANCE_ID": "one", "SESSION_TIMEOUT": "10"}
    with arena_of("frozen and replaced under its INSTANCE_ID") as arena:
        zombie = arena.start(**settings)
        arena.wait_for_output()
        arena.wait_for_any_moment()
        arena.begin_fault()
        with zombie.frozen():
            arena.launch(**settings)
            arena.end_fault()
        assert zombie.wait() == 1
        assert "INSTANCE_ID" in zombie.log_lines[-1], zombie.log


@pytest.mark.skipif(sys.platform != "linux", reason="a single thread can be stopped on Linux only")
def test_loop_that_does_not_poll(arena_of: MakeArena, tmp_path: Path) -> None:
    """Only the loop stands still, and the client goes on sending heartbeats: it leaves the group
    by itself after `max.poll.interval.ms`."""
    properties = tmp_path / "client.properties"
    properties.write_text(f"max.poll.interval.ms={SESSION_TIMEOUT}000\n")
    with arena_of("max.poll.interval exceeded") as arena:
        daemon = arena.start(
            KAFKA_PROPERTIES_FILE=str(properties),
            SESSION_TIMEOUT="3",
            ALLOW_CORE_DUMPS="true",  # else only root may stop its threads
        )
        arena.wait_for_output()
        with stopped_while_busy(daemon.process.pid):
            arena.wait_for_empty_group()
            arena.begin_fault()
        arena.end_fault()
        daemon.wait_for_log("MAX_POLL_EXCEEDED")


def test_fenced_by_its_own_shadow(arena_of: MakeArena) -> None:
    """As after a broker that died in the middle of a join: another member id has the INSTANCE_ID,
    and it is no process's. It joins again once that is forgotten, and stays the same process."""
    with arena_of("shut out of the group under its own INSTANCE_ID") as arena:
        daemon = arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        leave_a_shadow(arena, "one")
        arena.begin_fault()
        daemon.wait_for_log("lost track")
        arena.end_fault()
        assert daemon.is_running, daemon.log


def leave_a_shadow(arena: Arena, instance_id: str) -> None:
    """Joins as that member, and ends without leaving: as static members do."""
    shadow = Consumer(
        {
            "bootstrap.servers": arena.cluster.servers,
            "group.id": arena.job.group,
            "group.instance.id": instance_id,
            "session.timeout.ms": int(SESSION_TIMEOUT) * 1000,
            "partition.assignment.strategy": "cooperative-sticky",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )
    try:
        shadow.subscribe([arena.job.input])
        wait_until(lambda: shadow.poll(0.1) is not None, "a message for the shadow")
    finally:
        shadow.close()
