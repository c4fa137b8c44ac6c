"""Which module may import which: the layers, the Kafka client in few modules, a pure core."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import kafka_processor

PACKAGE = Path(kafka_processor.__file__).parent
COMMANDS = ("audit", "dashboard", "replay", "tail")
"""Packages that `commands.py` loads when the command is run."""
INTEGRATIONS = ("ops", "telemetry", "lineage")
"""Packages that `startup/integrations.py` loads if a setting enables them."""
OPTIONAL = (*COMMANDS, *INTEGRATIONS)
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in PACKAGE.rglob("*.py")
}
"""Files by name, such as `config` and `clients.kafka_errors`."""
LAYERS = (
    {
        "errors",
        "heartbeat",
        "loop_state",
        "message_id",
        "outcomes",
        "record_limits",
        "settings",
        "timing",
    },
    {"endpoints", "records"},
    {"event", "serializer"},
    {"checks", "config"},
    {"clients", "metrics", "transformer"},
    {"terminal", "unprocessed", "unreadable"},
    {"commands", "environment", "pipeline"},
    {"membership", "summary_printer"},
    {"ports"},
    {"consumer"},
    {"producer", "topics"},
    {"delivery", "recovery"},
    {"monitoring"},
    {"current_batch", "lineage", "ops", "reading"},
    {"processor"},
    {"telemetry"},
    {"startup"},
    {"audit", "dashboard", "replay", "tail"},
    {"main"},
    {"__main__"},
)
"""Packages and modules at the top: each imports only what stands above it in this list."""
KNOW_KAFKA = {
    "audit.cluster",
    "audit.gathering",
    "audit.reading",
    "audit.summaries",
    "clients.delivery_reports",
    "clients.kafka_errors",
    "clients.reader_connection",
    "consumer",
    "current_batch",
    "dashboard.cluster",
    "dashboard.feed",
    "delivery.at_least_once",
    "delivery.exactly_once",
    "lineage.run",
    "membership.committed",
    "membership.fence",
    "membership.fetching",
    "membership.input_topic",
    "membership.member_client",
    "membership.moved_brokers",
    "membership.offset_commit",
    "membership.offset_lookup",
    "membership.trouble",
    "ops.families",
    "ports",
    "processor",
    "producer",
    "recovery",
    "replay.run",
    "replay.scanning",
    "replay.sending",
    "startup.connecting",
    "startup.daemon",
    "startup.preflight",
    "tail.tailing",
    "tail.topic_reader",
    "terminal.endings",
    "topics.configs",
    "topics.creation",
    "unreadable.partitions",
    "unreadable.probing",
    "unreadable.scan",
}
PURE = {
    "audit.entries",
    "audit.findings",
    "audit.retention",
    "checks",
    "clients.client_config",
    "dashboard.failures",
    "dashboard.formats",
    "dashboard.group",
    "dashboard.health",
    "dashboard.latency",
    "dashboard.places",
    "dashboard.reading",
    "dashboard.snapshot",
    "dashboard.state",
    "dashboard.timeline",
    "dashboard.totals",
    "errors",
    "event.decoding",
    "event.headers",
    "event.labels",
    "event.timestamps",
    "lineage.columns",
    "loop_state",
    "membership.start_offsets",
    "membership.positions",
    "message_id",
    "metrics",
    "monitoring.failed_messages",
    "monitoring.skipped",
    "ops.client_statistics",
    "ops.histogram",
    "ops.requests",
    "outcomes",
    "pipeline",
    "record_limits",
    "records",
    "replay.candidates",
    "replay.copies",
    "replay.failures",
    "replay.finding",
    "replay.outcomes",
    "replay.report",
    "replay.selection",
    "serializer",
    "settings.setting_types",
    "summary_printer",
    "telemetry.trace_context",
    "terminal.printable",
    "topics.rules",
    "transformer",
    "unprocessed",
    "unreadable.batch_search",
}
KNOW_HTTP = {"dashboard.guard", "dashboard.limits", "dashboard.server"}
"""What of the dashboard needs its extra packages."""
SAID_BY_PURE = {
    "audit.entries",
    "audit.findings",
    "audit.inputs",
    "audit.joining",
    "audit.judging",
    "audit.lines",
    "audit.order",
    "audit.personal",
    "audit.plan",
    "audit.records",
    "audit.recount",
    "audit.retention",
    "audit.summaries",
    "array", "binascii", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum",
    "functools", "hashlib", "hmac", "ipaddress", "itertools", "json", "math", "msgspec", "operator",
    "re", "socket", "textwrap", "typing",
}  # fmt: skip
PATHS_ONLY = {"settings.setting_types": {"pathlib"}}
"""A setting that names a file is checked for the file."""
CLOCKS = {"now", "utcnow", "today"}


@cache
def imports(name: str) -> tuple[tuple[str, str | None], ...]:
    """Each imported module with the name taken from it, wherever in the file."""
    return tuple(_imports(name))


def _imports(name: str) -> Iterator[tuple[str, str | None]]:
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_imports_go_one_way() -> None:
    layers = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    assert layers.keys() == {name.partition(".")[0] for name in MODULES} - {"__init__"}
    for name in MODULES.keys() - {"__init__"}:
        own = name.partition(".")[0]
        for module, taken in imports(name):
            _, _, inner = module.partition("kafka_processor.")
            imported = inner.partition(".")[0] or (taken if module == "kafka_processor" else None)
            if imported and imported not in (own, "__version__"):
                assert layers[imported] < layers[own], f"{name} imports {imported}"


def test_few_modules_know_the_kafka_client() -> None:
    found = {name for name in MODULES for module, _ in imports(name) if "confluent_kafka" in module}
    assert found <= KNOW_KAFKA


def test_few_modules_know_the_server_of_the_dashboard() -> None:
    packages = {"starlette", "uvicorn"}
    found = {name for name in MODULES for m, _ in imports(name) if m.partition(".")[0] in packages}
    assert found == KNOW_HTTP


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_pure_core_imports_nothing_that_acts(name: str) -> None:
    for module, taken in imports(name):
        top = module.partition(".")[0]
        if top == "kafka_processor":
            assert module != "kafka_processor"
            continue
        assert top in SAID_BY_PURE | PATHS_ONLY.get(name, set()), f"{name} imports {module}"
        if top == "socket":
            assert taken in {"AF_INET", "AF_INET6", "inet_ntop", "inet_pton"}


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_pure_core_imports_only_the_pure_core_and_settings(name: str) -> None:
    inner = {m.partition(".")[2] for m, _ in imports(name) if m.startswith("kafka_processor.")}
    assert inner <= PURE | {"config"}


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_pure_core_looks_at_no_clock_and_prints_nothing(name: str) -> None:
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else None
            assert called not in CLOCKS, f"{name} line {node.lineno}"
            if isinstance(node.func, ast.Name):
                assert node.func.id not in {"print", "open", "input"}, f"{name} line {node.lineno}"


def test_the_settings_know_no_clock_and_no_client() -> None:
    for name in (
        "config",
        "settings.client_properties",
        "clients.client_config",
        "settings.device_key",
    ):
        tops = {module.partition(".")[0] for module, _ in imports(name)}
        assert not tops & {"confluent_kafka", "time", "socket", "threading", "structlog"}


def loaded_by(module: str) -> list[str]:
    code = f"import {module}, sys; print(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    return answer.stdout.split()


def test_the_daemon_loads_no_optional_package() -> None:
    loaded = loaded_by("kafka_processor.main, kafka_processor.startup.command")
    assert "kafka_processor.processor" in loaded
    optional = tuple(f"kafka_processor.{package}." for package in OPTIONAL)
    packages = ("prometheus_client", "opentelemetry", "openlineage", "starlette", "uvicorn")
    assert not [name for name in loaded if name.startswith((*optional, *packages))]


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.partition(".")[0] not in OPTIONAL))
def test_optional_packages_are_imported_in_one_place(name: str) -> None:
    optional = tuple(f"kafka_processor.{package}" for package in OPTIONAL)
    found = {
        (name, module, taken) for module, taken in imports(name) if module.startswith(optional)
    }
    assert found <= {
        ("startup.integrations", "kafka_processor.ops.insight", "Insight"),
        ("startup.integrations", "kafka_processor.ops.integration", "open_room"),
        ("startup.integrations", "kafka_processor.telemetry.metrics_sender", "MetricsSender"),
        ("startup.integrations", "kafka_processor.telemetry.trace_sender", "TraceSender"),
        ("startup.integrations", "kafka_processor.lineage.integration", "Lineage"),
        ("startup.integrations", "kafka_processor.lineage.integration", "create_client"),
    }


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.partition(".")[0] in OPTIONAL))
def test_optional_packages_do_not_import_each_other(name: str) -> None:
    """Except for the metrics of `ops`, which telemetry sends."""
    own = name.partition(".")[0]
    others = tuple(f"kafka_processor.{other}." for other in OPTIONAL if other != own)
    found = {module for module, _ in imports(name) if module.startswith(others)}
    assert not found or own == "telemetry"
    assert found <= {f"kafka_processor.ops.{module}" for module in ("families", "insight")}


AUDIT_MAY_IMPORT = {
    "clients.kafka_errors",
    "clients.reader_connection",
    "config",
    "environment.reading",
    "errors",
    "membership.committed",
    "records",
    "terminal.arguments",
    "terminal.endings",
    "terminal.printable",
    "terminal.progress",
    "terminal.screen",
    "terminal.streams",
    "timing",
    "unreadable.batch_search",
    "unreadable.probing",
}
"""Settings, record types, client configuration, and how to ask the client."""
RECORD_TYPES = {"MAX_TEXT", "Snapshot", "SummaryRecord", "decode_snapshot"}


@pytest.mark.parametrize("name", sorted(n for n in MODULES if n.partition(".")[0] == "audit"))
def test_the_audit_imports_nothing_that_it_checks(name: str) -> None:
    """No pipeline, checks, transformer, counts or encoders: it has rules of its own."""
    for module, taken in imports(name):
        if module.startswith("kafka_processor.") and not module.startswith("kafka_processor.audit"):
            assert module.removeprefix("kafka_processor.") in AUDIT_MAY_IMPORT, f"{name}: {module}"
            assert module != "kafka_processor.records" or taken in RECORD_TYPES, f"{name}: {taken}"


@pytest.mark.parametrize("integration", INTEGRATIONS)
def test_the_library_of_an_integration_is_imported_only_by_it(integration: str) -> None:
    package = {"ops": "prometheus_client", "telemetry": "opentelemetry", "lineage": "openlineage"}
    knowing = {
        name
        for name in MODULES
        for module, _ in imports(name)
        if module.partition(".")[0] == package[integration]
    }
    assert all(name.startswith(f"{integration}.") for name in knowing)


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    """`cd kafka_processor && python main.py` puts this folder first on the path."""
    at_the_top = {name.partition(".")[0] for name in MODULES}
    assert not at_the_top & sys.stdlib_module_names
    assert not at_the_top & {
        "confluent_kafka", "msgspec", "dotenv", "structlog", "prometheus_client", "opentelemetry",
        "openlineage", "requests", "attr", "yaml", "google",
    }  # fmt: skip
