"""`make bench`: all contestants side by side, on one broker and the same input, in turns.

Prints its tables; the full form, run to its end, writes them with plots into `docs/` too.
"""

import argparse
import os
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.contestant_process import PROJECT
from bench.contestants import CONTESTANTS
from bench.failures import exit_code_of
from bench.machine import describe_machine
from bench.plan import FULL, QUICK
from bench.plots import draw_plots
from bench.report import print_report, write_report
from bench.results import Results
from bench.tournament import Tournament
from dev.local_kafka import LocalKafka

WIDTH: Final = 120
"""Columns that the tables need."""
BROKER_PROPERTIES: Final = {
    # Else the files of the topics of each turn would fill the disk for a minute after it.
    "log.segment.delete.delay.ms": "1000",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="everything: takes over an hour")
    parser.add_argument("--only", default="", help="contestants whose name contains this")
    options = parser.parse_args()
    console = Console()
    if console.width < WIDTH:
        console = Console(width=WIDTH)
    plan = FULL if options.full else QUICK
    contestants = [each for each in CONTESTANTS if options.only.lower() in each.label.lower()]
    if not contestants:
        parser.error(f"no contestant is called {options.only!r}")
    results = Results(describe_machine(), f"{datetime.now(timezone.utc):%Y-%m-%d}", plan.form)
    file = Path(tempfile.gettempdir()) / f"kafka-processor-bench-{os.getpid()}.json"
    tournament = Tournament(plan, contestants, results, file, console)
    console.print(results.machine)
    exit_code = exit_code_of(
        lambda: _measure(tournament), console, "stopped before all was measured"
    )
    # What was measured before it failed or was stopped is reported all the same.
    print_report(results, console)
    if file.exists():
        console.print(f"kept in {file}")
    if options.full and not options.only and exit_code == 0:
        folder = PROJECT / "docs" / "benchmark"
        results.save(folder / "results.json")
        write_report(results, folder)
        draw_plots(results, folder)
        console.print(f"written to {folder}")
    return exit_code


def _measure(tournament: Tournament) -> int:
    tournament.prepare()
    with LocalKafka(heap="2g", properties=BROKER_PROPERTIES) as kafka:
        tournament.measure(kafka)
    return 0


if __name__ == "__main__":
    sys.exit(main())
