"""An orderly stop at a bad moment: what was read and not published is left to the next owner."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.faults.arena import RECOVERY_TIMEOUT, Arena
from tests.faults.conftest import MakeArena
from tests.support.waiting import wait_until

LATENCY = 0.15
"""Seconds in each direction."""


@contextmanager
def undecided_offset(arena: Arena, partition: int) -> Iterator[None]:
    """The group's offset there is part of an open transaction, as after a member was killed: the
    broker tells it to nobody (KIP-447)."""
    broker = {"bootstrap.servers": arena.cluster.servers, "log_level": 0}
    producer = Producer(broker | {"transactional.id": f"{arena.job.group}-other"})
    group = Consumer(broker | {"group.id": arena.job.group})
    producer.init_transactions(RECOVERY_TIMEOUT)
    producer.begin_transaction()
    producer.send_offsets_to_transaction(
        [TopicPartition(arena.job.input, partition, 0)],
        group.consumer_group_metadata(),
        RECOVERY_TIMEOUT,
    )
    try:
        yield
    finally:
        producer.abort_transaction(RECOVERY_TIMEOUT)
        group.close()


@pytest.mark.parametrize("delivery", ["exactly-once", "at-least-once"])
def test_while_a_partition_cannot_be_taken_up(arena_of: MakeArena, delivery: str) -> None:
    fault = f"stopped while an offset is undecided, {delivery}"
    with arena_of(fault, delivery=delivery, partitions=1) as arena:
        daemon = arena.start()
        arena.wait_for_output()
        arena.job.add_partitions(2)
        with undecided_offset(arena, 1):
            daemon.wait_for_log("cannot look up committed offsets yet")
            # Now nearly always a commit is under way, and there are messages behind it.
            arena.cluster.slow_down(LATENCY)
            arena.wait_for_any_moment()
            arena.begin_fault()
            daemon.stop()
            arena.cluster.slow_down(0)
        arena.load.take_up_partitions(2)
        arena.start()
        arena.end_fault()


def test_while_partitions_are_taken_away(arena_of: MakeArena, kills: int) -> None:
    """The rebalance comes in while the stop waits for the answer to its last commit."""
    with arena_of("stopped in a rebalance, at-least-once", delivery="at-least-once") as arena:
        daemon = arena.start()
        for _ in range(kills):
            arena.wait_for_output()
            other = arena.launch()
            other.wait_for_log("starting")
            arena.cluster.slow_down(LATENCY)
            wait_until(
                lambda: arena.job.group_state() == "COMPLETING_REBALANCING", "a rebalance under way"
            )
            arena.begin_fault()
            daemon.stop()
            arena.cluster.slow_down(0)
            arena.end_fault()
            daemon = other
