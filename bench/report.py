"""The tables of a run, for the terminal and for `docs/`."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.goals import OURS, goals
from bench.results import Growth, Results, median_latency, median_of, median_ratio


@dataclass(frozen=True)
class Sheet:
    """A table: the first column is text, the others are figures."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def sheets(results: Results) -> Iterator[Sheet]:
    """Those for which something was measured."""
    makers: list[Callable[[Results], Sheet]] = [_throughput, _latency, _memory, _jobs, _limits]
    for make in makers:
        sheet = make(results)
        if sheet.rows:
            yield sheet
    for title, growth in (
        ("Members of the group", results.members),
        ("Partitions", results.partitions),
        ("Bytes of an event", results.sizes),
        ("Messages of backlog", results.backlogs),
    ):
        if growth:
            yield _growth(title, growth)
    yield Sheet("Goals", ["goal", "target", "measured", ""], goals(results))


def print_report(results: Results, console: Console) -> None:
    for sheet in sheets(results):
        table = Table(title=sheet.title, title_justify="left", box=SIMPLE_HEAD)
        for number, column in enumerate(sheet.columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=True)
        for row in sheet.rows:
            table.add_row(*row)
        console.print(table)
    for label, reason in results.failed.items():
        console.print(f"[bold red]did not run:[/] {label}: {reason}")
    for label, settings in results.settings.items():
        console.print(f"[dim]{label}:[/] {settings}")


def write_report(results: Results, folder: Path) -> None:
    """Writes `tables.md`."""
    lines = [
        "# Benchmark",
        "",
        f"{results.machine}. Measured on {results.date} by `make bench FULL=1`, which wrote this",
        "page; `results.json` has each round. Figures are medians over the rounds; ratios are",
        "medians of the ratios within a round.",
        "",
    ]
    for sheet in sheets(results):
        lines += [f"## {sheet.title}", ""]
        lines.append("| " + " | ".join(sheet.columns) + " |")
        lines.append("| --- |" + " ---: |" * (len(sheet.columns) - 1))
        lines += ["| " + " | ".join(row) + " |" for row in sheet.rows]
        lines.append("")
    lines += ["## Settings", ""]
    lines += [f"- {label}: {settings}" for label, settings in results.settings.items()]
    if results.failed:
        lines += ["", "## Left out", ""]
        lines += [f"- {label}: {reason}" for label, reason in results.failed.items()]
    (folder / "tables.md").write_text("\n".join(lines) + "\n")


def _throughput(results: Results) -> Sheet:
    ours = results.throughput.get(OURS, [])
    rows = []
    for label, runs in results.throughput.items():
        ratio = median_ratio(runs, ours, "warm") if ours else math.nan
        rows.append(
            [
                label,
                f"{median_of(runs, 'warm'):,.0f}",
                f"{ratio:.2f}",
                f"{median_of(runs, 'overall'):,.0f}",
                f"{median_of(runs, 'cpu'):.1f}",
                f"{median_of(runs, 'broker_cpu'):.1f}",
                f"{median_of(runs, 'memory'):.0f}",
                f"{median_of(runs, 'start_seconds'):.1f}",
            ]
        )
    return Sheet(
        "Backlog: messages/s when warm and from the start, CPU a message, most memory",
        [
            "contestant",
            "messages/s",
            "/ ours",
            "cold",
            "CPU µs",
            "broker µs",
            "MB",
            "start s",
        ],
        rows,
    )


def _latency(results: Results) -> Sheet:
    rows = []
    for label, runs in results.steady.items():
        for rate in (latency.rate for latency in runs[0].latencies):
            figures = [median_latency(runs, rate, name) for name in ("p50", "p99", "p999", "cpu")]
            rows.append([label, f"{rate:,}", *(f"{figure:.0f}" for figure in figures)])
    return Sheet(
        "Latency from produce to a read_committed reader, ms",
        ["contestant", "messages/s", "p50", "p99", "p99.9", "CPU µs"],
        rows,
    )


def _memory(results: Results) -> Sheet:
    rows = []
    for label, runs in results.steady.items():
        at_rest = median(run.memory_at_rest for run in runs)
        steady = median(run.memory_most for run in runs)
        backlog = results.throughput.get(label)
        most = f"{median_of(backlog, 'memory'):.0f}" if backlog else ""
        rows.append([label, f"{at_rest:.0f}", f"{steady:.0f}", most])
    return Sheet(
        "Resident memory, MB",
        ["contestant", "at rest", "steady rates", "working off a backlog"],
        rows,
    )


def _jobs(results: Results) -> Sheet:
    rows = [
        [label, f"{job.records:,}", f"{job.differing:,}", job.audit]
        for label, job in results.jobs.items()
    ]
    return Sheet("The same job", ["contestant", "records", "other than ours", "audit"], rows)


def _limits(results: Results) -> Sheet:
    rows = [[name, f"{figure:,.0f}"] for name, figure in results.limits.items()]
    return Sheet("Kafka's own tools", ["tool", "messages/s"], rows)


def _growth(title: str, growth: Growth) -> Sheet:
    rows = [
        [
            label,
            f"{size:,}",
            f"{median_of(runs, 'warm'):,.0f}",
            f"{median_of(runs, 'cpu'):.1f}",
            f"{median_of(runs, 'seconds'):,.1f}",
            f"{median_of(runs, 'memory'):.0f}",
        ]
        for label, by_size in growth.items()
        for size, runs in by_size.items()
    ]
    columns = [
        "contestant",
        title.lower(),
        "messages/s",
        "CPU µs",
        "seconds",
        "MB",
    ]
    return Sheet(title, columns, rows)
