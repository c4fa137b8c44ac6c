"""`kafka-processor dashboard`: options and settings in, a page until it is stopped."""

import logging
import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Final

from confluent_kafka import KafkaException

from kafka_processor.config import Settings, load_settings
from kafka_processor.dashboard.arguments import TOKEN, Options, parse, token_of
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.cluster import Cluster
from kafka_processor.dashboard.feed import Feed
from kafka_processor.dashboard.listening import address_of
from kafka_processor.dashboard.state import State
from kafka_processor.endpoints.listening import is_loopback, listen
from kafka_processor.environment.reading import read_environment
from kafka_processor.errors import CannotListenError, SettingsError
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.terminal.endings import EXIT_FAILED, EXIT_OK, EXIT_WRONG_SETTINGS, explain, say

REMEDY: Final = "give --port or --host what is free on this machine"
NOT_NEEDED: Final = ("DEVICE_ID_KEY", "DEVICE_ID_KEY_FILE", "ALLOW_KEY_CHANGE")
"""Settings that are not looked at: no key is needed to look at what was published."""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code (`docs/dashboard.md`)."""
    try:
        options = parse(arguments)
        _demand_packages()
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        read = read_environment(os.environ, options.env_file)
        say(*read.warnings)
        given = read.values
        settings = load_settings({n: v for n, v in given.items() if n not in NOT_NEEDED})
        if not settings.allow_core_dumps:
            forbid_core_dumps()
        with listen(options.host, options.port, "--port", REMEDY) as listener:
            token = token_of(given, is_loopback(listener))
            address = address_of(listener, options.host, token, is_secret=bool(given.get(TOKEN)))
            _serve(settings, options, listener, address, token, stopping)
    except SettingsError as wrong:
        say(*wrong.lines)
        return EXIT_WRONG_SETTINGS
    except CannotListenError as why:
        say(str(why))
        return EXIT_FAILED
    except KafkaException as exception:
        reason, exit_code = explain(exception)
        say(reason)
        return exit_code
    return EXIT_OK


def _demand_packages() -> None:
    """Raises SettingsError."""
    if missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
        raise SettingsError(
            [f"the dashboard needs {', '.join(missing)}: pip install 'kafka-processor[dashboard]'"]
        )


def _serve(
    settings: Settings,
    options: Options,
    listener: socket.socket,
    address: str,
    token: str | None,
    stopping: threading.Event,
) -> None:
    # It imports what may not be installed.
    from kafka_processor.dashboard.server import serve  # noqa: PLC0415

    silent = logging.getLogger("kafka_processor.dashboard.client")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    board = Board(State(settings, options.window))
    feed = Feed(settings, board, silent)
    cluster = Cluster(settings, board, feed, options.window, silent)
    with ExitStack() as threads:
        for each in (feed, cluster):
            threads.callback(each.close)
            each.start()
        print(f"Dashboard: {address}", flush=True)  # noqa: T201
        if not stopping.is_set():
            serve(listener, board.snapshot, token=token, is_loopback=is_loopback(listener))
