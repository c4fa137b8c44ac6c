"""What OpenTelemetry's own settings ask for: which signals are to be sent, if any.

Read here only as far as to know whether its package is needed; what else they say is for its SDK.
"""

import os
from collections.abc import Mapping
from typing import Final, Literal
from urllib.parse import urlsplit

from kafka_processor.errors import SettingsError

Signal = Literal["traces", "metrics"]
SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics")
PROTOCOL: Final = "http/protobuf"
FILES: Final = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY")


def wanted_signals(given: Mapping[str, str]) -> frozenset[Signal]:
    """Those that have an endpoint. Raises SettingsError where it cannot be sent to."""
    if given.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    wanted = frozenset(signal for signal in SIGNALS if _is_wanted(given, signal))
    problems = dict.fromkeys(
        problem for signal in SIGNALS if signal in wanted for problem in _problems(given, signal)
    )
    if problems:
        raise SettingsError(list(problems))
    return wanted


def _is_wanted(given: Mapping[str, str], signal: Signal) -> bool:
    exporters = given.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").split(",")
    is_exported = "otlp" in (exporter.strip() for exporter in exporters)
    return is_exported and setting_of(given, signal, "ENDPOINT") is not None


def _problems(given: Mapping[str, str], signal: Signal) -> list[str]:
    problems = []
    endpoint = setting_of(given, signal, "ENDPOINT")
    if endpoint and not _is_address(given[endpoint].strip()):
        # Not shown: an address may hold a login.
        problems.append(f"{endpoint}: no address of the form http://localhost:4318")
    protocol = setting_of(given, signal, "PROTOCOL")
    if protocol and given[protocol].strip() != PROTOCOL:
        problems.append(
            f"{protocol}: {given[protocol]!r} is not spoken; set {PROTOCOL}, and an endpoint for it"
        )
    for what in FILES:
        file = setting_of(given, signal, what)
        if file and not os.path.isfile(given[file].strip()):  # noqa: PTH113  # never raises
            problems.append(f"{file}: {given[file]!r} is not allowed; allowed: a file that exists")
    return problems


def setting_of(given: Mapping[str, str], signal: Signal, what: str) -> str | None:
    """The name of the setting that decides for a signal; None: none does."""
    names = (f"OTEL_EXPORTER_OTLP_{signal.upper()}_{what}", f"OTEL_EXPORTER_OTLP_{what}")
    return next((name for name in names if given.get(name, "").strip()), None)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
