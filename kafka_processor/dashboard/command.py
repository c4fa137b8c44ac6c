"""`kafka-processor dashboard`: serves the page until it is stopped (`docs/dashboard.md`)."""

import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Final

from kafka_processor.clients.reader_connection import SILENT
from kafka_processor.config import Settings
from kafka_processor.dashboard.arguments import TOKEN, Options, create_parser, parse, token_of
from kafka_processor.dashboard.board import Board
from kafka_processor.dashboard.cluster import Cluster
from kafka_processor.dashboard.feed import Feed
from kafka_processor.dashboard.listening import address_of
from kafka_processor.dashboard.state import State
from kafka_processor.endpoints.listening import is_loopback, listen
from kafka_processor.environment.reading import load_command_settings
from kafka_processor.errors import EXIT_OK, SettingsError
from kafka_processor.startup.core_dumps import forbid_core_dumps
from kafka_processor.terminal.endings import run_command

__all__ = ["create_parser", "main"]

REMEDY: Final = "use --port or --host with one that is free on this machine"


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns its exit code (`docs/dashboard.md`)."""
    return run_command(lambda: _run(arguments))


def _run(arguments: Sequence[str]) -> int:
    """Raises CommandError."""
    options = parse(arguments)
    _require_packages()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    settings, environment = load_command_settings(options.env_file)
    if not settings.allow_core_dumps:
        forbid_core_dumps()
    environ = environment.values
    with listen(options.host, options.port, "--port", REMEDY) as listener:
        token = token_of(environ, is_loopback(listener))
        address = address_of(listener, options.host, token, is_secret=bool(environ.get(TOKEN)))
        _serve(settings, options, listener, address, token, stopping)
    return EXIT_OK


def _require_packages() -> None:
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
    # The module imports packages that may not be installed.
    from kafka_processor.dashboard.server import serve  # noqa: PLC0415

    board = Board(State(settings, options.window))
    feed = Feed(settings, board, SILENT)
    cluster = Cluster(settings, board, feed, options.window, SILENT)
    with ExitStack() as threads:
        for each in (feed, cluster):
            threads.callback(each.close)
            each.start()
        print(f"Dashboard: {address}", flush=True)  # noqa: T201
        if not stopping.is_set():
            serve(listener, board.snapshot, token=token, is_loopback=is_loopback(listener))
