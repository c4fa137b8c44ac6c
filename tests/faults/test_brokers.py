"""Three brokers with replication 3: one after the other, and all at once, are killed."""

import resource
from collections.abc import Iterator

import pytest

from dev.local_kafka import Broker
from tests.faults.arena import Arena
from tests.faults.cluster import Cluster, run_cluster, wait_for_full_replication
from tests.faults.conftest import LONG_AT_LEAST_ONCE, MakeArena
from tests.support.waiting import wait_until

ONE_FILE_MAY_HOLD = 1000
"""Bytes, less than the files of a broker have already: each write to them fails."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Three brokers, for no longer than they are needed."""
    with run_cluster(3) as cluster:
        yield cluster


def kill_and_restart(arena: Arena, broker: Broker) -> None:
    """The work goes on without it, and when it comes back."""
    arena.begin_fault()
    broker.kill()
    arena.end_fault()
    broker.start()
    wait_for_full_replication(arena.cluster)


@pytest.mark.parametrize("instance", ["with", pytest.param("without", marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "role",
    [
        "group coordinator",
        pytest.param("transaction coordinator", marks=pytest.mark.long),
        pytest.param("controller", marks=pytest.mark.long),
    ],
)
def test_broker_of_some_role_is_killed(arena_of: MakeArena, role: str, instance: str) -> None:
    settings = {"INSTANCE_ID": "one"} if instance == "with" else {}
    with arena_of(f"broker killed: {role}, {instance} INSTANCE_ID") as arena:
        arena.start(**settings)
        arena.wait_for_output()
        cluster = arena.cluster
        if role == "group coordinator":
            broker = cluster.group_coordinator(arena.job.group)
        elif role == "transaction coordinator":
            broker = cluster.transaction_coordinator(arena.transactional_id())
        else:
            broker = cluster.controller()
        kill_and_restart(arena, broker)


@pytest.mark.long
@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_each_broker_is_killed_in_turn(arena_of: MakeArena, delivery: str) -> None:
    """So each coordinator and the controller are among them."""
    fault = f"broker killed, each of three in turn, {delivery}"
    with arena_of(fault, delivery=delivery) as arena:
        arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        for broker in arena.cluster.kafka.brokers:
            arena.wait_for_any_moment()
            kill_and_restart(arena, broker)


@pytest.mark.parametrize("delivery", ["exactly-once", LONG_AT_LEAST_ONCE])
def test_all_brokers_are_killed_at_once(arena_of: MakeArena, delivery: str) -> None:
    """Measured from the moment when the last of them answers again."""
    fault = f"all three brokers killed at once, {delivery}"
    with arena_of(fault, delivery=delivery) as arena:
        arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        for broker in arena.cluster.kafka.brokers:
            broker.kill()
        arena.cluster.kafka.start()
        arena.begin_fault()
        arena.end_fault()


@pytest.mark.long
def test_rolling_restart(arena_of: MakeArena) -> None:
    """Two members, each broker stopped cleanly."""
    with arena_of("brokers restarted one after the other") as arena:
        arena.start()
        arena.start()
        arena.wait_for_output()
        for broker in arena.cluster.kafka.brokers:
            arena.begin_fault()
            broker.stop()
            arena.end_fault()
            broker.start()
            wait_for_full_replication(arena.cluster)


def test_disk_of_a_broker_is_full(arena_of: MakeArena) -> None:
    """Every write of the broker fails, by a limit on the size of its files (its own log too, so
    that says nothing): it gives up its data folder, and itself, and the others take over."""
    with arena_of("disk of a broker full") as arena:
        arena.start(INSTANCE_ID="one")
        arena.wait_for_output()
        broker = arena.cluster.transaction_coordinator(arena.transactional_id())
        arena.begin_fault()
        limit = (ONE_FILE_MAY_HOLD, resource.RLIM_INFINITY)
        resource.prlimit(broker.pid, resource.RLIMIT_FSIZE, limit)
        wait_until(lambda: not broker.is_running, "the end of the broker")
        assert broker.exit_code == 1, "it was not Kafka itself that ended it"
        arena.end_fault()
        broker.start()
        wait_for_full_replication(arena.cluster)
