"""`make hostile`: hostile inputs against the daemon, on a broker of its own; Linux only.

Prints a table; a run of all inputs writes it into `docs/hardening.md` too.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.contestant_process import PROJECT
from bench.failures import exit_code_of
from bench.hostile.inputs import INPUTS, HostileInput
from bench.hostile.table import print_table, write_table
from bench.hostile.trial import Site, Trial, run_trial
from bench.machine import describe_machine
from dev.local_kafka import LocalKafka

PAGE: Final = PROJECT / "docs" / "hardening.md"
HEAP: Final = "1g"
"""Of the broker: what Kafka's own start script gives it."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make hostile", description=__doc__)
    parser.add_argument("--only", default="", help="inputs whose name contains this")
    options = parser.parse_args()
    console = Console()
    inputs = [each for each in INPUTS if options.only in each.name]
    if not inputs:
        parser.error(f"no input is called {options.only!r}")
    return exit_code_of(
        lambda: _run(inputs, is_complete=not options.only, console=console),
        console,
        "stopped before all was measured",
    )


def _run(inputs: list[HostileInput], *, is_complete: bool, console: Console) -> int:
    trials: list[Trial] = []
    for number, hostile in enumerate(inputs, start=1):
        console.print(f"[dim]{number} of {len(inputs)}:[/] {hostile.name}", highlight=False)
        trials.append(_try(number, hostile))
        if trials[-1].failure:
            console.print(f"  [bold red]failed:[/] {trials[-1].failure}", highlight=False)
    print_table(trials, console)
    if is_complete:
        write_table(trials, describe_machine(), PAGE)
        console.print(f"written to {PAGE}")
    return 1 if any(trial.failure for trial in trials) else 0


def _try(number: int, hostile: HostileInput) -> Trial:
    """On a broker of its own: some inputs leave one with little memory."""
    with tempfile.TemporaryDirectory(prefix="kafka-processor-hostile-") as name:
        folder = Path(name)
        with LocalKafka(folder=folder, heap=HEAP) as kafka:
            return run_trial(
                Site(kafka.bootstrap_servers, folder / "broker-1" / "data"), number, hostile
            )


if __name__ == "__main__":
    sys.exit(main())
