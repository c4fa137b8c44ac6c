"""What matters of the statistics that the Kafka client tells of itself.

librdkafka's STATISTICS.md has the fields; times in there are microseconds.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.json import Decoder

BOOTSTRAP = -1
"""The node id of an address whose broker is not known yet."""


class _Times(Struct):
    avg: int = 0
    p99: int = 0


class _Broker(Struct):
    nodeid: int = BOOTSTRAP
    state: str = ""
    rtt: _Times = field(default_factory=_Times)
    txerrs: int = 0
    rxerrs: int = 0
    req_timeouts: int = 0
    disconnects: int = 0


class InputPartition(Struct):
    hi_offset: int = -1
    """The end of the partition; negative: not known yet."""
    next_offset: int = -1
    """Where the client fetches next."""
    app_offset: int = -1
    """Where what the loop has polled ends, transaction markers and aborted records included;
    negative: it has polled nothing yet."""
    fetchq_cnt: int = 0
    leader: int = BOOTSTRAP
    desired: bool = False
    """Whether the client fetches it."""

    def lag(self, position: int, *, is_all_committed: bool) -> int | None:
        """Returns the messages from `position`, our own, to the end; None: the end is not known.

        `is_all_committed`: every message that the loop has polled. Then what lies between our
        position and the client's holds no message: transaction markers, aborted records.
        """
        if self.hi_offset < 0:
            return None
        if is_all_committed:
            if self.next_offset >= self.hi_offset and not self.fetchq_cnt:
                return 0
            position = max(position, self.app_offset)
        return max(self.hi_offset - position, 0)


class _Topic(Struct):
    partitions: dict[str, InputPartition] = field(default_factory=dict)


class _Group(Struct):
    state: str = ""
    rebalance_cnt: int = 0


class BrokerFigures(NamedTuple):
    node: int
    is_up: bool
    average_seconds: float
    """Of a request to its answer."""
    p99_seconds: float
    errors: int
    """Requests that failed or were not answered in time."""
    disconnects: int


class ClientStatistics(Struct):
    type: str
    """`consumer` or `producer`."""
    msg_cnt: int = 0
    msg_size: int = 0
    brokers: dict[str, _Broker] = field(default_factory=dict)
    topics: dict[str, _Topic] = field(default_factory=dict)
    cgrp: _Group = field(default_factory=_Group)

    def queued_messages(self) -> int:
        """Fetched and not polled yet, or produced and not acknowledged yet."""
        if self.type == "producer":
            return self.msg_cnt
        return sum(partition.fetchq_cnt for partition in self.partitions().values())

    def known_brokers(self) -> Iterator[BrokerFigures]:
        for broker in self.brokers.values():
            if broker.nodeid != BOOTSTRAP:
                yield BrokerFigures(
                    broker.nodeid,
                    broker.state == "UP",
                    broker.rtt.avg / 1e6,
                    broker.rtt.p99 / 1e6,
                    broker.txerrs + broker.rxerrs + broker.req_timeouts,
                    broker.disconnects,
                )

    def partitions(self) -> dict[int, InputPartition]:
        """Those that the consumer fetches: it also knows topics that it was only asked about.

        Without those whose leader is away: their ends are not known then, and stand still.
        """
        up = {broker.node for broker in self.known_brokers() if broker.is_up}
        return {
            int(name): partition
            for topic in self.topics.values()
            for name, partition in topic.partitions.items()
            if partition.desired and partition.leader in up
        }


_decoder = Decoder(ClientStatistics)


def read_statistics(text: str) -> ClientStatistics:
    return _decoder.decode(text)
