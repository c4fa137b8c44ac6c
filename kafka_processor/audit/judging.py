"""Judges one message by all outputs about it; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from kafka_processor.audit.entries import (
    FILTERED,
    NOTHING,
    OUTCOMES,
    PARSE_ERROR,
    PROCESSED,
    PUBLISH_ERROR,
    SKIPPED,
    UNKNOWN,
    UNREADABLE,
    Line,
    Message,
    Record,
)
from kafka_processor.audit.findings import CONTRADICTING, DOUBLED, LOST, PERSONAL
from kafka_processor.audit.personal import raw_values, raw_values_of_line

MAX_PLACES: Final = 100
"""Records that are listed in one finding: a message may have millions of forged ones."""
Where = tuple[int, int]
"""Lane and position of an output record."""

_FIELDS: Final = ("user_id", "app_version", "device_type", "locale", "timestamp")


@dataclass(frozen=True)
class Rules:
    """What is expected of one input partition."""

    exactly_once: bool
    has_metrics: bool
    first_message: int
    """Below this offset retention has deleted the input."""
    horizons: Sequence[int]
    """By outcome, the offset below which its record may have been deleted. The last one: of an
    unknown outcome, whose record may be in any topic."""
    line_horizon: int
    """The same for metrics lines."""


class Finding(NamedTuple):
    kind: str
    what: str
    records: Sequence[Where] = ()


class Judgement(NamedTuple):
    outcome: int
    """UNKNOWN if the outputs disagree."""
    findings: list[Finding]
    is_auditable: bool = True
    is_repeated: bool = False


def is_fine(message: Message, record: Record, line: Line) -> bool:
    """Whether a message with one record and one line is correct: a fast test for most messages.

    `judge` examines the others.
    """
    shown = (record.ip, record.device_id, record.key_id, record.written, line.written)
    return (
        record.outcome == line.outcome
        and line.fits_topic
        and record.user_id == message.user_id
        and record.key_user_id == message.user_id
        and record.app_version == message.app_version
        and record.device_type == message.device_type
        and record.locale == message.locale
        and (record.timestamp == message.timestamp or record.outcome == PROCESSED)
        and message.ip_folded not in shown
        and message.device_id_folded not in shown
        and record.outcome in (PROCESSED, FILTERED)
        and record.replay_of == message.replay_of == line.replay_of
        and not record.others
        and not record.faults
        and not line.others
    )


def judge(
    message: Message, records: Sequence[Record], lines: Sequence[Line], rules: Rules
) -> Judgement:
    """Judges a message of the input."""
    findings = [*_doubled(records, lines)] if rules.exactly_once else []
    missing, is_auditable = _missing(message.offset, records, lines, rules)
    findings += missing
    if not missing and is_auditable:
        findings += _disagreements(records, lines, rules)
    findings += _of_readability(message, records, lines)
    for record in records:
        findings += _of_content(message, record)
    for line in lines:
        findings += _of_line(message, line)
    is_repeated = not rules.exactly_once and (len(records) > 1 or len(lines) > 1)
    return Judgement(_outcome(records, lines, rules), findings, is_auditable, is_repeated)


def judge_unknown(
    offset: int, records: Sequence[Record], lines: Sequence[Line], rules: Rules
) -> Judgement:
    """Judges outputs about a message that the input does not have."""
    findings = [*_doubled(records, lines)] if rules.exactly_once else []
    is_deleted = offset < rules.first_message
    if not is_deleted:
        what = "there is no such message in the input"
        findings.append(Finding(CONTRADICTING, what, [*_places(records), *_places(lines)]))
    return Judgement(UNKNOWN, findings, is_auditable=not is_deleted)


def _doubled(records: Sequence[Record], lines: Sequence[Line]) -> Iterator[Finding]:
    if len(records) > 1:
        yield Finding(DOUBLED, f"{len(records)} records", _places(records))
    if len(lines) > 1:
        yield Finding(DOUBLED, f"{len(lines)} metrics lines", _places(lines))


def _missing(
    offset: int, records: Sequence[Record], lines: Sequence[Line], rules: Rules
) -> tuple[list[Finding], bool]:
    """Returns losses, and whether retention has left enough to judge them."""
    if lines or not rules.has_metrics:
        return _missing_record(offset, records, lines, rules)
    if offset < rules.line_horizon:
        return [], False  # even without a record: it may have been skipped
    if records or offset < rules.horizons[UNKNOWN]:
        return [Finding(LOST, "no metrics line", _places(records))], True
    return [Finding(LOST, "neither a record nor a metrics line")], True


def _missing_record(
    offset: int, records: Sequence[Record], lines: Sequence[Line], rules: Rules
) -> tuple[list[Finding], bool]:
    """Does the same for a message with a metrics line, or for all messages without metrics.

    Without metrics, a message without a record was skipped or lost; their number is compared with
    the summary.
    """
    if records or not lines or any(line.outcome == SKIPPED for line in lines):
        return [], True
    outcome = lines[-1].outcome
    if offset < rules.horizons[outcome]:
        return [], False
    what = f"no record; its metrics line says {_name(outcome)}"
    return [Finding(LOST, what, _places(lines))], True


def _disagreements(
    records: Sequence[Record], lines: Sequence[Line], rules: Rules
) -> Iterator[Finding]:
    """Yields contradictions between records and metrics lines. If repeats are allowed, one pair
    that agrees is enough."""
    unknown = _places([r for r in records if r.outcome == UNKNOWN])
    unknown += _places([line for line in lines if line.outcome == UNKNOWN])
    if unknown:
        yield Finding(CONTRADICTING, "its outcome is none of the contract's", unknown)
    if not lines:
        return
    outcomes = {record.outcome for record in records} or {SKIPPED}
    said = {line.outcome for line in lines}
    agrees = outcomes == said if rules.exactly_once else SKIPPED in said or bool(outcomes & said)
    if not agrees and UNKNOWN not in outcomes | said:
        what = f"{_names(said)} by its metrics line, {_names(outcomes)} by its record"
        yield Finding(CONTRADICTING, what, _places(records) + _places(lines))


def _of_readability(
    message: Message, records: Sequence[Record], lines: Sequence[Line]
) -> Iterator[Finding]:
    """An unreadable message, and no other, must have an error that reports it as unreadable."""
    if message.is_unreadable:
        wrong = [each for each in records if each.others or not _says_unreadable(each)]
        others = [line for line in lines if line.outcome != PARSE_ERROR]
        if wrong or others:
            what = "its record cannot be read, but the outcome says something else, or more"
            yield Finding(CONTRADICTING, what, _places(wrong) + _places(others))
    elif wrong := [record for record in records if _says_unreadable(record)]:
        what = "its record can be read, but its error says that it cannot"
        yield Finding(CONTRADICTING, what, _places(wrong))


def _says_unreadable(record: Record) -> bool:
    return record.outcome == PARSE_ERROR and record.text.startswith(UNREADABLE)


def _of_content(message: Message, record: Record) -> Iterator[Finding]:
    place = _places([record])
    personal = [*raw_values(message, record)]
    yield from (Finding(PERSONAL, f"raw {what}", place) for what in personal)
    if record.faults and not personal:
        yield Finding(CONTRADICTING, ", ".join(record.faults), place)
    if record.outcome == UNKNOWN:
        return
    differing = [*_differing_fields(message, record)]
    if differing:
        what = f"not the input's: {', '.join(differing)}"
        yield Finding(CONTRADICTING, what, place)
    if record.replay_of != message.replay_of:
        what = "replay_of is not the input's header replay-of"
        yield Finding(CONTRADICTING, what, place)


def _differing_fields(message: Message, record: Record) -> Iterator[str]:
    """Yields fields that pass through but differ from the input."""
    user_id = NOTHING if record.outcome == PARSE_ERROR else message.user_id
    has_content = record.outcome not in (PARSE_ERROR, PUBLISH_ERROR)
    if record.key_user_id != user_id:
        yield "user_id"
    for field in _FIELDS:
        if record.outcome == PROCESSED and field in ("user_id", "timestamp"):
            continue  # user_id is compared above; the timestamp has another form
        expected = getattr(message, field) if has_content else NOTHING
        if getattr(record, field) != expected:
            yield field if record.outcome == PROCESSED else f"message_content.{field}"


def _of_line(message: Message, line: Line) -> Iterator[Finding]:
    place = _places([line])
    personal = raw_values_of_line(message, line)
    yield from (Finding(PERSONAL, f"raw {what}", place) for what in personal)
    if line.outcome != UNKNOWN and not line.fits_topic:
        what = f"its metrics line names another topic than that of {_name(line.outcome)}"
        yield Finding(CONTRADICTING, what, place)
    if line.replay_of != message.replay_of:
        what = "replay_of of its metrics line is not the input's header replay-of"
        yield Finding(CONTRADICTING, what, place)


def _outcome(records: Sequence[Record], lines: Sequence[Line], rules: Rules) -> int:
    """Returns the outcome on which all outputs agree, otherwise UNKNOWN."""
    outcomes = {record.outcome for record in records} | {line.outcome for line in lines}
    if not outcomes and not rules.has_metrics:
        return SKIPPED
    return outcomes.pop() if len(outcomes) == 1 else UNKNOWN


def _places(entries: Sequence[Record] | Sequence[Line]) -> list[Where]:
    return [(each.lane, each.position) for each in entries[:MAX_PLACES]]


def _name(outcome: int) -> str:
    return OUTCOMES[outcome] if outcome != UNKNOWN else "something else"


def _names(outcomes: set[int]) -> str:
    return " and ".join(_name(outcome) for outcome in sorted(outcomes))
