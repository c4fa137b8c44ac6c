"""`kafka-processor`: the command line of the daemon, its settings, key, log and signals."""

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

from structlog.typing import FilteringBoundLogger

from kafka_processor import __version__
from kafka_processor.commands import COMMANDS
from kafka_processor.config import Settings, collecting_problems, load_settings
from kafka_processor.environment.project_key import find_key, find_or_create_key, project_key
from kafka_processor.environment.reading import Environment, read_environment
from kafka_processor.environment.setting_warnings import misspelled_names, setting_warnings
from kafka_processor.errors import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_OK,
    CommandError,
    SettingsError,
)
from kafka_processor.heartbeat import Heartbeat, places
from kafka_processor.settings.trusted_files import shown
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.startup.daemon import StopSignal, work
from kafka_processor.startup.integrations import require_packages, start_integrations, try_libraries
from kafka_processor.startup.logs import ClientLog, create_log
from kafka_processor.startup.preflight import check
from kafka_processor.startup.settings_help import settings_help
from kafka_processor.terminal.arguments import CommandParser, integer, listed, wrapped
from kafka_processor.terminal.endings import run_command
from kafka_processor.terminal.printable import printable
from kafka_processor.terminal.streams import is_delivered
from kafka_processor.transformer import key_id

MAX_WORKERS: Final = 256
"""Of one machine: each is a process with clients of its own."""

DESCRIPTION: Final = """\
Reads login events from Kafka, validates, pseudonymizes and masks them, and publishes each one to \
the topic of its outcome. Runs until SIGINT or SIGTERM."""
EXIT_CODES: Final = """\
Exit codes: 0 stopped by a signal (--check: all is well), 1 failed, 2 wrong settings, key or \
options."""


def main(arguments: Sequence[str]) -> int:
    """Runs the daemon, or `--check`, and returns the exit code (`docs/contract.md`)."""
    return run_command(lambda: _run(create_parser().parse(arguments)))


def create_parser() -> CommandParser:
    commands = listed((command.name, command.summary) for command in COMMANDS)
    parser = CommandParser(
        "kafka-processor", "[COMMAND] [--check] [--workers N] [--env-file FILE]", "", ""
    )
    parser.description = (
        f"{wrapped(DESCRIPTION)}\n\nother commands, each with its own --help:\n{commands}"
    )
    parser.epilog = f"{settings_help()}\n\n{wrapped(EXIT_CODES)}"
    parser.add_argument("--version", action="version", version=f"kafka-processor {__version__}")
    parser.add_argument(
        "--check",
        action="store_true",
        help="check settings, key, connection, topics and permissions, change nothing, and exit",
    )
    parser.add_argument(
        "--env-file",
        metavar="FILE",
        help="read settings from this file instead of .env; the environment takes precedence",
    )
    parser.add_argument(
        "--workers",
        type=integer(1, MAX_WORKERS),
        default=1,
        metavar="N",
        help="run N members of the group, each in a process of its own; a killed one is restarted "
        "(default: 1)",
    )
    return parser


def _run(options: argparse.Namespace) -> int:
    """Raises CommandError."""
    stopping = StopSignal()
    if options.check:  # it changes nothing, so it may end anywhere
        signal.signal(signal.SIGINT, lambda *_: sys.exit(EXIT_INTERRUPTED))
    else:
        _set_on_signals(stopping)
    environment = read_environment(os.environ, options.env_file)
    settings = _load(environment)
    if not settings.allow_core_dumps:
        forbid_core_dumps()
    log = create_log(settings)
    if options.check:
        exit_code = run_command(lambda: _check(settings, environment, log))
        return exit_code if is_delivered() else EXIT_FAILED
    if multiprocessing.parent_process() is None:  # once, not in each worker
        for file in environment.files:
            log.info("settings read", file=shown(file))
        for line in setting_warnings(settings, environment):
            log.warning(line)
    key = find_or_create_key(settings, log)
    if options.workers == 1:
        return run_command(
            lambda: _work(settings, environment.values, key, log, stopping), report=log.error
        )
    from kafka_processor.startup.workers import supervise  # noqa: PLC0415  # not on Windows

    environments = [_environment_of_worker(settings, number) for number in range(options.workers)]
    run_worker = partial(main, [] if options.env_file is None else ["--env-file", options.env_file])
    return supervise(environments, run_worker, stopping, log)


def _load(environment: Environment) -> Settings:
    """Raises SettingsError with all problems: settings, missing packages, the key."""
    problems: list[str] = []
    values = environment.values
    with collecting_problems(problems):
        settings = load_settings(values)
    with collecting_problems(problems):
        require_packages(values)
    if not any(values.get(name, "").strip() for name in ("DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE")):
        with collecting_problems(problems):
            project_key()
    if problems:
        raise SettingsError([*problems, *misspelled_names(environment)])
    return settings


def _environment_of_worker(settings: Settings, number: int) -> dict[str, str]:
    """The settings that differ between workers; `number` starts at 0."""
    own = {}
    if settings.instance_id:
        own["INSTANCE_ID"] = f"{settings.instance_id}-{number + 1}"
    if settings.ops_port:
        own["OPS_PORT"] = str(settings.ops_port + number)
    return own


def _check(settings: Settings, environment: Environment, log: FilteringBoundLogger) -> int:
    """Raises CommandError."""
    key = find_key(settings)
    name = key_id(key) if key else "(to be created at the first start)"
    for file in environment.files:
        print(f"settings: read from {shown(file)}")  # noqa: T201
    try_libraries(settings, environment.values, log)
    print("settings: allowed")  # noqa: T201
    for line in setting_warnings(settings, environment):
        print(f"warning: {line}")  # noqa: T201
    for line in check(settings, name, log, ClientLog(log)):
        print(printable(line), flush=True)  # noqa: T201
    return EXIT_OK


def _work(
    settings: Settings,
    environ: Mapping[str, str],
    key: bytes,
    log: FilteringBoundLogger,
    stopping: StopSignal,
) -> int:
    """Raises CommandError."""
    for name, setting in settings.overruled_properties:
        log.warning("KAFKA_PROPERTIES_FILE: ignored", property=name, decided_by=setting)
    log.info("starting", version=__version__, key_id=key_id(key), **settings.changed())
    log.debug("settings", **settings.shown())
    with (
        Heartbeat() as heartbeat,
        start_integrations(settings, environ, key_id(key), log, heartbeat) as integrations,
    ):
        if not heartbeat.is_visible:
            tried = [str(place) for place in places()]
            log.warning("no health file, so the health check will fail", tried=tried)
        try:
            work(settings, key, log, stopping, heartbeat, integrations)
        except CommandError as error:
            # A broker that does not answer is no failure while the process stops.
            if error.exit_code != EXIT_FAILED or not stopping.is_set():
                raise
    log.info("stopped")
    return EXIT_OK


def _set_on_signals(stopping: threading.Event) -> None:
    """SIGINT and SIGTERM set the event."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        # They are blocked while a worker starts.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
