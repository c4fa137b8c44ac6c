"""The partitions whose next record cannot be read, and how they get past it.

Such a partition is not fetched while a second client searches for the end of what cannot be read;
everything else continues. What the second client cannot read either is replaced by stand-ins. An
error that does not come again does no harm.
"""

from collections.abc import Collection, Set
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.config import Settings
from kafka_processor.timing import Deadline
from kafka_processor.unreadable.batch_search import BatchSearch, UnreadableBatch, UnreadableRecord
from kafka_processor.unreadable.probing import Probe, Undecided

PAUSE: Final = 2.0
"""Seconds before a search that was not possible is begun again."""
MAX_KNOWN: Final = 10_000
"""Batches that are remembered, for a partition that goes back to what is committed."""


class _Suspect:
    """A partition in which something cannot be read at `position`, or just behind it."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.batch: UnreadableBatch | None = None
        """What is being handed out; None: its end is still to be searched."""


class _Search(NamedTuple):
    partition: int
    search: BatchSearch
    probe: Probe


class UnreadablePartitions:
    def __init__(self, settings: Settings, log: FilteringBoundLogger, client_log: Any) -> None:
        self._settings = settings
        self._log = log
        self._client_log = client_log
        self._suspects: dict[int, _Suspect] = {}
        self._search: _Search | None = None
        """One at a time."""
        self._probe: Probe | None = None
        self._pause = Deadline(0)
        self._known_ends: dict[int, dict[str, int]] = {}
        """By partition, of batches by the reason why they cannot be read, which names them."""
        self.room: int | None = None
        """Bytes of an answer that the member takes, if more than configured: what it can read must
        not look unreadable."""
        self.passed: dict[int, int] = {}
        """Partitions that can be fetched again, and from which offset on; `forget` them then."""

    @property
    def partitions(self) -> Set[int]:
        """Those that are not to be fetched now."""
        return self._suspects.keys() | self.passed.keys()

    @property
    def is_active(self) -> bool:
        """Whether there is anything to do."""
        return bool(self._suspects or self.passed or self._probe)

    def suspect(self, partition: int, position: int) -> None:
        """Something cannot be read at `position`, the next offset to be read, or just behind it."""
        self._suspects[partition] = _Suspect(position)

    def forget(self, partitions: Collection[int]) -> None:
        """They are not ours any more, are fetched again, or go back to what is committed."""
        for partition in partitions:
            self._suspects.pop(partition, None)
            self.passed.pop(partition, None)
        if self._search and self._search.partition in partitions:
            self._search = None

    def forget_known_ends(self) -> None:
        """The input topic is another one now."""
        self._known_ends.clear()

    def hand_out(self, limit: int) -> dict[int, list[UnreadableRecord]]:
        """Stand-ins by partition, in order, at most `limit`; searches for more without waiting.

        A broker that does not answer holds it up for a second.
        """
        found: dict[int, list[UnreadableRecord]] = {}
        for partition, suspect in self._suspects.items():
            if suspect.batch and limit > 0:
                found[partition] = suspect.batch.records(suspect.position, limit)
                limit -= len(found[partition])
                suspect.position = found[partition][-1].at + 1
                if suspect.position >= suspect.batch.end:
                    suspect.batch = None
        self._continue_search()
        return found

    def close(self) -> None:
        self.forget(self.partitions)
        self._close_probe()

    def _close_probe(self) -> None:
        if self._probe:
            self._probe.close()
            self._probe = None

    def _continue_search(self) -> None:
        if not self._pause.has_passed:
            return
        try:
            self._search = self._search or self._new_search()
            if self._search:
                self._search_on(self._search)
        except (KafkaException, Undecided):
            # As while a broker is away, which the consumer logs. Others have their turn first.
            self._pause = Deadline(PAUSE)
            self._close_probe()
            self._search = None

    def _new_search(self) -> _Search | None:
        """For the partition that has waited longest."""
        waiting = (number for number, each in self._suspects.items() if each.batch is None)
        if (partition := next(waiting, None)) is None:
            if not self._suspects:
                self._close_probe()
            return None
        if self._probe is None:
            self._probe = Probe(
                self._settings, self._settings.input_topic, self._client_log, self.room
            )
        self._suspects[partition] = self._suspects.pop(partition)  # others have their turn first
        start, end = self._suspects[partition].position, self._probe.end_of(partition)
        search = BatchSearch(start, end, self._known_ends.setdefault(partition, {}))
        self._look_or_end(begun := _Search(partition, search, self._probe))
        return begun if search.offset is not None else None

    def _search_on(self, search: _Search) -> None:
        asked = search.search.offset
        if asked is not None and (answer := search.probe.answer()):
            search.search.take(asked, answer)
            self._look_or_end(search)

    def _look_or_end(self, search: _Search) -> None:
        if (offset := search.search.offset) is not None:
            search.probe.look(search.partition, offset)
            return
        self._search = None
        suspect = self._suspects.pop(search.partition)
        batch = search.search.found()
        if batch is None:
            self.passed[search.partition] = suspect.position
            return
        self._suspects[search.partition] = suspect  # the last one now
        suspect.position, suspect.batch = batch.first, batch
        self._note(search.partition, batch)

    def _note(self, partition: int, batch: UnreadableBatch) -> None:
        known_ends = self._known_ends[partition]
        if known_ends.get(batch.reason) == batch.end:
            return
        if len(known_ends) >= MAX_KNOWN:
            known_ends.clear()
        known_ends[batch.reason] = batch.end
        self._log.warning(
            "records cannot be read: each of their offsets gets a parse_error",
            partition=partition,
            first_offset=batch.first,
            last_offset=batch.end - 1,
            resumes_at=batch.end,
            reason=batch.reason,
        )
