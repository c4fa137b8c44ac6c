"""Who fenced us: another process with our INSTANCE_ID, or our own stale registration?

Another process ends this one. A stale registration is left when a broker dies in the middle of a
join: the group then has a member id that the client never received, and takes the client's next
request for that of a predecessor (KIP-345). It sends no heartbeats and commits nothing, so it is
gone after the session timeout.
"""

import time
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from kafka_processor.clients.client_config import connection_config, reader_config
from kafka_processor.clients.disposal import free_in_background
from kafka_processor.config import Settings

TIMEOUT: Final = 1.0
"""Seconds for one look; the loop waits meanwhile, and has nothing to process."""
SETTLED: Final = 1.0
"""Seconds after which no commit of our own can still be in flight."""
MARGIN: Final = 2.0
"""Seconds that the broker may take, beyond the session timeout, to forget a member."""


class Verdict(Enum):
    ANOTHER_PROCESS = "another process has our INSTANCE_ID"
    NOBODY = "nobody has it"
    OPEN = "not known yet"


class Fence:
    """`error`: the answer that fenced us. `partitions`: those that we owned until then."""

    def __init__(
        self, settings: Settings, client_log: Any, error: KafkaError, partitions: Iterable[int]
    ) -> None:
        self.error = error
        self._settings = settings
        self._partitions = [TopicPartition(settings.input_topic, p) for p in sorted(partitions)]
        own: dict[str, Any] = {"logger": client_log}
        self._admin = AdminClient(connection_config(settings) | own)
        group = {"group.id": settings.consumer_group}
        self._reader = Consumer(reader_config(settings) | group | own)
        self._began = time.monotonic()
        self._offsets: list[int] | None = None

    def close(self) -> None:
        """Frees both clients without waiting for them."""
        clients: list[Any] = [self._admin, self._reader]
        del self._admin, self._reader
        free_in_background(clients)

    @property
    def age(self) -> float:
        """Seconds."""
        return time.monotonic() - self._began

    def look(self) -> Verdict:
        """Raises KafkaException while no coordinator answers."""
        try:
            return self._look()
        except KafkaException:
            # A coordinator that comes back gives each member another session timeout.
            self._began = time.monotonic()
            raise

    def _look(self) -> Verdict:
        if not self._is_held():
            return Verdict.NOBODY
        if self.age < SETTLED:
            return Verdict.OPEN
        offsets = [p.offset for p in self._reader.committed(self._partitions, timeout=TIMEOUT)]
        has_moved = self._offsets is not None and offsets != self._offsets
        self._offsets = offsets
        is_alive = self.age > self._settings.session_timeout + MARGIN
        return Verdict.ANOTHER_PROCESS if has_moved or is_alive else Verdict.OPEN

    def _is_held(self) -> bool:
        group = self._settings.consumer_group
        [future] = self._admin.describe_consumer_groups([group], request_timeout=TIMEOUT).values()
        members = future.result().members
        return any(each.group_instance_id == self._settings.instance_id for each in members)
