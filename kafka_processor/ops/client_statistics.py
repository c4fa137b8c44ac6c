"""What matters of the statistics that the Kafka client tells of itself.

librdkafka's STATISTICS.md has the fields; times in there are microseconds.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec import Struct, field
from msgspec.json import Decoder

NO_PARTITION = "-1"
"""Under it the client has what belongs to no partition yet."""
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


class _Partition(Struct):
    ls_offset: int = -1
    fetchq_cnt: int = 0


class _Topic(Struct):
    partitions: dict[str, _Partition] = field(default_factory=dict)


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
        return sum(partition.fetchq_cnt for _, partition in self._partitions())

    def readable_ends(self) -> dict[int, int]:
        """By partition the offset up to which a read_committed reader may read now."""
        return {
            number: partition.ls_offset
            for number, partition in self._partitions()
            if partition.ls_offset >= 0
        }

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

    def _partitions(self) -> Iterator[tuple[int, _Partition]]:
        for topic in self.topics.values():
            for name, partition in topic.partitions.items():
                if name != NO_PARTITION:
                    yield int(name), partition


_decoder = Decoder(ClientStatistics)


def read_statistics(text: str) -> ClientStatistics:
    return _decoder.decode(text)
