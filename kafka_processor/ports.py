"""What the loop needs of its two ends: the seams at which tests put fakes.

`InputConsumer` and `OutputProducer` are the real ones. `tests/support/port_contract.py` holds what
both the real ones and the fakes must do.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from confluent_kafka import KafkaError, TopicPartition

from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.pipeline import Message
from kafka_processor.record_limits import RecordLimits
from kafka_processor.records import OutputRecord


class RebalanceListener(Protocol):
    """Called inside `Input.poll_messages` and `Input.close`, on the thread that calls them."""

    def on_revoke(self, partitions: Collection[int]) -> None:
        """The partitions are about to go to another member: commit what is in hand."""

    def on_lost(self, partitions: Collection[int]) -> None:
        """The partitions are another member's already: nothing of theirs may be committed."""


class Input(Protocol):
    """The member of the consumer group."""

    has_joined: bool

    @property
    def owned(self) -> frozenset[int]:
        """The partitions whose messages `poll_messages` returns."""

    @property
    def is_looking_up(self) -> bool:
        """Whether partitions are assigned of which the start offset is not known yet."""

    @property
    def fenced_for(self) -> float:
        """Seconds since the group fenced this member, while it is not known who did; else 0."""

    @property
    def rewind_reason(self) -> str | None:
        """Why partitions cannot be read on where they are: all of them have to `rewind`."""

    def join(self, listener: RebalanceListener) -> None: ...

    def poll_messages(self, limit: int, timeout: float) -> Mapping[int, Sequence[Message]]:
        """Returns at most `limit` messages by partition; waits up to `timeout` seconds for one.

        Calls the listener meanwhile. Raises ConsumerEndedError.
        """

    def start_waiting(self) -> list[StartOffset]:
        """Starts to fetch the partitions whose start offsets can be looked up now."""

    def rewind(self) -> None:
        """Stops to fetch all partitions; `start_waiting` starts each at its committed offset."""

    def handle_error(self, error: KafkaError) -> None:
        """Raises ConsumerEndedError for an error that ends membership for good."""

    def raise_if_fenced(self) -> None:
        """Raises ConsumerEndedError if the group fenced this member for an unknown reason."""

    def close(self, timeout: float) -> None:
        """Leaves the group. Blocks up to `timeout` seconds."""


class Output(Protocol):
    """The producer of all outputs, and the commit of offsets with them.

    A batch is `begin`, `produce`, `commit`, then `advance_commit` until `is_committing` is False,
    and `finish`. Each raises BatchFailed; what follows is `recover`.
    """

    limits: RecordLimits

    def start(self) -> None:
        """Raises KafkaException while it is not possible yet: call again; ProducerRefusedError."""

    def serve(self) -> None:
        """Calls the client's callbacks, which would pile up while nothing is produced."""

    def begin(self) -> None: ...

    def produce(self, records: Iterable[OutputRecord]) -> None: ...

    def commit(self, offsets: list[TopicPartition]) -> None:
        """Begins to commit the records and the offsets, of which there is at least one."""

    @property
    def is_committing(self) -> bool:
        """Whether `finish` would have to wait: the commit has not ended, nor is it overdue."""

    @property
    def needs_polling(self) -> bool:
        """Whether the commit in flight ends only while the consumer is polled."""

    def advance_commit(self) -> None:
        """Takes the next step of the commit in flight that is for the loop's thread to take."""

    def wait(self, timeout: float) -> bool:
        """Waits up to `timeout` seconds for the background; returns whether `finish` may follow."""

    def finish(self, timeout: float = 0.0, *, is_in_rebalance: bool = False) -> None:
        """Takes the result of the commit in flight, for which it waits up to `timeout` seconds.

        Within a rebalance no answer of the group can be heard, and none is waited for.
        """

    def recover(self) -> None:
        """Ends whatever is open. Raises KafkaException while that is not possible yet: call again;
        ProducerRefusedError."""

    def probe_fence(self) -> bool:
        """After a failure: aborts the open transaction, which only the owner of the transactional
        id may; returns whether another process is known to own it."""

    def close(self) -> None:
        """Drops what is not committed. Does not wait for brokers that do not answer."""
