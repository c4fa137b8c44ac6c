"""Suspected partitions have their turn, also beside one of which nothing can be asked."""

from typing import Any, ClassVar

import pytest
from confluent_kafka import KafkaError, KafkaException

from kafka_processor.config import load_settings
from kafka_processor.unreadable import partitions as unreadable_partitions
from kafka_processor.unreadable.batch_search import Answer, Failed, Readable
from kafka_processor.unreadable.partitions import UnreadablePartitions
from tests.support.told import ToldLog


class LeaderAway:
    """A probe (our own seam) that partition 0 has no leader for; of the others offset 5 is bad."""

    rooms: ClassVar[list[int | None]] = []

    def __init__(self, _settings: Any, _topic: str, _log: Any, room: int | None) -> None:
        self.rooms.append(room)
        self._offset = 0

    def end_of(self, partition: int) -> int:
        if partition == 0:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return 10

    def look(self, _partition: int, offset: int) -> None:
        self._offset = offset

    def answer(self) -> Answer:
        return Failed(5, "bad") if self._offset == 5 else Readable()

    def close(self) -> None: ...


@pytest.fixture
def partitions(monkeypatch: pytest.MonkeyPatch) -> UnreadablePartitions:
    monkeypatch.setattr(unreadable_partitions, "Probe", LeaderAway)
    monkeypatch.setattr(unreadable_partitions, "PAUSE", 0.0)
    return UnreadablePartitions(load_settings({}), ToldLog().bound, None)


def test_one_without_a_leader_does_not_hold_up_the_others(
    partitions: UnreadablePartitions,
) -> None:
    partitions.suspect(0, 5)
    partitions.suspect(1, 5)
    found: list[int] = []
    for _ in range(20):
        found += [record.at for record in partitions.hand_out(10).get(1, [])]
    assert found == [5]
    assert partitions.passed == {1: 6}


def test_the_probe_takes_answers_as_large_as_the_member_does(
    partitions: UnreadablePartitions,
) -> None:
    partitions.room = 12_345_678
    partitions.suspect(1, 5)
    partitions.hand_out(10)
    assert LeaderAway.rooms[-1] == 12_345_678
