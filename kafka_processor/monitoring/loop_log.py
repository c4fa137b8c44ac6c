"""What the loop does, as lines of the log: one for what matters, however many messages it is."""

import time
from collections import Counter
from typing import Final

from structlog.typing import FilteringBoundLogger

from kafka_processor.config import Settings
from kafka_processor.delivery.batch import Batch
from kafka_processor.membership.start_offsets import StartOffset, StartReason
from kafka_processor.monitoring.failed_messages import FailedMessages
from kafka_processor.monitoring.observer import Observer
from kafka_processor.monitoring.skipped import SkippedBacklog
from kafka_processor.producer import BatchFailed

SLOW_COMMIT: Final = 1.0
"""Seconds; a commit takes some milliseconds where all is well."""
SLOW_INTERVAL: Final = 30.0
"""Seconds between two lines about slow commits."""


class LoopLog(Observer):
    def __init__(self, settings: Settings, log: FilteringBoundLogger) -> None:
        self._settings = settings
        self._log = log
        self._skipped = SkippedBacklog()
        self._failed = FailedMessages()
        self._next_slow = 0.0
        self._totals: Counter[str] = Counter()
        """What this process has committed, by outcome, and what was gone before it was read."""
        self._committed: dict[int, int] = {}
        """Offsets: the group's are deleted together with a topic."""

    def turned(self) -> None:
        self._report(at_once=False)

    def started(self, start: StartOffset) -> None:
        if start.reason in (StartReason.GAP, StartReason.NEW_TOPIC):
            committed = start.committed
            if committed is None:
                committed = self._committed.get(start.partition)
            self._log.error(
                "messages were deleted before they were read",
                partition=start.partition,
                committed=committed,
                resumes_at=start.offset,
                messages=start.gap if start.reason is StartReason.GAP else "not known",
                why=start.reason.value,
            )
            self._totals["gone_unread"] += start.gap

    def committed(self, batch: Batch, seconds: float) -> None:
        now = time.monotonic()
        for work in batch.works.values():
            self._totals.update(work.outcomes)
            self._skipped.add(work.skipped_ages, now)
            self._failed.add(work.outcomes, work.last_failed, now)
        offsets = {partition: work.next_offset for partition, work in sorted(batch.works.items())}
        self._committed |= offsets
        self._log.debug("committed", messages=batch.messages, offsets=offsets, seconds=seconds)
        if seconds >= SLOW_COMMIT and now >= self._next_slow:
            self._next_slow = now + SLOW_INTERVAL
            self._log.warning("a commit was slow", took=f"{seconds:.1f} s", messages=batch.messages)

    def gave_up(self, failure: BatchFailed, messages: int) -> None:
        self._log.warning("batch given up, will try again", reason=str(failure), messages=messages)

    def stopped(self) -> None:
        self._report(at_once=True)
        self._log.info("processed by this process", **self._totals)

    def _report(self, at_once: bool) -> None:
        now = time.monotonic()
        if skipped := self._skipped.report(now, at_once):
            self._log.warning(
                "messages were too old and skipped",
                messages=skipped.messages,
                age_from=f"{skipped.youngest:.0f} s",
                age_to=f"{skipped.oldest:.0f} s",
                max_message_age=f"{self._settings.max_message_age:g} s",
            )
        if failed := self._failed.report(now, at_once):
            self._log.warning(
                "messages failed",
                messages=sum(failed.by_type.values()),
                within=f"{failed.seconds:.0f} s",
                last=failed.example,
                **failed.by_type,
            )
