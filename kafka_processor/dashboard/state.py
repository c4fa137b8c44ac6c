"""What the page shows, built from the records as they arrive. Pure, and bounded on any input."""

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
    ErrorTypeCount,
    Figures,
    Snapshot,
    TopicState,
    by_count,
)
from kafka_processor.dashboard.timeline import Timeline
from kafka_processor.dashboard.totals import Growth, SummaryTotals, Totals
from kafka_processor.event.labels import is_device_type, is_locale, labels
from kafka_processor.message_id import position_in
from kafka_processor.outcomes import ERROR_TYPES, OUTCOMES, Kind

MINUTE: Final = 60
RATE_SECONDS: Final = 10
"""The rate shown is the mean over these seconds."""
MAX_RECORD: Final = 1024 * 1024
"""Bytes of a metrics or error record: four times the largest that a daemon writes."""
BEHIND: Final = 5.0
"""Seconds beyond which the page says that it is behind."""
KIND_OF: Final[dict[str, Kind]] = {outcome: row.counted_as for outcome, row in OUTCOMES.items()}
LABELS: Final[dict[str, str]] = {outcome: row.label for outcome, row in OUTCOMES.items()}


class State:
    """Times are milliseconds since the epoch unless stated otherwise."""

    def __init__(self, settings: Settings, window: int) -> None:
        """`window`: seconds that the charts go back."""
        self._settings = settings
        self._window = window
        self._timeline = Timeline(window)
        self._summary = SummaryTotals(
            group=settings.consumer_group,
            topic=settings.input_topic,
            is_device_type=labels(is_device_type, settings.device_type_labels),
            is_locale=labels(is_locale, settings.locale_labels),
        )
        self._failures = Failures(window)
        self._totals = Totals()
        self._unreadable: Counter[str] = Counter()
        self._last_outcome: int | None = None
        self.progress = Progress()
        self.group = Group()
        self.trouble = "No broker has answered yet."
        """Why nothing can be read now; empty if it can."""
        self.broken = ""
        """Why nothing will be read any more; empty if something will."""
        self.missing: Collection[str] = ()
        """Topics that do not exist, the input included."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are read."""
        settings = self._settings
        metrics = (settings.metrics_topic,) if settings.metrics_topic else ()
        return (settings.summary_topic, settings.errors_topic, *metrics)

    def take(
        self, place: Place, key: bytes | None, value: bytes | None, time: int, now: int
    ) -> None:
        """Takes a record; `time` is its timestamp, or `now` if it has none."""
        time = max(min(time, now), 0)  # a producer may write any timestamp
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
        """Call it when a topic was deleted: another one may get its name."""
        self.progress.forget(topic)
        if topic == self._settings.summary_topic:
            self._summary.forget()
        elif topic == self._settings.errors_topic:
            self._failures = Failures(self._window)
        elif topic == self._settings.metrics_topic:
            self._timeline = Timeline(self._window)

    def _is_of_input(self, message_id: str) -> bool:
        """Groups with another input may write to the same outputs."""
        return position_in(self._settings.input_topic, message_id) is not None

    def _take_metrics(self, value: bytes, time: int, now: int) -> None:
        lines = decode_metrics(value).message_details
        # A record belongs to one batch, so all of it to one input.
        if not lines or not self._is_of_input(lines[0].message_id):
            return
        # Most lines of a record have the same few latencies.
        counted = Counter([(line.outcome, line.latency) for line in lines])
        kinds: dict[Kind, int] = {}
        latencies: dict[Kind, dict[int, int]] = {}
        for (outcome, latency), count in counted.items():
            kind = KIND_OF.get(outcome, "error")
            kinds[kind] = kinds.get(kind, 0) + count
            # The age of a skipped message says nothing about how fast the others are handled.
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
            now=now,
            window=self._window,
            group=self._settings.consumer_group,
            input_topic=self._settings.input_topic,
            health=judge(self._signs(figures, now)),
            figures=figures,
            series=self._timeline.series(now // 1000),
            received=self._totals.received,
            replayed=self._totals.replayed,
            outcomes=dict(self._totals.outcomes),
            device_types=by_count(self._totals.device_types),
            locales=by_count(self._totals.locales),
            places=place(self._totals.locales),
            error_types=self._error_types(now // 1000),
            latest_errors=self._failures.latest(now // 1000),
            group_state=self.group.state,
            partitions=rows,
            more_partitions=more_rows,
            members=members,
            more_members=more_members,
            topics=[self._topic_state(topic, now) for topic in self.topics],
            trouble=self._why_stopped,
            has_metrics=bool(self._settings.metrics_topic),
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
            rate=round(rate, 1),
            messages=kinds.total(),
            failed=kinds["error"],
            skipped=kinds["skipped"],
            p50=percentile(latencies, 0.5),
            p99=percentile(latencies, 0.99),
            lag=sum(lags.values()) if lags else None,
            last_outcome=self._last(),
        )

    def _last(self) -> int | None:
        """Returns when the last outcome was published, by the metrics or else by the summaries."""
        if self._last_outcome is None and self._summary.last is not None:
            return self._summary.last * 1000
        return self._last_outcome

    @property
    def _why_stopped(self) -> str:
        """Why nothing is read, for good or for now; empty if something is."""
        return self.broken or self.trouble

    def _signs(self, figures: Figures, now: int) -> Signs:
        last = figures.last_outcome
        # While the page is behind, it does not know what has arrived since.
        behind = self.progress.behind(self._settings.metrics_topic, now)
        quiet = None if last is None else max((now - last) / 1000 - behind, 0)
        topics = (*self.topics, self._settings.input_topic)
        return Signs(
            trouble=self._why_stopped,
            missing=[topic for topic in topics if topic in self.missing],
            unread=self._unread(),
            group=self.group,
            rate=figures.rate,
            messages=figures.messages,
            failed=figures.failed,
            skipped=figures.skipped,
            quiet_for=quiet,
        )

    def _unread(self) -> list[str]:
        there = [topic for topic in self.topics if topic not in self.missing]
        return [why for topic in there if (why := self.progress.why_unread(topic))]

    def _error_types(self, now: int) -> list[ErrorTypeCount]:
        recent, outcomes = self._failures.recent(now), self._totals.outcomes
        unknown = outcomes.keys() - OUTCOMES.keys()
        names = sorted(ERROR_TYPES | unknown | recent.keys())
        types = [
            ErrorTypeCount(
                name=name, label=LABELS.get(name, ""), total=outcomes[name], recent=recent[name]
            )
            for name in names
        ]
        return sorted(types, key=lambda each: -max(each.total, each.recent))

    def _topic_state(self, topic: str, now: int) -> TopicState:
        behind = self.progress.behind(topic, now)
        unreadable = self._unreadable[topic]
        if topic == self._settings.summary_topic:
            unreadable += self._summary.unreadable
            # Summaries may be of any age: all that matters is that they were read to the end.
            behind = 0.0
        return TopicState(
            name=topic,
            is_there=topic not in self.missing,
            is_catching_up=self.progress.has_more(topic),
            was_read=self.progress.why_unread(topic) is None,
            behind=round(behind) if behind > BEHIND else 0,
            unreadable=unreadable,
        )
