"""What the loop relies on at its two ends: the same tests for the fakes and for the real ones.

A subclass gives them a `world` (fixture): one input partition, and an output topic.
"""

import json
from collections.abc import Callable, Collection
from typing import Any, Protocol

import pytest
from confluent_kafka import KafkaException, TopicPartition

from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.ports import Input, Output
from kafka_processor.producer import BatchFailed
from tests.support.waiting import wait_until

COUNTS = '["counts"]'
WAIT = 0.05


class Listener:
    """Notes which partitions go."""

    def __init__(self) -> None:
        self.revoked: list[int] = []

    def on_revoke(self, partitions: Collection[int]) -> None:
        self.revoked += partitions

    def on_lost(self, partitions: Collection[int]) -> None: ...


class World(Protocol):
    input: Input
    output: Output
    input_topic: str
    output_topic: str

    def send(self, values: list[bytes]) -> None:
        """Writes messages to the input."""

    def visible(self) -> list[dict[str, Any]]:
        """The records in the output topic that a read_committed reader sees."""


class PortContract:
    def test_a_partition_waits_until_it_is_started(self, world: World) -> None:
        join(world)
        assert world.input.owned == frozenset()
        [start] = start_waiting(world)
        assert (start.partition, start.offset, start.committed) == (0, 0, None)
        assert world.input.owned == {0}
        assert not world.input.is_looking_up
        assert world.input.fenced_for == 0
        assert world.input.rewind_reason is None

    def test_messages_come_in_order_and_within_the_limit(self, world: World) -> None:
        world.send([b"0", b"1", b"2", b"3", b"4"])
        join(world)
        start_waiting(world)
        assert read(world, 5, limit=2) == [0, 1, 2, 3, 4]

    def test_a_batch_is_visible_and_committed_as_a_whole(self, world: World) -> None:
        world.send([b"0", b"1", b"2", b"3", b"4"])
        begin_work(world)
        assert read(world, 5) == [0, 1, 2, 3, 4]
        assert not world.output.is_committing
        produce(world, 1)
        assert world.visible() == []
        commit(world, 3)
        wait_until(lambda: world.visible() == [{"number": 1}], "the record")
        assert not world.output.is_committing

        world.input.rewind()
        assert world.input.owned == frozenset()
        [start] = start_waiting(world)
        assert (start.offset, start.committed) == (3, 3)
        assert (start.metadata or "").startswith(COUNTS)
        assert read(world, 2) == [3, 4]

    def test_a_batch_that_failed_leaves_nothing(self, world: World) -> None:
        begin_work(world)
        produce(world, 1)
        wait_until(lambda: succeeds(world.output.recover), "the recovery")
        produce(world, 2)
        commit(world, 0)
        wait_until(lambda: world.visible() != [], "the record")
        assert world.visible() == [{"number": 2}]

    def test_nothing_is_produced_before_the_start(self, world: World) -> None:
        with pytest.raises(BatchFailed):
            world.output.begin()

    def test_to_leave_revokes_what_is_ours(self, world: World) -> None:
        listener = join(world)
        start_waiting(world)
        world.input.close(5)
        assert listener.revoked == [0]


def join(world: World) -> Listener:
    listener = Listener()
    world.input.join(listener)

    def has_joined() -> bool:
        world.input.poll_messages(1, WAIT)
        return world.input.has_joined and world.input.is_looking_up

    wait_until(has_joined, "its partition")
    return listener


def start_waiting(world: World) -> list[StartOffset]:
    found: list[StartOffset] = []

    def is_started() -> bool:
        found.extend(world.input.start_waiting())
        return bool(found)

    wait_until(is_started, "a start offset")
    return found


def begin_work(world: World) -> None:
    join(world)
    start_waiting(world)
    wait_until(lambda: succeeds(world.output.start), "the start of the producer")


def succeeds(call: Callable[[], None]) -> bool:
    """Whether a call that may have to be repeated is done."""
    try:
        call()
    except KafkaException:
        return False
    return True


def read(world: World, count: int, limit: int = 10) -> list[int | None]:
    """Returns the offsets of that many messages."""
    offsets: list[int | None] = []

    def is_read() -> bool:
        found = world.input.poll_messages(limit, WAIT).get(0, [])
        assert len(found) <= limit
        offsets.extend(message.offset() for message in found)
        return len(offsets) >= count

    wait_until(is_read, f"{count} messages")
    return offsets


def produce(world: World, number: int) -> None:
    value = json.dumps({"number": number}).encode()
    world.output.begin()
    world.output.produce([(world.output_topic, None, value)])


def commit(world: World, offset: int) -> None:
    world.output.commit([TopicPartition(world.input_topic, 0, offset, metadata=COUNTS)])
    wait_until(lambda: world.output.wait(WAIT), "the end of the commit")
    world.output.finish()
