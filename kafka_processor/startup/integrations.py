"""Opens the rooms that the settings turn on; what is off is not even loaded."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import ClientConfig
from kafka_processor.config import Settings, noting, setting_up
from kafka_processor.environment.openlineage_settings import is_lineage_wanted
from kafka_processor.environment.otel_settings import wanted_signals
from kafka_processor.errors import SettingsError
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.monitoring.loop_log import LoopLog
from kafka_processor.monitoring.observer import Observer

STOP_LIMIT: Final = 4.6
"""Seconds after the last turn of the loop at which all has to be sent."""
SHORTEST_FAREWELL: Final = 0.25
LONGEST_FAREWELL: Final = 1.5
"""Seconds for sending what is left, for all receivers together."""


_OTHERS: Final = ("OTEL_", "OPENLINEAGE")
"""How settings begin that are not ours."""
_NEEDS: Final = {
    "prometheus_client": "OPS_PORT: needs prometheus-client; "
    "pip install 'kafka-processor[ops]', or unset it",
    "opentelemetry.exporter.otlp.proto.http": "OTEL_EXPORTER_OTLP_ENDPOINT: needs OpenTelemetry's "
    "SDK and exporter; pip install 'kafka-processor[otel]', or set OTEL_SDK_DISABLED=true",
    "openlineage.client": "OPENLINEAGE_URL: needs openlineage-python; "
    "pip install 'kafka-processor[lineage]', or set OPENLINEAGE_DISABLED=true",
}
"""By the module that is missing."""


class Sender(Protocol):
    """Sends to a receiver in the background."""

    def end(self, error: BaseException | None) -> None:
        """Begins to send what is left, without waiting; `error`: of what the process ends."""

    def wait(self, timeout: float) -> None:
        """Until it is sent, `timeout` seconds at most; the log says what is not."""


@dataclass
class Watch:
    """What the rooms want of the others."""

    observers: list[Observer]
    client_options: ClientConfig = field(default_factory=dict)
    """For the consumer and the producer."""
    set_readiness: Callable[[Callable[[], str | None]], None] = lambda _: None
    """Is told what to ask for why nothing can be processed."""
    notes_trace_parents: bool = False
    """Of the pipeline."""
    senders: list[Sender] = field(default_factory=list)


def demand_packages(given: Mapping[str, str]) -> None:
    """Raises SettingsError if a setting asks for a room whose packages are not installed.

    `given`: the variables that the settings are read from, those of others among them.
    """
    wanted: dict[str, Callable[[Mapping[str, str]], object]] = {
        "prometheus_client": lambda given: given.get("OPS_PORT", "").strip(),
        "opentelemetry.exporter.otlp.proto.http": wanted_signals,
        "openlineage.client": is_lineage_wanted,
    }
    problems: list[str] = []
    for name, wants in wanted.items():
        with noting(problems):
            if wants(given) and not _is_installed(name):
                problems.append(_NEEDS[name])
    if problems:
        raise SettingsError(problems)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that it would be in
        return False


@contextmanager
def watch(
    settings: Settings,
    given: Mapping[str, str],
    key_id: str,
    log: FilteringBoundLogger,
    heartbeat: Heartbeat,
) -> Iterator[Watch]:
    """Raises CannotListenError, SettingsError. An exception that ends it is told as the cause."""
    with ExitStack() as rooms:
        found = Watch([LoopLog(settings, log)])
        failures = FailureLog(log)
        signals, wants_lineage = wanted_signals(given), is_lineage_wanted(given)
        if signals or wants_lineage:
            _prepare_libraries(given)
        if settings.ops_port or "metrics" in signals:
            from kafka_processor.ops.insight import Insight  # noqa: PLC0415

            insight = Insight(heartbeat, failures)
            found.observers.append(insight.figures)
            found.client_options = insight.client_options
            found.set_readiness = insight.health.set_source
        if port := settings.ops_port:
            from kafka_processor.ops.integration import open_room  # noqa: PLC0415

            rooms.enter_context(open_room(settings, key_id, port, insight))
        if "metrics" in signals:
            with setting_up("OTEL_*: metrics"):
                from kafka_processor.telemetry.metrics_sender import MetricsSender  # noqa: PLC0415

                found.senders.append(MetricsSender(settings, key_id, insight, log))
        if "traces" in signals:
            with setting_up("OTEL_*: tracing"):
                from kafka_processor.telemetry.trace_sender import TraceSender  # noqa: PLC0415

                traces = TraceSender(settings, log)
            found.senders.append(traces)
            found.observers.insert(0, traces.observer)  # before others take their time
            found.notes_trace_parents = True
        if wants_lineage:
            with setting_up("OPENLINEAGE_*: lineage"):
                from kafka_processor.lineage.integration import Lineage  # noqa: PLC0415

                lineage = Lineage(settings, log)
            found.senders.append(lineage)
            found.observers.append(lineage.observer)
        rooms.push(
            lambda _kind, error, _trace: _say_farewell(found.senders, error, heartbeat, failures)
        )
        yield found


def try_libraries(settings: Settings, given: Mapping[str, str], log: FilteringBoundLogger) -> None:
    """Sets up the exporters as a start would, and sends nothing. Raises SettingsError."""
    signals, wants_lineage = wanted_signals(given), is_lineage_wanted(given)
    if signals or wants_lineage:
        _prepare_libraries(given)
    if "metrics" in signals:
        with setting_up("OTEL_*: metrics"):
            from kafka_processor.ops.insight import Insight  # noqa: PLC0415
            from kafka_processor.telemetry.metrics_sender import MetricsSender  # noqa: PLC0415

            MetricsSender(settings, "", Insight(Heartbeat(), FailureLog(log)), log).discard()
    if "traces" in signals:
        with setting_up("OTEL_*: tracing"):
            from kafka_processor.telemetry.trace_sender import TraceSender  # noqa: PLC0415

            TraceSender(settings, log).discard()
    if wants_lineage:
        with setting_up("OPENLINEAGE_*: lineage"):
            from kafka_processor.lineage.integration import create_client  # noqa: PLC0415

            create_client()


def _prepare_libraries(given: Mapping[str, str]) -> None:
    """They read the environment alone, and log on their own."""
    os.environ.update({name: given[name] for name in given if name.startswith(_OTHERS)})
    # What they log may hold what is secret, and is no line of our form.
    logging.getLogger().addHandler(logging.NullHandler())
    # It imports what may not be installed.
    from kafka_processor.endpoints import bounded_http  # noqa: PLC0415

    bounded_http.install()


def _say_farewell(
    senders: Sequence[Sender],
    error: BaseException | None,
    heartbeat: Heartbeat,
    failures: FailureLog,
) -> None:
    for sender in senders:
        with failures.guarding(type(sender).__name__):
            sender.end(error)
    left = min(max(STOP_LIMIT - heartbeat.age, SHORTEST_FAREWELL), LONGEST_FAREWELL)
    deadline = time.monotonic() + left
    for sender in senders:
        with failures.guarding(type(sender).__name__):
            sender.wait(max(deadline - time.monotonic(), 0))
