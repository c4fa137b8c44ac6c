"""Histories to audit: what the input held and what the program made of it, to be tampered with."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka_processor.audit.entries import UNKNOWN, Names
from kafka_processor.audit.findings import Text, Violation
from kafka_processor.audit.inputs import InputReader, unreadable_entry
from kafka_processor.audit.joining import Partition
from kafka_processor.audit.judging import Rules
from kafka_processor.audit.lines import MAX_LINES, LineReader
from kafka_processor.audit.plan import Stretch
from kafka_processor.audit.records import RecordReader, envelope
from kafka_processor.audit.recount import Claim
from kafka_processor.audit.retention import Lane
from kafka_processor.audit.spill import Spill
from kafka_processor.metrics import MessageMetrics
from kafka_processor.pipeline import Pipeline
from kafka_processor.records import SummaryRecord
from kafka_processor.summary_printer import SummaryPrinter
from kafka_processor.unreadable.batch_search import UnreadableBatch
from tests.unit.pipeline_runs import KEY, NOW, PARTITION, message, settings

SETTINGS = settings()
TOPICS = ("processed-output", "cleaned-data", "processed-errors", "metrics-output")
EXACTLY_ONCE = Rules(True, True, 0, [0] * (UNKNOWN + 1), 0)
AT_LEAST_ONCE = Rules(False, True, 0, [0] * (UNKNOWN + 1), 0)


@dataclass
class Output:
    """A record in one of the topics."""

    topic: str
    key: bytes | None
    value: dict[str, Any]
    headers: list[tuple[str, bytes | str | None]] | None = None


@dataclass
class History:
    """One input partition, and all that is in the outputs, each topic of one partition."""

    messages: dict[int, bytes | None] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    """Offsets of messages that the audit cannot read."""
    records: list[Output] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    summary: SummaryRecord | None = None
    metrics_key: bytes | None = None
    metrics_headers: list[tuple[str, bytes | str | None]] | None = None
    beside_lines: dict[str, Any] = field(default_factory=dict)
    """Members of the metrics record beside its lines."""
    texts: dict[int, Text] = field(default_factory=dict)
    """Of summary records."""

    def record_of(self, offset: int) -> Output:
        return next(each for each in self.records if _offset(each.value) == offset)

    def line_of(self, offset: int) -> dict[str, Any]:
        return next(each for each in self.lines if _offset(each) == offset)


def history(
    values: Sequence[bytes | None],
    step: int = 1,
    old: frozenset[int] = frozenset(),
    unreadable_after: int = 0,
) -> History:
    """What the program makes of the messages.

    step: from one offset to the next. old: numbers of the messages that are too old.
    unreadable_after: so many that cannot be read follow them.
    """
    made = History({number * step: value for number, value in enumerate(values)})
    pipeline = Pipeline(SETTINGS, KEY)
    messages = [
        message(value, number * step, (1, NOW - 600_000 * (number in old)))
        for number, value in enumerate(values)
    ]
    work = pipeline.work(PARTITION, messages, NOW, {})
    if unreadable_after:
        end = len(values) * step
        batch = UnreadableBatch(end, end + unreadable_after, "_BAD_COMPRESSION: at 5")
        stand_ins = batch.records(end, unreadable_after)
        work.extend(pipeline.unreadable(PARTITION, stand_ins, NOW, {}))
        made.unreadable = {each.offset() for each in stand_ins}
        made.messages |= dict.fromkeys(made.unreadable)
    printer = SummaryPrinter(SETTINGS, "deadbeef")
    printer.restore(PARTITION, None, None, 0, 0.0)
    printer.add(PARTITION, work, 0.0)
    [(_, _, summary)] = printer.publish([PARTITION], NOW)
    made.summary = _decode_summary(summary)
    made.records = [Output(topic, key, json.loads(value)) for topic, key, value in work.records]
    for value in MessageMetrics.records(work.lines, 0.000004, NOW):
        made.lines += json.loads(value)["message_details"]
    return made


def audited(made: History, rules: Rules = EXACTLY_ONCE) -> tuple[list[Violation], Partition]:
    """The violations that are found, and the partition that was judged."""
    found: list[Violation] = []
    claims = [Claim.of_summary("the summary", made.summary)] if made.summary else []
    end = max(made.messages, default=0) + 1
    stretch = Stretch(PARTITION, 0, end, 0, end, claims)
    lanes = [Lane(topic, 0) for topic in TOPICS]
    partition = Partition(stretch, rules, lanes, found.append, made.texts)
    names = Names(SETTINGS.input_topic, PARTITION + 1)
    records, lines = RecordReader(SETTINGS, names), LineReader(SETTINGS, names)
    entry = InputReader(SETTINGS).entry
    with tempfile.TemporaryDirectory() as folder, Spill(Path(folder)) as spill:
        for offset, value in made.messages.items():
            is_unreadable = offset in made.unreadable
            read = (
                unreadable_entry(offset) if is_unreadable else entry(PARTITION, offset, value, None)
            )
            spill.add_run(PARTITION, [read])
        for position, output in enumerate(made.records):
            lane = TOPICS.index(output.topic)
            value = json.dumps(output.value).encode()
            number, record = records.read(output.topic, lane, position, value)
            others, faults = envelope(output.key, output.headers, record.key_user_id)
            record.others, record.faults = [*record.others, *others], [*record.faults, *faults]
            spill.add(number, record)
        others, _ = envelope(made.metrics_key, made.metrics_headers)
        for start in range(0, len(made.lines), MAX_LINES):
            part = made.lines[start : start + MAX_LINES]
            details = json.dumps({"message_details": part, **made.beside_lines}).encode()
            for each in lines.read(TOPICS.index("metrics-output"), start, details, others):
                assert isinstance(each, tuple), each
                spill.add(*each)
        for bucket in spill.buckets(PARTITION):
            partition.take(spill.take(PARTITION, bucket))
    partition.finish()
    return found, partition


def _offset(value: dict[str, Any]) -> int:
    return int(value["message_id"].rpartition("-")[2])


def _decode_summary(value: bytes) -> SummaryRecord:
    return SummaryRecord(**json.loads(value))
