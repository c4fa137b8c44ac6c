"""Recovery from a failed batch: what failed, when to try again, and the steps back to work.

Every failure takes this path, whatever its cause. `begin` only notes it, and may be called inside a
rebalance; `take_step`, once a turn, calls the clients.
"""

from typing import Final

from confluent_kafka import KafkaError, KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.kafka_errors import (
    describe,
    error_of,
    is_end_of_consumer,
    is_fenced_member,
    is_producer_fenced,
)
from kafka_processor.config import Settings
from kafka_processor.errors import ProducerRefusedError
from kafka_processor.ports import Input, Output
from kafka_processor.producer import BatchFailed
from kafka_processor.timing import Deadline
from kafka_processor.topics.configs import LimitLookup

FIRST_PAUSE: Final = 0.5
"""Seconds before the second attempt in a row; doubled with each one. There is none before the
first: most failures, such as a coordinator that moved, are over by then."""
MAX_PAUSE: Final = 3.0
"""Seconds between two attempts while nothing can be published."""
MAX_DOUBLINGS: Final = 3
"""After so many the pause is MAX_PAUSE; an outage of an hour would overflow a float."""
PROOF_AFTER: Final = 1.0
"""Seconds in which a process that took our place in the group takes over our producer as well."""


class Recovery:
    def __init__(
        self,
        settings: Settings,
        consumer: Input,
        producer: Output,
        log: FilteringBoundLogger,
        limits: LimitLookup | None = None,
    ) -> None:
        self._settings = settings
        self._consumer = consumer
        self._producer = producer
        self._log = log
        self._limits = limits
        self.last_failure: BatchFailed | None = None
        self.has_new_failure = False
        """Whether the failure was noted since the last step: the consumer is not rewound yet."""
        self._failures = 0
        """In a row, without a commit between them."""
        self._pause = Deadline(0)

    def begin(self, failure: BatchFailed, *, is_narrowed_down: bool) -> None:
        """Notes a failure. One that told which record is to blame is followed by no pause."""
        self.last_failure = failure
        self.has_new_failure = True
        if not is_narrowed_down:
            self.postpone()

    def postpone(self) -> None:
        """Pauses: not at all after the first failure in a row, then longer and longer."""
        pause = 0.0
        if self._failures:
            doublings = min(self._failures - 1, MAX_DOUBLINGS)
            pause = min(FIRST_PAUSE * 2.0**doublings, MAX_PAUSE)
        self._pause = Deadline(pause)
        self._failures += 1

    def end_streak(self) -> None:
        """After a commit: the next failure is the first one again."""
        self._failures = 0

    @property
    def repeated_failure(self) -> BatchFailed | None:
        """The failure that came back after a recovery, and is likely to come again; only a commit
        shows that it is over."""
        return self.last_failure if self._failures > 1 else None

    @property
    def is_due(self) -> bool:
        """Whether the pause is over."""
        return self._pause.has_passed

    def take_step(self) -> bool:
        """Rewinds the consumer, and recovers the producer once the pause is over.

        Returns whether that is done; the loop polls on meanwhile, so membership is kept, and a
        successor is noticed. Raises ConsumerEndedError.
        """
        self._consumer.rewind()
        is_new, self.has_new_failure = self.has_new_failure, False
        if is_new and self.last_failure and self.last_failure.error:
            self._heed(self.last_failure.error)
        if self._consumer.fenced_for:
            # Not recovered from: that would fence a process that has our place in the group.
            if self._consumer.fenced_for > PROOF_AFTER and self._producer.probe_fence():
                self._consumer.raise_if_fenced()
            return False
        return self.is_due and self._recover()

    def _heed(self, error: KafkaError) -> None:
        """Learns from a commit's error about our membership. Raises ConsumerEndedError."""
        if not (is_producer_fenced(error) or is_fenced_member(error)):
            if is_end_of_consumer(error):
                self._consumer.handle_error(error)
        elif self._settings.instance_id:
            if is_producer_fenced(error):
                self._consumer.raise_if_fenced()
            # Frozen or cut off for too long, or replaced? The commit may be one of our former
            # member id. The group says which, with the next heartbeats.
            self._pause = Deadline(self._settings.session_timeout / 2)

    def _recover(self) -> bool:
        if self._limits:
            self._limits.wait()
        try:
            self._producer.recover()
        except KafkaException as exception:
            self._report(describe(error_of(exception)))
        except ProducerRefusedError as error:  # it did start: the broker may be changed back
            self._report(str(error))
        else:
            return True
        return False

    def _report(self, reason: str) -> None:
        self.postpone()
        self._log.warning("cannot publish yet", reason=reason)
