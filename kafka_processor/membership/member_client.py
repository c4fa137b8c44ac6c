"""The client of the group's member, whose waits do not depend on the wall clock.

The client itself waits by the wall clock (`cnd_timedwait` of C11 has no other): stepped back by a
minute, that clock would hold each wait that is in progress for a minute.
"""

import time
from collections.abc import Collection, Mapping
from typing import Final

from confluent_kafka import Consumer, Message, TopicPartition

FIRST_LOOK: Final = 0.001
LAST_LOOK: Final = 0.005
"""Seconds between two looks for a message while there is none: the longer, the longer it lasts."""
WAKE_INTERVAL: Final = 1.0
"""Seconds after which the client's main thread is woken, far less than a session may be silent."""


class MemberClient:
    """One client; a member that the group will not have again gets another one."""

    def __init__(self, client: Consumer, topic: str) -> None:
        self.client = client
        self._topic = topic
        self._next_wake = 0.0

    def consume(self, limit: int, timeout: float) -> list[Message]:
        """Returns at most `limit` messages; waits up to `timeout` seconds for the first one."""
        began = time.monotonic()
        self._wake(began)
        messages = self.client.consume(limit, 0)
        while not messages and (waited := time.monotonic() - began) < timeout:
            time.sleep(min(max(waited / 4, FIRST_LOOK), LAST_LOOK, timeout - waited))
            messages = self.client.consume(limit, 0)
        return messages

    def _wake(self, now: float) -> None:
        """The thread that sends the heartbeats waits by the wall clock too, and would sleep through
        the session after a step back. Any question to it ends its wait."""
        if now >= self._next_wake:
            self._next_wake = now + WAKE_INTERVAL
            self.client.memberid()

    def fetch(self, starts: Mapping[int, int]) -> None:
        """Starts to fetch partitions, each from an offset. Raises KafkaException."""
        self.client.incremental_assign(
            [TopicPartition(self._topic, partition, offset) for partition, offset in starts.items()]
        )

    def stop_fetching(self, partitions: Collection[int]) -> None:
        self.client.incremental_unassign([TopicPartition(self._topic, p) for p in partitions])

    def known_end(self, partition: int) -> int:
        """The end of the partition, as far as the client knows it. Asks no broker."""
        fetched = TopicPartition(self._topic, partition)
        end: int = self.client.get_watermark_offsets(fetched, cached=True)[1]
        return end
