"""Committed offsets whose metadata the client cannot read as text, and may the next time."""

from confluent_kafka import TopicPartition

from kafka_processor.membership.committed import CommittedOffset, committed_offsets


class NoText:
    """As a `TopicPartition` with a byte of the client's memory behind its metadata."""

    partition, offset, error = 0, 5, None

    @property
    def metadata(self) -> str:
        return b"[1]\xb1".decode()


class Client:
    def __init__(self, failures: int) -> None:
        self._failures = failures

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        assert [(each.topic, each.partition) for each in partitions] == [("t", 0)]
        assert timeout == 1.0
        self._failures -= 1
        if self._failures >= 0:
            return [NoText()]  # type: ignore[list-item]
        return [TopicPartition("t", 0, 5, "[1]")]


def test_it_is_asked_for_again() -> None:
    answer = committed_offsets(Client(failures=3), "t", [0], 1.0)
    assert answer == [CommittedOffset(0, 5, "[1]", None)]


def test_what_stays_unreadable_is_another_programs() -> None:
    answer = committed_offsets(Client(failures=1000), "t", [0], 1.0)
    assert answer == [CommittedOffset(0, 5, None, None)]
