"""Opens the rooms that the settings turn on; what is off is not even loaded."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec

from structlog.typing import FilteringBoundLogger

from kafka_processor.client_config import ClientConfig
from kafka_processor.config import Settings, SettingsError
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.loop_log import LoopLog
from kafka_processor.observer import Observer


class CannotListen(Exception):
    """The message names the settings, and why."""


@dataclass
class Watch:
    """What the rooms want of the others."""

    observers: list[Observer]
    client_options: ClientConfig = field(default_factory=dict)
    """For the consumer and the producer."""
    set_readiness: Callable[[Callable[[], str | None]], None] = lambda _: None
    """Is told what to ask for why nothing can be processed."""


def demand_packages(settings: Settings) -> None:
    """Raises SettingsError if a setting asks for a room whose packages are not installed."""
    if settings.ops_port and find_spec("prometheus_client") is None:
        raise SettingsError(
            ["OPS_PORT: needs prometheus-client; pip install 'kafka-processor[ops]', or unset it"]
        )


@contextmanager
def watch(
    settings: Settings, key_id: str, log: FilteringBoundLogger, heartbeat: Heartbeat
) -> Iterator[Watch]:
    """Raises CannotListen."""
    with ExitStack() as rooms:
        found = Watch([LoopLog(settings, log)])
        if port := settings.ops_port:
            from kafka_processor.ops.room import open_room  # noqa: PLC0415

            room = rooms.enter_context(open_room(settings, key_id, port, heartbeat))
            found.observers.append(room.figures)
            found.client_options = room.client_options
            found.set_readiness = room.health.set_source
        yield found
