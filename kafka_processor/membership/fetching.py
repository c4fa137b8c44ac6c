"""What is fetched of our partitions, and how a partition gets past what is unreadable.

A partition in which something cannot be read is not fetched until it is known how far that reaches
(`unreadable/partitions.py`); everything else continues.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import error_of, is_unreadable
from kafka_processor.config import Settings
from kafka_processor.membership.member_client import MemberClient
from kafka_processor.membership.positions import Positions
from kafka_processor.membership.trouble import Trouble
from kafka_processor.unreadable.batch_search import UnreadableRecord
from kafka_processor.unreadable.partitions import UnreadablePartitions


class Fetching:
    """The partitions that are ours and have a start offset."""

    def __init__(
        self, settings: Settings, trouble: Trouble, log: FilteringBoundLogger, client_log: Any
    ) -> None:
        self.owned: set[int] = set()
        self._trouble = trouble
        self._positions = Positions()
        self._unreadable = UnreadablePartitions(settings, log, client_log)

    def start(self, client: MemberClient, starts: Mapping[int, int]) -> bool:
        """Starts partitions, each at an offset; returns False if the client refuses for now."""
        if not self._fetch(client, starts):
            return False
        now = time.monotonic()
        for partition, offset in starts.items():
            self._positions.start(partition, offset, now)
        self.owned |= starts.keys()
        return True

    def _fetch(self, client: MemberClient, starts: Mapping[int, int]) -> bool:
        try:
            client.fetch(starts)
        except KafkaException as exception:
            self._trouble.complain("cannot read the input yet", error_of(exception))
            return False
        return True

    def stop(self, client: MemberClient, partitions: Collection[int]) -> None:
        """Stops partitions, of which some may not be owned.

        The client is called even if there is nothing to stop: in a revocation it would otherwise
        unassign by itself, also what is not assigned yet, and fail.
        """
        owned = self.owned.intersection(partitions)
        client.stop_fetching(owned - self._unreadable.partitions)
        self._unreadable.forget(owned)
        self.owned -= owned

    def forget_all(self) -> None:
        """The client that fetched is replaced."""
        self._unreadable.forget(self.owned)
        self.owned.clear()

    @property
    def is_searching(self) -> bool:
        """Whether there are partitions in which something cannot be read."""
        return self._unreadable.is_active

    def sort(
        self,
        client: MemberClient,
        messages: Iterable[Message],
        handle_error: Callable[[KafkaError, int | None], None],
    ) -> dict[int, list[Message]]:
        """Returns messages by partition. Errors among them are handled, or mark a partition."""
        by_partition: dict[int, list[Message]] = {}
        unreadable: dict[int, int] = {}
        """By partition, the number of messages before the first error of that kind."""
        for message in messages:
            if error := message.error():
                partition = message.partition()
                if is_unreadable(error) and partition is not None:
                    unreadable.setdefault(partition, len(by_partition.get(partition, ())))
                elif partition not in unreadable:
                    handle_error(error, partition)
                continue
            partition = message.partition()
            run = by_partition.get(partition)  # type: ignore[arg-type]
            if run is None:
                run = by_partition[partition] = []  # type: ignore[index]
            run.append(message)
        for partition, count in unreadable.items():
            # After a bad checksum the client resumes at a wrong place, and finds anything there.
            by_partition[partition] = by_partition.get(partition, [])[:count]
        # Some may have been revoked, or gone back, while the list was being filled.
        found = {p: run for p, run in by_partition.items() if run and p in self.owned}
        self._note_positions(client, found)
        for partition in unreadable.keys() & self._fetched:
            self._suspect(client, partition)
        return found

    def _note_positions(self, client: MemberClient, found: Mapping[int, Sequence[Message]]) -> None:
        now = time.monotonic()
        for partition, run in found.items():
            self._positions.move(partition, run[-1].offset() + 1, now)  # type: ignore[operator]
        for partition in self._positions.standing_still(self._fetched, now):
            if self._positions.is_suspect(partition, client.known_end(partition)):
                self._suspect(client, partition)

    @property
    def _fetched(self) -> Set[int]:
        if not self._unreadable.is_active:
            return self.owned
        return self.owned - self._unreadable.partitions

    def _suspect(self, client: MemberClient, partition: int) -> None:
        client.stop_fetching([partition])
        self._unreadable.suspect(partition, self._positions.next(partition))

    def hand_out(self, limit: int) -> dict[int, list[UnreadableRecord]]:
        """Returns stand-ins for records that cannot be read, by partition; searches for more."""
        return self._unreadable.hand_out(limit)

    def resume(self, client: MemberClient) -> None:
        """Fetches partitions again, behind what could not be read."""
        passed = dict(self._unreadable.passed)
        if passed and self._fetch(client, passed):
            now = time.monotonic()
            for partition, offset in passed.items():
                self._positions.move(partition, offset, now)
            self._unreadable.forget(passed)

    def expect_answers_of(self, size: int) -> None:
        """The client takes answers of so many bytes: what it can read must not look unreadable."""
        self._unreadable.room = size

    def expect_new_topic(self) -> None:
        """The input topic is another one now."""
        self._unreadable.forget_known_ends()

    def close(self) -> None:
        self._unreadable.close()
