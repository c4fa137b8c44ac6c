"""Calls the observers of the loop; what they raise is logged and does not reach the loop."""

from collections.abc import Callable, Collection, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.monitoring.observer import Observer
from kafka_processor.pipeline import Message, Work
from kafka_processor.producer import BatchFailed


class Observers(Observer):
    """Calls each observer in turn.

    One that raises is called again next time: what it raised may have been temporary, such as a
    full disk.
    """

    def __init__(self, observers: Sequence[Observer], log: FilteringBoundLogger) -> None:
        self._observers = observers
        self._failures = FailureLog(log)

    def turned(self) -> None:
        self._call(lambda each: each.turned())

    def started(self, start: StartOffset) -> None:
        self._call(lambda each: each.started(start))

    def revoked(self, partitions: Collection[int]) -> None:
        self._call(lambda each: each.revoked(partitions))

    def lost(self, partitions: Collection[int]) -> None:
        self._call(lambda each: each.lost(partitions))

    def polling(self) -> None:
        self._call(lambda each: each.polling())

    def processed(self, polled: Mapping[int, Sequence[Message]], works: Mapping[int, Work]) -> None:
        self._call(lambda each: each.processed(polled, works))

    def published(self, batch: Batch, seconds: float) -> None:
        self._call(lambda each: each.published(batch, seconds))

    def committed(self, batch: Batch, seconds: float) -> None:
        self._call(lambda each: each.committed(batch, seconds))

    def gave_up(self, failure: BatchFailed, messages: int) -> None:
        self._call(lambda each: each.gave_up(failure, messages))

    def stopped(self) -> None:
        self._call(lambda each: each.stopped())

    def _call(self, method: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                method(observer)
            except Exception as error:
                self._failures.note(type(observer).__name__, error)
