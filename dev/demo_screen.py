"""What the demo shows: pure, from a `View` to something that rich can draw."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dev.demo_ledger import Counts, Input, Latest, SummaryTotals
from kafka_processor.outcomes import OUTCOMES

_COUNTS_HEIGHT: Final = 9
_MOST_COUNTS_HEIGHT: Final = 20
_MASKED_HEIGHT: Final = 6
_LATEST_HEIGHT: Final = 7
_COLOURS: Final = {"processed": "green", "filtered": "yellow", "skipped": "cyan"}


@dataclass(frozen=True)
class View:
    """All that one picture needs; times in seconds."""

    elapsed: float
    limit: float | None
    sent: int
    rate: float
    """Sent a second, lately."""
    counts: Counts
    latency_p50: float | None
    latency_p99: float | None
    totals: SummaryTotals
    latest: Latest
    phase: str
    """What goes on, in two or three words."""
    hint: str
    """A command to try from another terminal."""
    dashboard: str
    """Where the page is."""


def printable(value: str | bytes | None, most: int = 200) -> str:
    """Text that is safe on a terminal: control characters and bad UTF-8 as escapes, cut short."""
    if value is None:
        return "(null value)"
    text = (
        value[: most * 4].decode(errors="backslashreplace") if isinstance(value, bytes) else value
    )
    shown = "".join(char if char.isprintable() else _escaped(char) for char in text[:most])
    return shown or "(empty)"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode()


def plain_line(view: View) -> str:
    """The state in one line, for where there is no terminal."""
    outcomes = view.counts.outcomes
    parts = [f"{name} {outcomes[name]:,}" for name in OUTCOMES if outcomes[name]]
    return (
        f"{view.elapsed:4.0f} s  {view.phase}: sent {view.sent:,} ({view.rate:,.0f}/s)  "
        f"{'  '.join(parts) or 'nothing yet'}  {_latency(view)}"
    )


def draw(view: View, width: int, height: int) -> Layout:
    """The whole screen; fits 80x24 and uses what is there beyond."""
    hint_height = 1 if len(view.hint) <= width else 2
    left = height - 1 - _MASKED_HEIGHT - _LATEST_HEIGHT - hint_height
    counts_height = min(max(left, _COUNTS_HEIGHT), _MOST_COUNTS_HEIGHT)
    screen = Layout()
    screen.split_column(
        Layout(_headline(view, width), size=1),
        Layout(name="counts", size=counts_height),
        Layout(_masked_panel(view.latest), size=_MASKED_HEIGHT),
        Layout(_latest_panel(view.latest, view.dashboard), name="latest"),
        Layout(Text(view.hint, "dim", overflow="fold"), size=hint_height),
    )
    screen["counts"].split_row(
        Layout(_outcomes_panel(view), size=36),
        Layout(_summary_panel(view.totals, width - 40, counts_height - 2)),
    )
    return screen


def _headline(view: View, width: int) -> Text:
    waiting = max(view.sent - view.counts.handled, 0)
    numbers = f"sent {view.sent:,}  {view.rate:,.0f}/s  waiting {waiting:,}  {_latency(view)}"
    limit = f"/{view.limit:.0f}" if view.limit else ""
    state = f"{view.phase} {view.elapsed:.0f}{limit} s"
    room = max(width - len(state) - 1, 0)
    return Text.assemble((f"{numbers[:room]:<{room}}", "bold"), " ", state)


def _latency(view: View) -> str:
    if view.latency_p50 is None or view.latency_p99 is None:
        return "latency -"
    return f"latency p50 {view.latency_p50 * 1000:.0f} p99 {view.latency_p99 * 1000:.0f} ms"


def _outcomes_panel(view: View) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True, width=6)
    handled = max(view.counts.handled, 1)
    for outcome in OUTCOMES:
        count = view.counts.outcomes[outcome]
        if count or outcome != "publish_error":
            style = _COLOURS.get(outcome, "red")
            table.add_row(Text(outcome, style), f"{count:,}", f"{count / handled:.1%}")
    return Panel(table, title="outcomes", title_align="left", border_style="dim")


def _summary_panel(totals: SummaryTotals, width: int, rows: int) -> Panel:
    devices = totals.device_types.most_common(2)
    locales = totals.locales.most_common(rows - len(devices))
    bars = Group(_bars(devices, width, "magenta"), _bars(locales, width, "blue"))
    return Panel(
        bars if devices else Text("comes after 1,000 messages, at the latest after 5 s", "dim"),
        title="summary-output: device types, locales",
        title_align="left",
        border_style="dim",
    )


def _bars(counts: Iterable[tuple[str, int]], width: int, style: str) -> RenderableType:
    rows = list(counts)
    longest = max((count for _, count in rows), default=1)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, justify="right", width=9)
    table.add_column(no_wrap=True)
    room = max(width - 22, 4)
    for label, count in rows:
        bar = "█" * max(round(count / longest * room), 1)
        table.add_row(printable(label, 9), f"{count:,}", Text(bar, style))
    return table


def _masked_panel(latest: Latest) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, width=9)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(width=1)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    title = "user-login → processed-output"
    if latest.processed:
        record, origin = latest.processed
        before = _fields(origin)
        title = f"{title}: {printable(record.message_id)}"
        for name, after in (
            ("user_id", record.user_id),
            ("ip", record.ip),
            ("device_id", record.device_id),
            ("timestamp", record.timestamp),
        ):
            raw = printable(str(before.get(name)))
            is_same = raw == after
            table.add_row(
                Text(name, "dim"),
                Text(raw, "" if is_same else "red"),
                "=" if is_same else "→",
                Text(printable(after), "" if is_same else "green"),
            )
    return Panel(table, title=title, title_align="left", border_style="dim")


def _fields(origin: Input) -> Mapping[str, object]:
    fields = json.loads(origin.value or b"{}")
    return fields if isinstance(fields, dict) else {}


def _latest_panel(latest: Latest, dashboard: str) -> Panel:
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column(no_wrap=True, width=16)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    for name, text, style in _latest_rows(latest):
        table.add_row(Text(name, style), Text(text))
    return Panel(
        table,
        title="latest of the others",
        title_align="left",
        # On the border: there is no line to spare on a screen of 24.
        subtitle=f"dashboard: {dashboard}",
        subtitle_align="right",
        border_style="dim",
    )


def _latest_rows(latest: Latest) -> Iterable[tuple[str, str, str]]:
    """Topic, text and colour of each row."""
    if latest.error:
        error, origin = latest.error
        yield "processed-errors", printable(f"{error.error_type}, {error.error_message}"), "red"
        yield "  came in as", printable(origin.value), "dim"
    if latest.cleaned:
        cleaned, _ = latest.cleaned
        content = cleaned.message_content
        version, ip = content.get("app_version"), content.get("ip")
        text = f"{cleaned.clean_type}: app_version {version!s}, ip {ip!s}"
        yield "cleaned-data", printable(text), "yellow"
    if latest.skipped:
        skipped = latest.skipped
        text = f"{skipped.message_id} skipped, {skipped.latency or 0:.0f} s old"
        yield "metrics-output", printable(text), "cyan"
    if latest.summary:
        summary = latest.summary
        text = (
            f"partition {summary.source_partition}: {summary.total_received_count:,} received, "
            f"{summary.processed_count:,} processed, up to offset {summary.next_offset:,}"
        )
        yield "summary-output", printable(text), "blue"
