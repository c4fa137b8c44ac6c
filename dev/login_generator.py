"""Sends realistic login events to the input topic: `python -m dev.login_generator --rate 1000`.

Uses the daemon's connection settings and INPUT_TOPIC, from the environment or `.env`.
"""

import argparse
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from dev.login_producer import GeneratorError, LoginProducer, Plan
from dev.logins import EXPECTED_OUTCOMES, LoginEvents, Shares
from kafka_processor.config import load_settings
from kafka_processor.environment.reading import read_environment
from kafka_processor.errors import SettingsError

UNLIMITED = "max"
Number = TypeVar("Number", int, float)


def main() -> int:
    """Returns the exit code: 1 if not every record was acknowledged, 2 for wrong settings."""
    try:
        given = read_environment(os.environ).values
        options = _parser(given).parse_args()
        settings = load_settings(given)
        shares = Shares(options.faulty, options.old, options.filtered, options.ipv6)
    except SettingsError as error:
        return _fail("\n".join(error.lines), 2)
    except ValueError as error:
        return _fail(str(error), 2)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    events = LoginEvents(options.seed, shares)
    producer = LoginProducer(settings, events, _say, keyed=options.key == "user_id")
    try:
        if not producer.wait_for_topic(stop):
            return 0
    except GeneratorError as error:
        return _fail(str(error), 1)
    started = time.monotonic()
    plan = Plan(options.rate, options.count, options.seconds)
    work = threading.Thread(target=producer.run, args=(plan, stop))
    work.start()
    while work.is_alive():
        work.join(0.5)
        if sys.stderr.isatty():
            _show_progress(producer, time.monotonic() - started)
    _close_account(producer, settings.input_topic, time.monotonic() - started)
    return 1 if producer.failed else 0


def _parser(given: Mapping[str, str]) -> argparse.ArgumentParser:
    """Each option can be given as environment variable too: GENERATOR_RATE for --rate."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.login_generator",
        description="Sends realistic login events to INPUT_TOPIC.",
        epilog="Each option has an environment variable: GENERATOR_RATE for --rate, and so on. "
        "The connection settings are kafka_processor's.",
    )

    def add(name: str, kind: Callable[[str], Any], default: str | None, text: str) -> None:
        default = given.get(f"GENERATOR_{name.upper()}", default)
        shown = f"{text} (default: {default})" if default else text
        parser.add_argument(f"--{name}", type=kind, default=default, help=shown, metavar="X")

    add("rate", _rate, "100", f"events a second, or {UNLIMITED}: as fast as possible")
    add("count", positive(int), None, "stop after so many events")
    add("seconds", positive(float), None, "stop after so many seconds")
    add("seed", int, "1", "the same seed gives the same users and events")
    add("faulty", float, "0.05", "share of events with an error, from 0 to 1")
    add("old", float, "0.02", "share of events that are 5 minutes old")
    add("filtered", float, "0.03", "share of events of other app versions")
    add("ipv6", float, "0.1", "share of devices with an IPv6 address")
    add("key", _key, "user_id", "key of the records, user_id or none")
    return parser


def _rate(text: str) -> float | None:
    return None if text == UNLIMITED else positive(float)(text)


def _key(text: str) -> str:
    if text not in ("user_id", "none"):
        raise argparse.ArgumentTypeError(f"{text!r} is neither user_id nor none")
    return text


def positive(kind: Callable[[str], Number]) -> Callable[[str], Number]:
    """For argparse: reads a number of that kind, greater than 0."""

    def parse(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = kind("0")
        if not 0 < number < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is no number greater than 0")
        return number

    return parse


def _show_progress(producer: LoginProducer, seconds: float) -> None:
    acknowledged = producer.acknowledged
    rate = acknowledged / max(seconds, 0.1)
    print(f"\r\033[K{acknowledged:,} sent, {rate:,.0f}/s", end="", file=sys.stderr, flush=True)


def _close_account(producer: LoginProducer, topic: str, seconds: float) -> None:
    by_outcome = producer.acknowledged_by_outcome()
    sent = sum(by_outcome.values())
    parts = [f"{name} {by_outcome[name]:,}" for name in EXPECTED_OUTCOMES if by_outcome[name]]
    _say(f"{sent:,} acknowledged in {topic}, {sent / max(seconds, 0.001):,.0f}/s")
    if parts:
        _say(f"expected outcomes: {', '.join(parts)}")
    if producer.failed:
        _say(f"error: {producer.failed:,} were not acknowledged: {producer.last_error}")


def _say(line: str) -> None:
    start = "\r\033[K" if sys.stderr.isatty() else ""
    print(f"{start}{line}", file=sys.stderr, flush=True)


def _fail(message: str, exit_code: int) -> int:
    print("\n".join(f"error: {line}" for line in message.splitlines()), file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
