"""All that the page shows, from the records as they come; pure, and bounded whatever comes."""

import re
from collections import Counter
from collections.abc import Collection
from typing import Final

from kafka_processor.config import Settings
from kafka_processor.dashboard.failures import Failures
from kafka_processor.dashboard.formats import UNREADABLE, decode_failure, decode_metrics
from kafka_processor.dashboard.group import Group, member_rows, partition_rows
from kafka_processor.dashboard.health import Signs, judge
from kafka_processor.dashboard.latency import bucket_of, percentile
from kafka_processor.dashboard.places import place
from kafka_processor.dashboard.reading import Place, Progress
from kafka_processor.dashboard.snapshot import (
    ErrorType,
    Figures,
    Snapshot,
    TopicState,
    by_count,
)
from kafka_processor.dashboard.timeline import KINDS, Kind, Timeline
from kafka_processor.dashboard.totals import Growth, SummaryTotals, Totals
from kafka_processor.event.labels import is_device_type, is_locale, labels
from kafka_processor.records import ERROR_TYPES

MINUTE: Final = 60
RATE_SECONDS: Final = 10
"""The rate is the mean of so many seconds."""
MAX_RECORD: Final = 1024 * 1024
"""Bytes of a metrics or error record: four times the largest of ours."""
BEHIND: Final = 5.0
"""Seconds from which on it is said that the page is behind."""
KIND_OF: Final[dict[str, Kind]] = {kind: kind for kind in KINDS}
"""Kinds of outcomes; all others are types of errors."""


class State:
    """Times are milliseconds since the epoch where nothing else is said.

    window: seconds that the charts go back.
    """

    def __init__(self, settings: Settings, window: int) -> None:
        self._settings = settings
        self._window = window
        self._timeline = Timeline(window)
        id_form = re.escape(settings.input_topic) + r"-[0-9]+-[0-9]+"
        self._is_of_input = re.compile(id_form, re.ASCII).fullmatch
        """Whether a message_id is one of our input: others may write to the same outputs."""
        self._summary = SummaryTotals(
            settings.consumer_group,
            settings.input_topic,
            labels(is_device_type, settings.device_type_labels),
            labels(is_locale, settings.locale_labels),
        )
        self._failures = Failures(window)
        self._totals = Totals()
        self._unreadable: Counter[str] = Counter()
        self._last_outcome: int | None = None
        self.progress = Progress()
        self.group = Group()
        self.trouble = "No broker has answered yet."
        """Why nothing can be read; empty if it can."""
        self.broken = ""
        """What has ended for good; empty if nothing has."""
        self.missing: Collection[str] = ()
        """Topics that are not there, the input too."""

    @property
    def topics(self) -> tuple[str, ...]:
        """Those that are read."""
        settings = self._settings
        metrics = (settings.metrics_topic,) if settings.metrics_topic else ()
        return (settings.summary_topic, settings.errors_topic, *metrics)

    def take(
        self, place: Place, key: bytes | None, value: bytes | None, time: int, now: int
    ) -> None:
        """A record: `time` is its timestamp, or `now` where it has none."""
        time = max(min(time, now), 0)  # a producer may write any
        topic = place[0]
        self.progress.took(place, time)
        if topic == self._settings.summary_topic:
            self._summary.take(key, value, time // 1000)
            return
        if value is not None and len(value) > MAX_RECORD:
            self._unreadable[topic] += 1
            return
        try:
            if topic == self._settings.errors_topic:
                failure = decode_failure(value or b"")
                if self._is_of_input(failure.message_id):
                    self._failures.take(failure, time, now // 1000)
            else:
                self._take_metrics(value or b"", time, now // 1000)
        except UNREADABLE:
            self._unreadable[topic] += 1

    def forget(self, topic: str) -> None:
        """It was deleted: one of its name is another one."""
        self.progress.forget(topic)
        if topic == self._settings.summary_topic:
            self._summary.forget()
        elif topic == self._settings.errors_topic:
            self._failures = Failures(self._window)
        elif topic == self._settings.metrics_topic:
            self._timeline = Timeline(self._window)

    def _take_metrics(self, value: bytes, time: int, now: int) -> None:
        lines = decode_metrics(value).message_details
        # A record is of one batch, so of one input.
        if not lines or not self._is_of_input(lines[0].message_id):
            return
        # Most lines of a record have the same few latencies.
        counted = Counter([(line.outcome, line.latency) for line in lines])
        kinds: dict[Kind, int] = {}
        latencies: dict[Kind, dict[int, int]] = {}
        for (outcome, latency), count in counted.items():
            kind = KIND_OF.get(outcome, "error")
            kinds[kind] = kinds.get(kind, 0) + count
            # What was skipped for its age says nothing of how fast the others are handled.
            if latency is not None and kind != "skipped":
                buckets = latencies.setdefault(kind, {})
                bucket = bucket_of(latency)
                buckets[bucket] = buckets.get(bucket, 0) + count
        for kind, count in kinds.items():
            self._timeline.add(time // 1000, now, kind, count, latencies.get(kind, {}))
        self._last_outcome = max(self._last_outcome or 0, time)

    def snapshot(self, now: int) -> Snapshot:
        self._read_summaries(now // 1000)
        figures = self._figures(now)
        rows, more_rows = partition_rows(self.group, self._totals.by_partition)
        members, more_members = member_rows(self.group)
        return Snapshot(
            now,
            self._window,
            self._settings.consumer_group,
            self._settings.input_topic,
            judge(self._signs(figures, now)),
            figures,
            self._timeline.series(now // 1000),
            self._totals.received,
            self._totals.replayed,
            dict(self._totals.outcomes),
            by_count(self._totals.device_types),
            by_count(self._totals.locales),
            place(self._totals.locales),
            self._error_types(now // 1000),
            self._failures.latest(now // 1000),
            self.group.state,
            rows,
            more_rows,
            members,
            more_members,
            [self._topic_state(topic, now) for topic in self.topics],
            self._why_stopped,
            bool(self._settings.metrics_topic),
        )

    def _read_summaries(self, now: int) -> None:
        for growth in self._summary.read_waiting():
            if not self._settings.metrics_topic:
                self._spread(growth, now)
        self._totals = self._summary.totals()

    def _spread(self, growth: Growth, now: int) -> None:
        for kind, count in growth.kinds.items():
            each, rest = divmod(count, len(growth.seconds))
            for number, second in enumerate(growth.seconds):
                self._timeline.add(second, now, kind, each + (number < rest))

    def _figures(self, now: int) -> Figures:
        kinds, latencies = self._timeline.sums(MINUTE, now // 1000)
        rate = self._timeline.rate(RATE_SECONDS, now // 1000)
        lags = self.group.lags()
        return Figures(
            round(rate, 1),
            kinds.total(),
            kinds["error"],
            kinds["skipped"],
            percentile(latencies, 0.5),
            percentile(latencies, 0.99),
            sum(lags.values()) if lags else None,
            self._last(),
        )

    def _last(self) -> int | None:
        """When the last outcome was published; by the metrics if they tell, else a summary."""
        if self._last_outcome is None and self._summary.last is not None:
            return self._summary.last * 1000
        return self._last_outcome

    @property
    def _why_stopped(self) -> str:
        """Why nothing can be read, for good or for now; empty if it can."""
        return self.broken or self.trouble

    def _signs(self, figures: Figures, now: int) -> Signs:
        last = figures.last_outcome
        # While the page is behind, nobody knows what came since.
        behind = self.progress.behind(self._settings.metrics_topic, now)
        quiet = None if last is None else max((now - last) / 1000 - behind, 0)
        return Signs(
            self._why_stopped,
            [
                topic
                for topic in (*self.topics, self._settings.input_topic)
                if topic in self.missing
            ],
            self._unread(),
            self.group,
            figures.rate,
            figures.messages,
            figures.failed,
            figures.skipped,
            quiet,
        )

    def _unread(self) -> list[str]:
        there = [topic for topic in self.topics if topic not in self.missing]
        return [why for topic in there if (why := self.progress.why_unread(topic))]

    def _error_types(self, now: int) -> list[ErrorType]:
        recent, outcomes = self._failures.recent(now), self._totals.outcomes
        others = {"processed", "filtered", "skipped"}
        names = sorted(ERROR_TYPES | (outcomes.keys() - others) | recent.keys())
        types = [ErrorType(name, outcomes[name], recent[name]) for name in names]
        return sorted(types, key=lambda each: -max(each.total, each.recent))

    def _topic_state(self, topic: str, now: int) -> TopicState:
        behind = self.progress.behind(topic, now)
        unreadable = self._unreadable[topic]
        if topic == self._settings.summary_topic:
            unreadable += self._summary.unreadable
            # Its records may be of any age: what counts is whether all of it was read.
            behind = 0.0
        return TopicState(
            topic,
            topic not in self.missing,
            self.progress.has_more(topic),
            self.progress.why_unread(topic) is None,
            round(behind) if behind > BEHIND else 0,
            unreadable,
        )
