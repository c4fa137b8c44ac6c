"""A try-out in one command: a local Kafka, the daemon, login events, and a look at it all.

`python -m dev.demo --seconds 20`. It ends with an account of every event that was sent.
"""

import argparse
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from confluent_kafka import KafkaException

try:
    from rich.console import Console
except ImportError:
    sys.exit("error: the demo needs more packages: pip install -e '.[demo]'")

from dev.demo_account import Account, account_lines, close_account
from dev.demo_daemon import Daemon, DemoError
from dev.demo_topics import TopicReader
from dev.demo_watch import Watch
from dev.local_kafka import LocalKafka, LocalKafkaError
from dev.login_generator import positive
from dev.login_producer import LoginProducer, Plan
from dev.logins import LoginEvents, Shares
from kafka_processor.clients.kafka_errors import describe, error_of
from kafka_processor.config import PROJECT_FOLDER

SEED: Final = 1
END_TIMEOUT: Final = 10.0
"""Seconds to read the topics to their end."""
EXIT_INTERRUPTED: Final = 130


def main() -> int:
    """Returns the exit code: 1 if the account does not add up or something failed."""
    options = _read_arguments()
    _handle_signals(signal.default_int_handler)
    try:
        return _demo(Plan(options.rate, seconds=options.seconds))
    except (DemoError, LocalKafkaError) as error:
        return _fail(str(error))
    except KafkaException as exception:
        return _fail(f"the local Kafka failed: {describe(error_of(exception))}")
    except KeyboardInterrupt:
        _fail("stopped before there was an account")
        return EXIT_INTERRUPTED


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m dev.demo",
        description="Shows kafka_processor at work on a Kafka of its own, with default settings.",
    )
    number = positive(float)
    parser.add_argument("--seconds", type=number, help="send so long (default: until Ctrl-C)")
    parser.add_argument("--rate", type=number, default=500.0, help="events a second (default: 500)")
    return parser.parse_args()


def _demo(plan: Plan) -> int:
    with ExitStack() as stack:
        with _step("Starting a local Kafka"):
            kafka = stack.enter_context(LocalKafka())
        with _step("Starting kafka_processor, which creates its topics"):
            daemon = Daemon(kafka.bootstrap_servers)
            stack.callback(daemon.close)
            daemon.start()
        with _step("Starting the dashboard"):
            dashboard = daemon.start_dashboard()
        reader = TopicReader(daemon.settings)
        stack.callback(reader.close)
        reader.start()
        _say_what_to_do(kafka.bootstrap_servers, plan, dashboard)

        def check() -> None:
            daemon.check_that_it_runs()
            kafka.brokers[0].check_that_it_runs()
            if reader.problem:
                raise DemoError(reader.problem)

        events = LoginEvents(SEED, Shares())
        producer = LoginProducer(daemon.settings, events, lambda _: None, keyed=True)
        hint = _command(kafka.bootstrap_servers, "verify_summary_data.py")
        watch = Watch(reader, producer, check, limit=plan.seconds, hint=hint, dashboard=dashboard)
        with _sending(producer, plan) as sending:
            is_handled = watch.until_handled(sending)
        account = _account(daemon, reader, producer, is_handled)
        return 1 if account.problems else 0


@contextmanager
def _sending(producer: LoginProducer, plan: Plan) -> Iterator[threading.Thread]:
    """Sends on a thread of its own; the first Ctrl-C or SIGTERM ends the sending alone."""
    stop = threading.Event()

    def stop_sending(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        _handle_signals(signal.default_int_handler)

    _handle_signals(stop_sending)
    thread = threading.Thread(target=producer.run, args=(plan, stop), name="demo-sending")
    thread.start()
    try:
        yield thread
    finally:
        _handle_signals(signal.default_int_handler)
        stop.set()
        thread.join()


def _handle_signals(handler: Callable[[int, FrameType | None], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def _account(
    daemon: Daemon, reader: TopicReader, producer: LoginProducer, is_handled: bool
) -> Account:
    """Stops the daemon, reads the rest, and prints what has become of all events."""
    problems = []
    if not is_handled:
        problems.append("kafka_processor did not handle everything in time")
    with _step("Stopping kafka_processor"):
        if exit_code := daemon.stop():
            problems.append(f"kafka_processor ended with exit code {exit_code}")
    if not reader.read_to_end(END_TIMEOUT):
        problems.append(reader.problem or "the topics could not be read to their end")
    with reader.lock:
        ledger = reader.ledger
        sent = producer.acknowledged_by_outcome()
        account = close_account(sent, producer.failed, ledger, problems)
        p50, p99 = ledger.percentile(0.5), ledger.percentile(0.99)
    console = Console(highlight=False)
    console.print()
    console.print(account_lines(account))
    if p50 is not None and p99 is not None:
        print(
            f"from event to read_committed reader: p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )
    if account.problems:
        print(daemon.describe_log())
    return account


@contextmanager
def _step(what: str) -> Iterator[None]:
    """Says what takes a while, and how long it took."""
    print(f"{what} ...", flush=True)
    started = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - started:.1f} s", flush=True)


def _say_what_to_do(servers: str, plan: Plan, dashboard: str) -> None:
    how_long = f"for {plan.seconds:g} s" if plan.seconds else "until Ctrl-C"
    print(
        f"Sending {plan.rate:g} events a second {how_long}, some of them faulty, too old, or of "
        "other app versions.\n"
        f"The dashboard, in a browser: {dashboard}\n"
        "To look at a topic from another terminal meanwhile:\n"
        f"  {_command(servers, 'verify_processed_output.py')}",
        flush=True,
    )


def _command(servers: str, script: str) -> str:
    return (
        f"KAFKA_BOOTSTRAP_SERVERS={servers} {_python()} {_path(PROJECT_FOLDER / 'verify' / script)}"
    )


def _python() -> str:
    """This interpreter, as it is called from this folder."""
    found = shutil.which("python")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "python"
    return _path(Path(sys.executable))


def _path(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
