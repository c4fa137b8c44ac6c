"""The group as a broker describes it: its members, and how much waits in each partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from kafka_processor.terminal.printable import printable

MAX_NAME: Final = 60
SHOWN: Final = 64
"""Rows of a table at most."""
STATES: Final = {
    "Stable": "stable",
    "PreparingRebalance": "rebalancing",
    "CompletingRebalance": "rebalancing",
    "Empty": "empty",
    "Dead": "gone",
}
"""What a broker calls the state of a group, in a word of ours."""
GONE: Final = "gone"
"""There is no such group, or none for us to see."""


@dataclass(frozen=True)
class Member:
    """`name`: its INSTANCE_ID or its client's id, and what the broker added to tell it apart."""

    name: str
    partitions: tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """`problem` says why it cannot be seen; empty if it can. Offsets are of the input topic."""

    state: str = ""
    """In a word: stable, rebalancing, empty, gone."""
    members: tuple[Member, ...] = ()
    committed: Mapping[int, int] = field(default_factory=dict)
    starts: Mapping[int, int] = field(default_factory=dict)
    """Of partitions without a committed offset."""
    ends: Mapping[int, int] = field(default_factory=dict)
    problem: str = ""

    def lags(self) -> dict[int, int]:
        """Messages by partition that wait; with what is not committed by their producer yet."""
        return {
            partition: max(end - self.committed.get(partition, self.starts.get(partition, end)), 0)
            for partition, end in self.ends.items()
        }


def assigned(assignment: bytes, topic: str) -> tuple[int, ...]:
    """The partitions of a topic in a member's assignment, as the protocol of consumers writes it:
    version, then by topic the numbers of its partitions. None of what is something else."""
    reader = _Reader(assignment)
    found: set[int] = set()
    try:
        reader.number(2)
        for _ in range(reader.number(4)):
            name = reader.take(reader.number(2))
            numbers = [reader.number(4) for _ in range(reader.number(4))]
            if name == topic.encode():
                found.update(numbers)
    except EOFError:
        return ()
    return tuple(sorted(found))


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        """Raises EOFError."""
        taken = self._data[self._at : self._at + max(size, 0)]
        if len(taken) != size:
            raise EOFError
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big", signed=True)


class PartitionRow(Struct, kw_only=True):
    partition: int
    member: str | None
    committed: int | None
    end: int
    lag: int
    received: int
    failed: int


class MemberRow(Struct, kw_only=True):
    name: str
    partitions: list[int]
    more_partitions: int
    lag: int


def partition_rows(
    group: Group, counted: Mapping[int, tuple[int, int]]
) -> tuple[list[PartitionRow], int]:
    """A row for each partition, and how many have none: those with the least lag.

    `counted`: received and failed messages by partition.
    """
    owners = {
        partition: printable(member.name, MAX_NAME)
        for member in group.members
        for partition in member.partitions
    }
    lags = group.lags()
    shown = sorted(sorted(lags), key=lambda each: -lags[each])[:SHOWN]
    rows = []
    for number in sorted(shown):
        received, failed = counted.get(number, (0, 0))
        rows.append(
            PartitionRow(
                partition=number,
                member=owners.get(number),
                committed=group.committed.get(number),
                end=group.ends[number],
                lag=lags[number],
                received=received,
                failed=failed,
            )
        )
    return rows, len(lags) - len(rows)


def member_rows(group: Group) -> tuple[list[MemberRow], int]:
    """A row for each member, and how many have none."""
    lags = group.lags()
    rows = [
        MemberRow(
            name=printable(member.name, MAX_NAME),
            partitions=list(member.partitions[:SHOWN]),
            more_partitions=max(len(member.partitions) - SHOWN, 0),
            lag=sum(lags.get(partition, 0) for partition in member.partitions),
        )
        for member in sorted(group.members, key=lambda each: (each.partitions[:1], each.name))
    ]
    return rows[:SHOWN], max(len(rows) - SHOWN, 0)
