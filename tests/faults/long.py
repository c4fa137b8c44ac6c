"""`make faults`: all fault tests, the long ones too, again and again; a table at the end."""

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.report import Report

TEST_TIMEOUT = 3600
"""Seconds for one test: fifty kills without an INSTANCE_ID take a quarter of an hour."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", default=secrets.token_hex(4), help="of all random moments")
    parser.add_argument("--rounds", type=int, default=1, help="how often everything is run")
    parser.add_argument("--minutes", type=float, help="begin rounds for so long, instead")
    parser.add_argument(
        "--kills",
        type=int,
        default=25,
        help="in each test of random kills with an INSTANCE_ID, half without",
    )
    parser.add_argument("--only", default="", help="tests to choose, as pytest's -k")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    report = Report()
    began = time.monotonic()
    number = failed = 0
    while _goes_on(options, number, time.monotonic() - began):
        number += 1
        print(f"round {number}", flush=True)
        failed += _run(report, f"{options.seed}-{number}", options.kills, options.only)
    print(f"\nseed {options.seed}, {number} rounds, {failed} failed, ", end="")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes\n")
    print("\n".join(report.lines()))
    return 1 if failed else 0


def _goes_on(options: argparse.Namespace, rounds: int, seconds: float) -> bool:
    if options.minutes is not None:
        return bool(seconds < options.minutes * 60)
    return bool(rounds < options.rounds)


def _run(report: Report, seed: str, kills: int, only: str) -> bool:
    """One round in a process of its own; adds to the report, and says whether it failed."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.json"
        own = {"FAULT_SEED": seed, "FAULT_KILLS": str(kills), "FAULT_REPORT": str(file)}
        arguments = ["tests/faults", "-v", "-m", "", "-k", only, "-o", f"timeout={TEST_TIMEOUT}"]
        result = subprocess.run(
            [sys.executable, "-m", "pytest", *arguments], env=os.environ | own, check=False
        )
        if file.exists():
            report.load(file)
    return result.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
