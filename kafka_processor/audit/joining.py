"""Joins and judges the entries of one input partition, bucket by bucket; pure."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from kafka_processor.audit.entries import (
    FILTERED,
    NOTHING,
    OUTCOMES,
    PROCESSED,
    SKIPPED,
    UNKNOWN,
    Line,
    Message,
    Record,
    folded,
)
from kafka_processor.audit.findings import (
    CONTRADICTING,
    LOST,
    PERSONAL,
    Place,
    Tally,
    Text,
    Violation,
)
from kafka_processor.audit.inputs import OTHER_LABEL
from kafka_processor.audit.judging import Judgement, Rules, is_fine, judge, judge_unknown
from kafka_processor.audit.order import Order
from kafka_processor.audit.plan import Stretch
from kafka_processor.audit.recount import Claim, Counts, Judged, differences
from kafka_processor.audit.retention import Lane
from kafka_processor.audit.spill import Bucket

OutputEntry = TypeVar("OutputEntry", Record, Line)
_offset = attrgetter("offset")


class Partition:
    """Judges the messages of a partition and recounts them."""

    def __init__(
        self,
        stretch: Stretch,
        rules: Rules,
        lanes: Sequence[Lane],
        report: Callable[[Violation], None],
        texts: Mapping[int, Text] | None = None,
    ) -> None:
        """`texts`: texts of the partition's summary records, by folded fingerprint."""
        self.tally = Tally()
        start = stretch.start
        self._texts = {
            text: place
            for text, (place, since) in (texts or {}).items()
            if since == start and not stretch.is_restricted
        }
        self._in_summaries: dict[int, tuple[str, int]] = {}
        """Field and first offset of the messages that have such a text as a value."""
        self._stretch = stretch
        self._rules = rules
        self._lanes = lanes
        self._report = report
        self._order = Order()
        self._counts = Counts()
        self._claims = sorted(stretch.claims, key=lambda claim: claim.next_offset)
        self._is_said_to_be_lost = 0
        self._not_auditable: Counter[int] = Counter()
        """Messages of the current bucket that cannot be audited, by outcome."""

    def take(self, bucket: Bucket) -> None:
        """Takes the next bucket in the order of offsets."""
        records, many_records = _by_offset(bucket.records)
        lines, many_lines = _by_offset(bucket.lines)
        outcomes: list[Judged] = []
        is_kept = self._order.is_kept
        for message in bucket.messages:
            offset = message.offset
            if self._texts:
                self._find_in_summaries(message)
            record, line = records.pop(offset, None), lines.pop(offset, None)
            if (
                record is not None
                and line is not None
                and is_fine(message, record, line)
                and offset not in many_records
                and offset not in many_lines
                and is_kept(record.lane, record.user_id, record.position)
            ):
                outcomes.append((message, record.outcome))
            else:
                all_records = many_records.pop(offset, None) or ([record] if record else [])
                all_lines = many_lines.pop(offset, None) or ([line] if line else [])
                outcomes.append(self._judge(message, all_records, all_lines))
        for offset in sorted(records.keys() | lines.keys()):
            all_records = many_records.get(offset) or _listed(records.get(offset))
            all_lines = many_lines.get(offset) or _listed(lines.get(offset))
            judgement = judge_unknown(offset, all_records, all_lines, self._rules)
            self._note(offset, judgement)
        self._tally_outcomes(outcomes)
        self._recount(outcomes)

    def finish(self) -> None:
        """To be called after the last bucket."""
        for claim in self._claims:
            self._compare(claim)
        self._claims = []
        counted = (*self._counts.device_types, *self._counts.locales, *OUTCOMES, OTHER_LABEL)
        for text in self._in_summaries.keys() - set(map(folded, counted)):
            name, offset = self._in_summaries[text]
            place = self._texts[text]
            what = f"raw {name} among the labels or fields of a summary record"
            self._tell(PERSONAL, what, offset, [place] if place else [])
            self.tally.violations[PERSONAL] += 1

    def _find_in_summaries(self, message: Message) -> None:
        """Notes the message; `finish` knows whether any message was counted under that label."""
        for name, value in (("ip", message.ip_folded), ("device_id", message.device_id_folded)):
            if value in self._texts and value != NOTHING:
                self._in_summaries.setdefault(value, (name, message.offset))

    def _judge(self, message: Message, records: Sequence[Record], lines: Sequence[Line]) -> Judged:
        judgement = judge(message, records, lines, self._rules)
        if records and message.user_id:
            # Further copies are reported as duplicates, or allowed.
            first = min(records, key=lambda record: record.position)
            if not self._order.is_kept(first.lane, message.user_id, first.position):
                what = "the record comes before that of an earlier message of the same user"
                place = self._places([(first.lane, first.position)])
                self._tell(CONTRADICTING, what, message.offset, place)
                if not any(f.kind == CONTRADICTING for f in judgement.findings):
                    self.tally.violations[CONTRADICTING] += 1
        self._note(message.offset, judgement)
        self._not_auditable[judgement.outcome] += not judgement.is_auditable
        return message, judgement.outcome

    def _note(self, offset: int, judgement: Judgement) -> None:
        for kind, what, places in judgement.findings:
            self._tell(kind, what, offset, self._places(places))
        for kind in {finding.kind for finding in judgement.findings}:
            self.tally.violations[kind] += 1
        self.tally.repeated += judgement.is_repeated
        self.tally.not_auditable += not judgement.is_auditable

    def _tally_outcomes(self, judged: Sequence[Judged]) -> None:
        self.tally.unreadable += sum(message.is_unreadable for message, _ in judged)
        outcomes = Counter([outcome for _, outcome in judged])
        outcomes.subtract(self._not_auditable)
        self._not_auditable.clear()
        tally = self.tally
        tally.audited += outcomes.total()
        tally.processed += outcomes[PROCESSED]
        tally.filtered += outcomes[FILTERED]
        tally.skipped += outcomes[SKIPPED]
        tally.unknown += outcomes[UNKNOWN]
        tally.errors += sum(n for code, n in outcomes.items() if SKIPPED < code < UNKNOWN)

    def _recount(self, judged: Sequence[Judged]) -> None:
        taken = 0
        while self._claims and judged and self._claims[0].next_offset <= judged[-1][0].offset:
            claim = self._claims.pop(0)
            end = bisect_left(judged, claim.next_offset, key=lambda each: each[0].offset)
            self._counts.take(judged[taken:end])
            taken = max(taken, end)
            self._compare(claim)
        self._counts.take(judged[taken:])

    def _compare(self, claim: Claim) -> None:
        counts = self._counts
        if not self._rules.has_metrics:
            counts = self._without_lost(claim)
        found = differences(claim, counts)
        if found:
            place = self._stretch.places.get(claim.name)
            self._tell(CONTRADICTING, f"{claim.name} has {found}", None, [place] if place else [])
            self.tally.violations[CONTRADICTING] += 1

    def _without_lost(self, claim: Claim) -> Counts:
        """Without metrics, a message that has no record was skipped, or is lost: the counts know
        how many were skipped."""
        lost = self._counts.outcomes[SKIPPED] - claim.skipped
        if lost <= 0:
            return self._counts
        if lost > self._is_said_to_be_lost:
            what = (
                f"{lost:,} of the messages up to offset {claim.next_offset:,} that have no record "
                f"are lost: {claim.name} counts {claim.skipped:,} as skipped"
            )
            self._tell(LOST, what, None, [])
            self.tally.violations[LOST] += lost - self._is_said_to_be_lost
            self._is_said_to_be_lost = lost
        outcomes = self._counts.outcomes.copy()
        outcomes[SKIPPED] -= lost
        outcomes[UNKNOWN] += lost
        return Counts(
            self._counts.total,
            outcomes,
            self._counts.replayed,
            self._counts.device_types,
            self._counts.locales,
        )

    def _tell(self, kind: str, what: str, offset: int | None, places: Sequence[Place]) -> None:
        self._report(Violation(kind, what, self._stretch.partition, offset, places))

    def _places(self, where: Iterable[tuple[int, int]]) -> list[Place]:
        return [
            Place(self._lanes[lane].topic, self._lanes[lane].partition, position)
            for lane, position in where
        ]


def _by_offset(
    entries: Sequence[OutputEntry],
) -> tuple[dict[int, OutputEntry], dict[int, list[OutputEntry]]]:
    """One entry of each message; and of those that have several, all."""
    one = dict(zip(map(_offset, entries), entries, strict=True))
    if len(one) == len(entries):
        return one, {}
    every: defaultdict[int, list[OutputEntry]] = defaultdict(list)
    for entry in entries:
        every[entry.offset].append(entry)
    return one, {offset: copies for offset, copies in every.items() if len(copies) > 1}


def _listed(entry: OutputEntry | None) -> list[OutputEntry]:
    return [entry] if entry else []
