"""The report: tables and sentences for a terminal, or JSON, one object a line."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kafka_processor.audit.auditing import Result
from kafka_processor.audit.findings import (
    CONTRADICTING,
    DOUBLED,
    KINDS,
    LOST,
    PERSONAL,
    Tally,
    Violation,
)
from kafka_processor.config import Settings
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.screen import BOLD, CYAN, DIM, GAP, GREEN, RED, YELLOW, Screen

NAMED: Final = 4
"""Partitions that are listed for a note."""
SHOWN: Final = 20
"""Violations that are listed; JSON has all."""

_STYLES: Final = {LOST: RED, DOUBLED: RED, CONTRADICTING: YELLOW, PERSONAL: RED}
_WORDS: Final = {
    LOST: "lost",
    DOUBLED: "doubled",
    CONTRADICTING: "contradicting",
    PERSONAL: "with a raw personal value in an output",
}
_encode = msgspec.json.Encoder().encode


class Report:
    """Takes violations as they are found, and the result at the end."""

    def __init__(self, settings: Settings, as_json: bool) -> None:
        self._settings = settings
        self._as_json = as_json
        self._screen = Screen()
        self._shown: list[Violation] = []
        self._count = 0

    def violation(self, violation: Violation) -> None:
        self._count += 1
        if self._as_json:
            self._print_json({"violation": self._as_object(violation)})
        elif len(self._shown) < SHOWN:
            self._shown.append(violation)

    def verdict(self, result: Result) -> bool:
        """Prints the report; returns whether all is well."""
        total = Tally()
        for tally in result.tallies.values():
            total.add(tally)
        is_ok = not self._count
        sentence = self._sentence(total, result)
        if self._as_json:
            self._print_json({"verdict": self._verdict(result, total, is_ok, sentence)})
            return is_ok
        print("\n".join(self._table(result, total)))
        notes = [*self._notes(result, total)]
        if notes:
            print()
        for note in notes:
            print(self._screen.styled(self._screen.wrapped(printable(note), 0), DIM))
        if self._shown:
            print()
        for violation in self._shown:
            print("\n".join(self._lines(violation)))
        if self._count > len(self._shown):
            print(f"... and {self._count - len(self._shown):,} more; --json has all of them")
        style = GREEN if is_ok else RED
        print(f"\n{self._screen.styled(self._screen.wrapped(sentence, 0), style)}")
        return is_ok

    def _sentence(self, total: Tally, result: Result) -> str:
        messages = f"{total.audited:,} message{'' if total.audited == 1 else 's'}"
        excepted = (
            f"; {total.not_auditable:,} not auditable, due to retention"
            if total.not_auditable
            else ""
        )
        if self._count:
            found = [f"{n:,} {_WORDS[kind]}" for kind in KINDS if (n := total.violations[kind])]
            if result.strange:
                found.append(f"{result.strange:,} output records not of the contract's form")
            return f"WRONG, in {messages}: {', '.join(found)}{excepted}"
        if not total.audited:
            return f"OK: there is nothing to audit in this range{excepted}"
        exactly = self._settings.delivery == "exactly-once"
        how = "each exactly once" if exactly else "each at least once"
        repeated = f", {total.repeated:,} of them repeated" if total.repeated else ""
        return f"OK: {messages}, {how}{repeated}{excepted}"

    def _table(self, result: Result, total: Tally) -> Iterator[str]:
        topic = self._settings.input_topic
        rows = [(f"{topic}-{number}", tally) for number, tally in sorted(result.tallies.items())]
        if len(rows) > 1:
            rows.append(("total", total))
        names = ["PARTITION", *(name for name, _ in rows)]
        outcomes = _columns([tally for _, tally in rows], total)
        problems = _problems([tally for _, tally in rows])
        width = max(map(len, names)) + sum(
            len(GAP) + len(column[0]) for column in (*outcomes, *problems)
        )
        is_narrow = self._screen.width is not None and width > self._screen.width
        for block in [outcomes, problems] if is_narrow else [[*outcomes, *problems]]:
            yield from self._block(names, block)
            if is_narrow and block is outcomes:
                yield ""

    def _block(self, names: Sequence[str], columns: Sequence[Sequence[str]]) -> Iterator[str]:
        styled = self._screen.styled
        width = max(map(len, names))
        for number, name in enumerate(names):
            cells = "".join(GAP + column[number] for column in columns)
            start = styled(name.ljust(width), BOLD if name in ("PARTITION", "total") else CYAN)
            yield start + (cells if number else styled(cells, BOLD))

    def _notes(self, result: Result, total: Tally) -> Iterator[str]:
        concerned: dict[str, list[str]] = {}
        for stretch in result.stretches:
            for note in stretch.notes:
                name = f"{self._settings.input_topic}-{stretch.partition}"
                concerned.setdefault(note, []).append(name)
        for note, names in concerned.items():
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield f"{', '.join(names[:NAMED])}{more}: {note}"
        if total.unreadable:
            yield (
                f"{total.unreadable:,} offsets of the input cannot be read: only their outcome was "
                "checked, which must say so"
            )
        if result.of_other_inputs:
            yield f"skipped: {result.of_other_inputs:,} outcomes of other input topics"
        if not self._settings.metrics_topic and total.skipped:
            yield (
                f"METRICS_TOPIC is off: the {total.skipped:,} messages without a record count as "
                "skipped; only their number can be compared with the summary"
            )

    def _lines(self, violation: Violation) -> Iterator[str]:
        kind = self._screen.styled(f"{violation.kind:13}", _STYLES[violation.kind])
        start = f"{kind}{GAP}"
        subject = f"{self._subject(violation)}: " if violation.partition is not None else ""
        yield start + self._screen.wrapped(f"{subject}{printable(violation.what)}", 15)
        if violation.records:
            at = ", ".join(f"{topic}-{n} at offset {at}" for topic, n, at in violation.records)
            yield " " * 15 + self._screen.styled(self._screen.wrapped(at, 15), DIM)

    def _subject(self, violation: Violation) -> str:
        partition = f"{self._settings.input_topic}-{violation.partition}"
        return partition if violation.offset is None else f"{partition}-{violation.offset}"

    def _as_object(self, violation: Violation) -> dict[str, Any]:
        is_message = violation.offset is not None
        return {
            "kind": violation.kind,
            "message_id": self._subject(violation) if is_message else None,
            "partition": violation.partition,
            "offset": violation.offset,
            "what": violation.what,
            "records": [place._asdict() for place in violation.records],
        }

    def _verdict(self, result: Result, total: Tally, is_ok: bool, text: str) -> dict[str, Any]:
        settings = self._settings
        return {
            "ok": is_ok,
            "text": text,
            "consumer_group": settings.consumer_group,
            "input_topic": settings.input_topic,
            "delivery": settings.delivery,
            "violations": self._count,
            "output_records_not_of_the_form": result.strange,
            "outcomes_of_other_inputs": result.of_other_inputs,
            "total": _counts(total),
            "partitions": [
                {
                    "partition": stretch.partition,
                    "from_offset": stretch.start,
                    "to_offset": stretch.stop,
                    **_counts(result.tallies[stretch.partition]),
                    "notes": stretch.notes,
                }
                for stretch in result.stretches
            ],
        }

    def _print_json(self, value: Any) -> None:
        sys.stdout.buffer.write(_encode(value) + b"\n")


def _columns(tallies: Sequence[Tally], total: Tally) -> list[list[str]]:
    columns = [
        _column("MESSAGES", [t.audited for t in tallies]),
        _column("PROCESSED", [t.processed for t in tallies]),
        _column("FILTERED", [t.filtered for t in tallies]),
        _column("SKIPPED", [t.skipped for t in tallies]),
        _column("ERRORS", [t.errors for t in tallies]),
    ]
    if total.unknown:
        columns.append(_column("UNCLEAR", [t.unknown for t in tallies]))
    if total.unreadable:
        columns.append(_column("UNREADABLE", [t.unreadable for t in tallies]))
    if total.repeated:
        columns.append(_column("REPEATED", [t.repeated for t in tallies]))
    return columns


def _problems(tallies: Sequence[Tally]) -> list[list[str]]:
    titles = {LOST: "LOST", DOUBLED: "DOUBLED", CONTRADICTING: "CONTRADICTING"}
    return [
        *(_column(title, [t.violations[kind] for t in tallies]) for kind, title in titles.items()),
        _column("PERSONAL", [t.violations[PERSONAL] for t in tallies]),
        _column("NOT AUDITABLE", [t.not_auditable for t in tallies]),
    ]


def _column(title: str, numbers: Sequence[int]) -> list[str]:
    cells = [title, *(f"{number:,}" for number in numbers)]
    width = max(map(len, cells))
    return [cell.rjust(width) for cell in cells]


def _counts(tally: Tally) -> dict[str, Any]:
    return {
        "messages": tally.audited,
        "processed": tally.processed,
        "filtered": tally.filtered,
        "skipped": tally.skipped,
        "errors": tally.errors,
        "unknown": tally.unknown,
        "repeated": tally.repeated,
        "unreadable": tally.unreadable,
        "not_auditable": tally.not_auditable,
        **tally.violations,
    }
