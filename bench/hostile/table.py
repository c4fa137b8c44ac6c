"""The table of the trials, for the terminal and for `docs/hardening.md`."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.hostile.trial import Trial

COLUMNS: Final = ("input", "on disk", "peak memory", "passed in", "stopped in", "outcomes")
BEGIN: Final = "<!-- measured: make hostile -->"
END: Final = "<!-- end of what was measured -->"


def row(trial: Trial) -> tuple[str, ...]:
    outcomes = [f"{count:,} {outcome}" for outcome, count in trial.outcomes.most_common()]
    outcomes += [f"{count:,} refused: {reason}" for reason, count in trial.refused.items()]
    if trial.failure:
        outcomes.append(f"failed: {trial.failure}")
    return (
        trial.name,
        _bytes(trial.on_disk),
        _measured(trial.peak, "MB", 0),
        _measured(trial.seconds, "s", 1),
        _measured(trial.stop_seconds, "s", 1),
        "; ".join(outcomes),
    )


def print_table(trials: Sequence[Trial], console: Console) -> None:
    table = Table(box=SIMPLE_HEAD)
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number in (0, len(COLUMNS) - 1) else "right")
    for trial in trials:
        table.add_row(*row(trial))
    console.print(table, highlight=False)


def write_table(trials: Sequence[Trial], machine: str, page: Path) -> None:
    """Replaces what stands between the markers of the page."""
    head, _, rest = page.read_text("utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    lines = [BEGIN, f"Measured on: {machine}.", "", *markdown(trials), END]
    page.write_text(head + "\n".join(lines) + tail, "utf-8")


def markdown(trials: Sequence[Trial]) -> list[str]:
    align = ["---", *["---:"] * (len(COLUMNS) - 2), "---"]
    rows = [COLUMNS, align, *(row(trial) for trial in trials)]
    return [f"| {' | '.join(cells)} |" for cells in rows]


def _bytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _measured(value: float, unit: str, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:,.{digits}f} {unit}"
