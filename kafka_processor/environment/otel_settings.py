"""Which signals OpenTelemetry's own settings enable; its SDK reads the rest of them."""

import os
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from kafka_processor.errors import SettingsError

Signal = Literal["traces", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics")
PROTOCOL: Final = "http/protobuf"
FILES: Final = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")


def enabled_signals(environ: Mapping[str, str]) -> frozenset[Signal]:
    """Returns the signals that have an endpoint. Raises SettingsError if it cannot be used."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    enabled = frozenset(signal for signal in SIGNALS if _is_enabled(environ, signal))
    problems = dict.fromkeys(
        problem for signal in SIGNALS if signal in enabled for problem in _problems(environ, signal)
    )
    if problems:
        raise SettingsError(list(problems))
    return enabled


def _is_enabled(environ: Mapping[str, str], signal: Signal) -> bool:
    exporters = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").split(",")
    is_exported = "otlp" in (exporter.strip() for exporter in exporters)
    return is_exported and setting_of(environ, signal, "ENDPOINT") is not None


def _problems(environ: Mapping[str, str], signal: Signal) -> list[str]:
    problems = []
    endpoint = setting_of(environ, signal, "ENDPOINT")
    if endpoint and not _is_url(environ[endpoint].strip()):
        # The value is not shown: a URL may contain a login.
        problems.append(f"{endpoint}: is not a URL; use the form http://localhost:4318")
    protocol = setting_of(environ, signal, "PROTOCOL")
    if protocol and environ[protocol].strip() != PROTOCOL:
        problems.append(
            f"{protocol}: {environ[protocol]!r} is not supported; use {PROTOCOL}, and an endpoint "
            "for it"
        )
    for what in FILES:
        file = setting_of(environ, signal, what)
        if file and not os.path.isfile(environ[file].strip()):  # noqa: PTH113  # never raises
            problems.append(f"{file}: {environ[file]!r} is not a file; use the path of a PEM file")
    return problems


def setting_of(environ: Mapping[str, str], signal: Signal, what: str) -> str | None:
    """Returns the name of the setting that applies to a signal, or None if none is set."""
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((name for name in names if environ.get(name, "").strip()), None)


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
