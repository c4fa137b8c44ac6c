"""Where it starts: settings, log, signals, wiring."""

import argparse
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Final

from confluent_kafka import KafkaException
from structlog.typing import FilteringBoundLogger

from kafka_processor import __version__
from kafka_processor.config import Settings, load_settings, noting, rules
from kafka_processor.environment.cautions import cautions, misspelled
from kafka_processor.environment.project_key import find_key, find_or_make_key, project_key
from kafka_processor.environment.reading import Environment, read_environment
from kafka_processor.errors import (
    CannotConnectError,
    CannotListenError,
    CheckFailedError,
    ConsumerEndedError,
    KeyChangedError,
    ProducerRefusedError,
    SettingsError,
    TopicsNotReadyError,
)
from kafka_processor.heartbeat import Heartbeat, places
from kafka_processor.settings.trusted_files import shown
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.startup.daemon import StopSignal, work
from kafka_processor.startup.integrations import demand_packages, try_libraries, watch
from kafka_processor.startup.logs import ClientLog, create_log
from kafka_processor.startup.preflight import check
from kafka_processor.terminal.endings import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    EXIT_WRONG_SETTINGS,
    explain,
    say,
)
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.streams import guard_streams, is_delivered
from kafka_processor.transformer import key_id

MAX_WORKERS: Final = 256
"""Of one machine: each is a process with clients of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the program and returns its exit code (`docs/contract.md`)."""
    guard_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments[:1]) == ["replay"]:
        from kafka_processor.replay import command  # noqa: PLC0415  # costs the daemon nothing

        return command.main(arguments[1:])
    if list(arguments[:1]) == ["dashboard"]:
        from kafka_processor.dashboard import command as dashboard  # noqa: PLC0415  # nor does this

        return dashboard.main(arguments[1:])
    options = _read_arguments(arguments)
    stopping = StopSignal()
    if options.check:  # it changes nothing, so it may end anywhere
        signal.signal(signal.SIGINT, lambda *_: sys.exit(EXIT_INTERRUPTED))
    else:
        _set_on_signals(stopping)
    try:
        given = read_environment(os.environ, options.env_file)
        settings = _load(given)
        if not settings.allow_core_dumps:
            forbid_core_dumps()
        log = create_log(settings)
        if options.check:
            exit_code = _check(settings, given, log)
            return exit_code if is_delivered() else EXIT_FAILED
        if multiprocessing.parent_process() is None:  # not in each worker again
            for file in given.files:
                log.info("settings read", file=shown(file))
            for line in cautions(settings, given):
                log.warning(line)
        key = find_or_make_key(settings, log)
        if options.workers > 1:
            from kafka_processor.startup.workers import supervise  # noqa: PLC0415  # nor does this

            environments = [_of_worker(settings, number) for number in range(options.workers)]
            run_worker = partial(main, _arguments_of_workers(options))
            return supervise(environments, run_worker, stopping, log)
        return _run(settings, given.values, key, log, stopping)
    except SettingsError as error:
        say(*error.lines)
        return EXIT_WRONG_SETTINGS


def _load(given: Environment) -> Settings:
    """Raises SettingsError that names all that is wrong: settings, what they need, the key."""
    problems: list[str] = []
    values = given.values
    with noting(problems):
        settings = load_settings(values)
    with noting(problems):
        demand_packages(values)
    if not any(values.get(name, "").strip() for name in ("DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE")):
        with noting(problems):
            project_key()
    if problems:
        sources = [f"settings were read from {shown(file)} too" for file in given.files]
        raise SettingsError([*problems, *misspelled(given), *sources])
    return settings


def _of_worker(settings: Settings, number: int) -> dict[str, str]:
    """The settings that a worker has for itself; `number` from 0 on."""
    own = {}
    if settings.instance_id:
        own["INSTANCE_ID"] = f"{settings.instance_id}-{number + 1}"
    if settings.ops_port:
        own["OPS_PORT"] = str(settings.ops_port + number)
    return own


def _arguments_of_workers(options: argparse.Namespace) -> list[str]:
    return [] if options.env_file is None else ["--env-file", options.env_file]


def _check(settings: Settings, given: Environment, log: FilteringBoundLogger) -> int:
    key = find_key(settings)
    name = key_id(key) if key else "(to be made at the first start)"
    for file in given.files:
        print(f"settings: read from {shown(file)}")  # noqa: T201
    try_libraries(settings, given.values, log)
    print("settings: allowed")  # noqa: T201
    for line in cautions(settings, given):
        print(f"warning: {line}")  # noqa: T201
    try:
        for line in check(settings, name, log, ClientLog(log)):
            print(printable(line), flush=True)  # noqa: T201
    except KeyChangedError as error:
        say(str(error))
        return EXIT_WRONG_SETTINGS
    except (CheckFailedError, TopicsNotReadyError) as error:
        say(str(error))
        return EXIT_FAILED
    except KafkaException as exception:
        reason, exit_code = explain(exception)
        say(reason)
        return exit_code
    return EXIT_OK


def _run(
    settings: Settings,
    given: Mapping[str, str],
    key: bytes,
    log: FilteringBoundLogger,
    stopping: StopSignal,
) -> int:
    for name, setting in settings.overruled_properties:
        log.warning("KAFKA_PROPERTIES_FILE: ignored", property=name, decided_by=setting)
    log.info("starting", version=__version__, key_id=key_id(key), **settings.changed())
    log.debug("settings", **settings.shown())
    try:
        with (
            Heartbeat() as heartbeat,
            watch(settings, given, key_id(key), log, heartbeat) as watchers,
        ):
            if not heartbeat.is_visible:
                tried = [str(place) for place in places()]
                log.warning("no health file, so the health check will fail", tried=tried)
            try:
                work(settings, key, log, stopping, heartbeat, watchers)
            except (
                CannotConnectError,
                ConsumerEndedError,
                ProducerRefusedError,
                TopicsNotReadyError,
            ):
                if not stopping.is_set():
                    raise
    except KeyChangedError as error:
        log.error(str(error))
        return EXIT_WRONG_SETTINGS
    except (
        CannotListenError,
        CannotConnectError,
        ConsumerEndedError,
        ProducerRefusedError,
        TopicsNotReadyError,
    ) as error:
        log.error(str(error))
        return EXIT_FAILED
    except KafkaException as exception:
        reason, exit_code = explain(exception)
        log.error(reason)
        return exit_code
    log.info("stopped")
    return EXIT_OK


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="kafka-processor",
        description="Reads login events from Kafka, checks, pseudonymises and masks them, and "
        "publishes each to its topic.\n\n"
        "kafka-processor replay: sends failed, filtered and skipped messages to the input again;\n"
        "it has a --help of its own.\n"
        "kafka-processor dashboard: a page that shows what the daemons do; so has it.",
        epilog=_settings_help(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kafka-processor {__version__}")
    parser.add_argument(
        "--check",
        action="store_true",
        help="check settings, key, connection, topics and permissions; change nothing; exit",
    )
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        help="read settings from this file instead of .env; the environment takes precedence",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="run N members of the group, each a process of its own; one that is killed is "
        "started again (default: 1)",
    )
    return parser.parse_args(arguments)


def _workers(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 0 < int(text) <= MAX_WORKERS):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not allowed; allowed: a whole number from 1 to {MAX_WORKERS}"
        )
    return int(text)


def _settings_help() -> str:
    lines = ["settings, from the environment or a file .env (an empty value is unset):"]
    for name, rule in rules():
        lines.append(f"  {name} (default: {rule.default or 'not set'})")
        lines.append(f"      {rule.meaning}; {rule.allowed}")
    return "\n".join(lines)


def _set_on_signals(stopping: threading.Event) -> None:
    """SIGINT and SIGTERM set the event."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # They are held back while a worker starts.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


if __name__ == "__main__":
    sys.exit(main())
