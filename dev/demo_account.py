"""The closing account: is what was sent what the topics hold and what the daemon counted?"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from dev.demo_ledger import Ledger
from kafka_processor.outcomes import ERROR_TYPES, OUTCOMES

NOT_ERRORS = [outcome for outcome in OUTCOMES if outcome not in ERROR_TYPES]


@dataclass(frozen=True)
class Account:
    """Three counts of the same messages, by outcome, and what is wrong with them."""

    sent: Mapping[str, int]
    """Acknowledged by the broker, by the outcome that each has by the contract."""
    found: Mapping[str, int]
    """In the topics, read committed."""
    summed: Mapping[str, int]
    """In the summaries."""
    problems: tuple[str, ...]


def close_account(
    sent: Mapping[str, int], unacknowledged: int, ledger: Ledger, problems: Iterable[str]
) -> Account:
    """`ledger` has been read to the end of all topics; `problems` were seen before."""
    found = ledger.counts.outcomes
    summed = ledger.summary_totals().outcomes
    problems = (
        *problems,
        *_wrong_totals(sum(sent.values()), unacknowledged, ledger),
        *_wrong_outcomes(sent, found, "were expected", "are in the topics"),
        *_wrong_outcomes(found, summed, "are in the topics", "in the summary"),
    )
    return Account(sent, found, summed, problems)


def _wrong_totals(sent: int, unacknowledged: int, ledger: Ledger) -> Iterator[str]:
    counts = ledger.counts
    if unacknowledged:
        yield f"{unacknowledged:,} events were not acknowledged by the broker"
    if counts.received != sent:
        yield f"{sent:,} sent, but the input topic holds {counts.received:,}"
    if counts.metrics_lines != counts.received:
        yield f"{counts.received:,} messages, but {counts.metrics_lines:,} lines in the metrics"
    if lost := ledger.without_outcome():
        yield f"{lost:,} messages have no outcome"
    if doubled := ledger.with_several_outcomes():
        yield f"{doubled:,} messages have more than one outcome"


def _wrong_outcomes(
    first: Mapping[str, int], second: Mapping[str, int], of_first: str, of_second: str
) -> Iterator[str]:
    for outcome in OUTCOMES:
        one, other = first.get(outcome, 0), second.get(outcome, 0)
        if one != other:
            yield f"{outcome}: {one:,} {of_first}, {other:,} {of_second}"


def account_lines(account: Account) -> RenderableType:
    """The account for people, at most 80 columns wide."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    table.add_column("outcome")
    for title in ("sent", "in the topics", "summary-output"):
        table.add_column(title, justify="right")
    counts = (account.sent, account.found, account.summed)
    for outcome in OUTCOMES:
        if any(count.get(outcome) for count in counts):
            numbers = [count.get(outcome, 0) for count in counts]
            table.add_row(outcome, *_marked(numbers))
    table.add_row("all", *_marked([sum(count.values()) for count in counts]), style="bold")
    return Group(table, Text(), _verdict(account))


def _marked(numbers: list[int]) -> list[Text]:
    style = "" if len(set(numbers)) == 1 else "bold red"
    return [Text(f"{number:,}", style) for number in numbers]


def _verdict(account: Account) -> Text:
    sent = sum(account.sent.values())
    if account.problems:
        lines = "".join(f"\n  {problem}" for problem in account.problems)
        return Text.assemble(("DOES NOT ADD UP", "bold red"), f": {sent:,} sent", lines)
    parts = [f"{account.found.get(outcome, 0):,} {outcome}" for outcome in NOT_ERRORS]
    errors = sum(count for outcome, count in account.found.items() if outcome not in NOT_ERRORS)
    total = " + ".join([*parts, f"{errors:,} errors"])
    return Text.assemble(
        ("adds up", "bold green"), f": {sent:,} sent = {total};\neach message has one outcome"
    )
