"""Starts the optional integrations. Disabled ones are not imported."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final, Protocol

from structlog.typing import FilteringBoundLogger

from kafka_processor.clients.client_config import ClientConfig
from kafka_processor.config import Settings, collecting_problems, setting_up
from kafka_processor.environment.openlineage_settings import is_lineage_enabled
from kafka_processor.environment.otel_settings import enabled_signals
from kafka_processor.errors import SettingsError
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.monitoring.failure_log import FailureLog
from kafka_processor.monitoring.loop_log import LoopLog
from kafka_processor.monitoring.observer import Observer
from kafka_processor.timing import Deadline

STOP_LIMIT: Final = 4.6
"""Seconds after the last turn of the loop by which everything must be sent."""
MIN_FLUSH: Final = 0.25
MAX_FLUSH: Final = 1.5
"""Seconds to send the rest, for all receivers together."""


_LIBRARY_PREFIXES: Final = ("OTEL_", "OPENLINEAGE")
"""Prefixes of variables that belong to other libraries."""
_INSTALL_HINTS: Final = {
    "prometheus_client": "OPS_PORT: needs prometheus-client; "
    "pip install 'kafka-processor[ops]', or unset it",
    "opentelemetry.exporter.otlp.proto.http": "OTEL_EXPORTER_OTLP_ENDPOINT: needs OpenTelemetry's "
    "SDK and exporter; pip install 'kafka-processor[otel]', or set OTEL_SDK_DISABLED=true",
    "openlineage.client": "OPENLINEAGE_URL: needs openlineage-python; "
    "pip install 'kafka-processor[lineage]', or set OPENLINEAGE_DISABLED=true",
}
"""By missing module."""


class Sender(Protocol):
    """Sends to a receiver in the background."""

    def end(self, error: BaseException | None) -> None:
        """Starts to send the rest, without waiting. `error`: why the process ends, if it failed."""

    def wait(self, timeout: float) -> None:
        """Blocks until all is sent, up to `timeout` seconds. Logs what could not be sent."""


@dataclass
class Integrations:
    """What the enabled integrations need from the rest of the program."""

    observers: list[Observer]
    client_options: ClientConfig = field(default_factory=dict)
    """Additional librdkafka properties of the consumer and the producer."""
    set_readiness: Callable[[Callable[[], str | None]], None] = lambda _: None
    """Takes a function that returns why nothing can be processed, or None."""
    notes_trace_parents: bool = False
    """Whether the pipeline has to note the trace parents of messages."""
    senders: list[Sender] = field(default_factory=list)


def require_packages(environ: Mapping[str, str]) -> None:
    """Raises SettingsError if a setting enables an integration whose package is not installed.

    `environ`: the variables that the settings are read from, including those of other libraries.
    """
    is_enabled: dict[str, Callable[[Mapping[str, str]], object]] = {
        "prometheus_client": lambda environ: environ.get("OPS_PORT", "").strip(),
        "opentelemetry.exporter.otlp.proto.http": enabled_signals,
        "openlineage.client": is_lineage_enabled,
    }
    problems: list[str] = []
    for name, check in is_enabled.items():
        with collecting_problems(problems):
            if check(environ) and not _is_installed(name):
                problems.append(_INSTALL_HINTS[name])
    if problems:
        raise SettingsError(problems)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # its parent package is missing
        return False


@contextmanager
def start_integrations(
    settings: Settings,
    environ: Mapping[str, str],
    key_id: str,
    log: FilteringBoundLogger,
    heartbeat: Heartbeat,
) -> Iterator[Integrations]:
    """Raises CannotListenError, SettingsError. Senders report an exception that ends it."""
    with ExitStack() as stack:
        found = Integrations([LoopLog(settings, log)])
        failures = FailureLog(log)
        signals, has_lineage = enabled_signals(environ), is_lineage_enabled(environ)
        if signals or has_lineage:
            _prepare_libraries(environ)
        if settings.ops_port or "metrics" in signals:
            from kafka_processor.ops.insight import Insight  # noqa: PLC0415

            insight = Insight(heartbeat, failures)
            found.observers.append(insight.figures)
            found.client_options = insight.client_options
            found.set_readiness = insight.health.set_source
        if port := settings.ops_port:
            from kafka_processor.ops.integration import open_room  # noqa: PLC0415

            stack.enter_context(open_room(settings, key_id, port, insight))
        if "metrics" in signals:
            with setting_up("OTEL_*: metrics"):
                from kafka_processor.telemetry.metrics_sender import MetricsSender  # noqa: PLC0415

                found.senders.append(MetricsSender(settings, key_id, insight, log))
        if "traces" in signals:
            with setting_up("OTEL_*: tracing"):
                from kafka_processor.telemetry.trace_sender import TraceSender  # noqa: PLC0415

                traces = TraceSender(settings, log)
            found.senders.append(traces)
            # First, so that other observers do not add to its times.
            found.observers.insert(0, traces.observer)
            found.notes_trace_parents = True
        if has_lineage:
            with setting_up("OPENLINEAGE_*: lineage"):
                from kafka_processor.lineage.integration import Lineage  # noqa: PLC0415

                lineage = Lineage(settings, log)
            found.senders.append(lineage)
            found.observers.append(lineage.observer)
        stack.push(lambda _kind, error, _trace: _flush(found.senders, error, heartbeat, failures))
        yield found


def try_libraries(
    settings: Settings, environ: Mapping[str, str], log: FilteringBoundLogger
) -> None:
    """Sets up the exporters as a start would, and sends nothing. Raises SettingsError."""
    signals, has_lineage = enabled_signals(environ), is_lineage_enabled(environ)
    if signals or has_lineage:
        _prepare_libraries(environ)
    if "metrics" in signals:
        with setting_up("OTEL_*: metrics"):
            from kafka_processor.ops.insight import Insight  # noqa: PLC0415
            from kafka_processor.telemetry.metrics_sender import MetricsSender  # noqa: PLC0415

            MetricsSender(settings, "", Insight(Heartbeat(), FailureLog(log)), log).discard()
    if "traces" in signals:
        with setting_up("OTEL_*: tracing"):
            from kafka_processor.telemetry.trace_sender import TraceSender  # noqa: PLC0415

            TraceSender(settings, log).discard()
    if has_lineage:
        with setting_up("OPENLINEAGE_*: lineage"):
            from kafka_processor.lineage.integration import create_client  # noqa: PLC0415

            create_client()


def _prepare_libraries(environ: Mapping[str, str]) -> None:
    """Gives the libraries their variables, silences their logs, and bounds their requests."""
    # They read the process environment only, which has no variables of `.env`.
    own = {name: value for name, value in environ.items() if name.startswith(_LIBRARY_PREFIXES)}
    os.environ.update(own)
    # Their log lines may contain secrets.
    logging.getLogger().addHandler(logging.NullHandler())
    # The module imports packages that may not be installed.
    from kafka_processor.endpoints import bounded_http  # noqa: PLC0415

    bounded_http.install()


def _flush(
    senders: Sequence[Sender],
    error: BaseException | None,
    heartbeat: Heartbeat,
    failures: FailureLog,
) -> None:
    for sender in senders:
        with failures.guarding(type(sender).__name__):
            sender.end(error)
    deadline = Deadline(min(max(STOP_LIMIT - heartbeat.age, MIN_FLUSH), MAX_FLUSH))
    for sender in senders:
        with failures.guarding(type(sender).__name__):
            sender.wait(deadline.seconds_left)
