"""Who may know what: the Kafka client behind few modules, the pure core without clock and I/O."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import kafka_processor

PACKAGE = Path(kafka_processor.__file__).parent
MODULES = {path.stem: path for path in PACKAGE.glob("*.py")}
KNOW_KAFKA = {
    "consumer",
    "producer",
    "topics",
    "kafka_errors",
    "preflight",
    "processor",
    "main",
}
PURE = {
    "checks",
    "metrics",
    "pipeline",
    "records",
    "summary_printer",
    "skipped",
    "timestamps",
    "transformer",
    "setting_types",
    "client_config",
}
SAID_BY_PURE = {
    "binascii", "collections", "dataclasses", "datetime", "decimal", "functools", "hashlib", "hmac",
    "ipaddress", "itertools", "json", "math", "msgspec", "operator", "re", "socket", "typing",
}  # fmt: skip
PATHS_ONLY = {"setting_types": {"pathlib"}}
"""A setting that names a file is checked for the file."""
CLOCKS = {"now", "utcnow", "today"}


def imports(name: str) -> Iterator[tuple[str, str | None]]:
    """Each imported module with the name taken from it, wherever in the file."""
    for node in ast.walk(ast.parse(MODULES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def test_few_modules_know_the_kafka_client() -> None:
    found = {name for name in MODULES for module, _ in imports(name) if "confluent_kafka" in module}
    assert found <= KNOW_KAFKA


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_pure_core_imports_nothing_that_acts(name: str) -> None:
    for module, taken in imports(name):
        top = module.partition(".")[0]
        if top == "kafka_processor":
            assert module != "kafka_processor" or taken in PURE | {"setting_types"}
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
    for name in ("config", "client_properties", "client_config", "device_key"):
        tops = {module.partition(".")[0] for module, _ in imports(name)}
        assert not tops & {"confluent_kafka", "time", "socket", "threading", "structlog"}


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    """`cd kafka_processor && python main.py` puts this folder first on the path."""
    assert not MODULES.keys() & sys.stdlib_module_names
    assert not MODULES.keys() & {"confluent_kafka", "msgspec", "dotenv", "structlog"}
