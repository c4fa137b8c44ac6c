"""The steps of the audit, in order.

Committed offsets are requested before the ends of the outputs, and those before the end of the
input. So all records of committed messages are before the ends, and every record before the ends is
about a message that the input contains.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kafka_processor.audit.cluster import Cluster
from kafka_processor.audit.entries import OUTCOMES, SKIPPED, Names, folded
from kafka_processor.audit.findings import CONTRADICTING, Place, Tally, Text, Violation
from kafka_processor.audit.gathering import Gathering
from kafka_processor.audit.joining import Partition
from kafka_processor.audit.judging import Rules
from kafka_processor.audit.plan import (
    Committed,
    Span,
    Stretch,
    Wanted,
    known_key_ids,
    stretch_of,
)
from kafka_processor.audit.progress import AuditProgress
from kafka_processor.audit.reading import SpanReader
from kafka_processor.audit.records import RecordReader
from kafka_processor.audit.retention import Retention
from kafka_processor.audit.spill import Spill
from kafka_processor.audit.summaries import Summaries
from kafka_processor.audit.unreadable import Unreadable
from kafka_processor.config import Settings
from kafka_processor.errors import CannotReadError, SettingsError

EXACTLY_ONCE: Final = "exactly-once"

Spans = Mapping[int, Span]
"""By partition."""


@dataclass(frozen=True)
class Request:
    """What the user has selected. Times in milliseconds since the epoch; `until` is exclusive."""

    wanted: Wanted = Wanted()
    since: int | None = None
    until: int | None = None


@dataclass
class Result:
    stretches: Sequence[Stretch]
    tallies: dict[int, Tally]
    """By input partition."""
    strange: int = 0
    """Output records without a valid message id."""
    of_other_inputs: int = 0
    """Skipped outcomes about messages of other input topics."""


class Audit:
    def __init__(
        self,
        settings: Settings,
        cluster: Cluster,
        reader: SpanReader,
        spill: Spill,
        progress: AuditProgress,
        report: Callable[[Violation], None],
    ) -> None:
        self._settings = settings
        self._cluster = cluster
        self._reader = reader
        self._spill = spill
        self._progress = progress
        self._report = report
        self._result = Result([], {})

    def run(self, request: Request) -> Result:
        """Raises CannotReadError, SettingsError for a partition that does not exist, OSError for a
        full disk, and StoppedError."""
        settings, cluster = self._settings, self._cluster
        topic = settings.input_topic
        partitions = cluster.partitions(topic)
        chosen = _chosen(partitions, request.wanted.partitions, topic)
        committed = cluster.committed(chosen)
        if not committed:
            raise CannotReadError(
                f"group {settings.consumer_group} has committed no offset in {topic}, so there is "
                "nothing to audit; check CONSUMER_GROUP"
            )
        self._refuse_compacted([topic, *settings.output_topics])
        outputs = {output: self._spans(output) for output in settings.output_topics}
        inputs = {number: cluster.span(topic, number) for number in chosen}
        self._result.tallies = {number: Tally() for number in chosen}
        self._expect(*outputs.values())

        summaries = self._read_summaries(outputs[settings.summary_topic], committed)
        wanted = self._located(request, inputs)
        stretches = {
            number: stretch_of(number, span, committed.get(number), summaries.get(number), wanted)
            for number, span in inputs.items()
        }
        self._result.stretches = list(stretches.values())
        key_ids = known_key_ids(committed.values())
        gathering = self._gather(outputs, stretches, len(partitions), key_ids)
        self._result.of_other_inputs = gathering.of_other_inputs
        self._judge(gathering, stretches, summaries)
        self._check_who_is_ahead(summaries, committed, stretches)
        return self._result

    def _refuse_compacted(self, topics: Sequence[str]) -> None:
        """Raises CannotReadError: records that compaction removes would look lost."""
        summary = self._settings.summary_topic  # only the latest record of a key is needed
        others = [topic for topic in topics if topic != summary]
        if compacted := [topic for topic in others if self._cluster.is_compacted(topic)]:
            raise CannotReadError(
                f"{', '.join(compacted)}: is compacted (cleanup.policy), so records are missing on "
                "purpose and losses cannot be detected"
            )

    def _spans(self, topic: str) -> Spans:
        return {
            number: self._cluster.span(topic, number) for number in self._cluster.partitions(topic)
        }

    def _expect(self, *spans: Spans) -> None:
        offsets = sum(max(s.end - s.start, 0) for each in spans for s in each.values())
        self._progress.expect(offsets)

    def _read_summaries(self, spans: Spans, committed: Mapping[int, Committed]) -> Summaries:
        topic = self._settings.summary_topic
        summaries = Summaries(self._settings, committed, self._tell)

        def take_unreadable(partition: int, found: Unreadable) -> None:
            for offset in range(found.first, found.end):
                what = f"not of the contract's form: it cannot be read ({found.reason})"
                place = Place(topic, partition, offset)
                self._tell(Violation(CONTRADICTING, what, None, None, [place]))

        self._reader.read(
            topic,
            spans,
            summaries.take,
            lambda number: self._cluster.span(topic, number).start,
            take_unreadable,
        )
        return summaries

    def _located(self, request: Request, inputs: Spans) -> Wanted:
        """Returns the selection, with times converted to offsets."""
        wanted = request.wanted
        begin, end = (
            {} if time is None else self._cluster.offsets_at(time, inputs)
            for time in (request.since, request.until)
        )
        return Wanted(wanted.partitions, wanted.from_offset, wanted.to_offset, begin, end)

    def _gather(
        self,
        outputs: Mapping[str, Spans],
        stretches: Mapping[int, Stretch],
        partitions: int,
        key_ids: Collection[str],
    ) -> Gathering:
        settings = self._settings
        names = Names(settings.input_topic, partitions)
        gathering = Gathering(
            settings, self._cluster, self._reader, self._spill, stretches, self._tell
        )
        spans = {n: Span(max(each.start, each.low), each.stop) for n, each in stretches.items()}
        self._expect(spans)
        gathering.read_input(spans)
        records = RecordReader(settings, names, key_ids)
        for topic in (settings.processed_topic, settings.cleaned_topic, settings.errors_topic):
            gathering.read_records(topic, outputs[topic], records)
        if settings.metrics_topic:
            gathering.read_lines(settings.metrics_topic, outputs[settings.metrics_topic], names)
        return gathering

    def _judge(
        self, gathering: Gathering, stretches: Mapping[int, Stretch], summaries: Summaries
    ) -> None:
        buckets = {number: self._spill.buckets(number) for number in stretches}
        self._progress.begin_judging(sum(map(len, buckets.values())))
        for number, stretch in stretches.items():
            rules = self._rules(number, stretch.low, gathering.retention)
            texts = {**_stored_labels(stretch), **summaries.texts[number]}
            partition = Partition(stretch, rules, gathering.lanes, self._report, texts)
            for bucket in buckets[number]:
                partition.take(self._spill.take(number, bucket))
                self._progress.judged(1)
            partition.finish()
            self._result.tallies[number].add(partition.tally)

    def _rules(self, partition: int, low: int, retention: Retention) -> Rules:
        settings = self._settings
        horizons = [retention.horizon([settings.errors_topic], partition)] * len(OUTCOMES)
        horizons[: SKIPPED + 1] = [
            retention.horizon([settings.processed_topic], partition),
            retention.horizon([settings.cleaned_topic], partition),
            0,
        ]
        return Rules(
            exactly_once=settings.delivery == EXACTLY_ONCE,
            has_metrics=bool(settings.metrics_topic),
            first_message=low,
            horizons=[*horizons, max(horizons)],
            line_horizon=retention.horizon([settings.metrics_topic], partition),
        )

    def _check_who_is_ahead(
        self,
        summaries: Summaries,
        before: Mapping[int, Committed],
        stretches: Mapping[int, Stretch],
    ) -> None:
        """A summary record commits with its offset, so the group must have reached it by now.

        Except after offsets were set by hand: then no counts are stored with them, or counts since
        another offset than the summary's.
        """
        if self._settings.delivery != EXACTLY_ONCE or not summaries.ahead:
            return
        now = self._cluster.committed(list(before))
        for number, summary in summaries.ahead.items():
            ahead, offset = summary.record.next_offset, before[number].offset
            is_comparable = any(
                claim.next_offset == offset
                and claim.counted_since == summary.record.counted_since_offset
                for claim in stretches[number].claims
            )
            if is_comparable and now[number].offset < ahead:
                what = (
                    f"the summary has counted up to offset {ahead:,}, "
                    f"the group has committed {now[number].offset:,}"
                )
                self._tell(Violation(CONTRADICTING, what, number, None, [summary.place]))

    def _tell(self, violation: Violation) -> None:
        """Reports and counts a violation that was found before the join."""
        if violation.partition is None:
            self._result.strange += 1
        else:
            self._result.tallies[violation.partition].violations[violation.kind] += 1
        self._report(violation)


def _stored_labels(stretch: Stretch) -> dict[int, Text]:
    """Returns the labels of stored snapshots, which anyone with access to the group can read."""
    return {
        folded(label): Text(None, claim.counted_since)
        for claim in stretch.claims
        for label in (*claim.device_types, *claim.locales)
    }


def _chosen(partitions: Sequence[int], wanted: Sequence[int], topic: str) -> Sequence[int]:
    """Raises SettingsError for a partition that does not exist."""
    for number in wanted:
        if number not in partitions:
            raise SettingsError([f"--partition: {topic} has no partition {number}"])
    return sorted(set(wanted)) or partitions
