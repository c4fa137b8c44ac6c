"""Integrations whose packages are not installed, and integrations that are disabled."""

import subprocess
import sys
from pathlib import Path

import pytest

from kafka_processor.config import PROJECT_FOLDER
from kafka_processor.errors import SettingsError
from kafka_processor.startup import integrations

ALL_ON = {
    "OPS_PORT": "9108",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
    "OPENLINEAGE_URL": "http://localhost:5000",
}


def test_packages_that_are_missing_are_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrations, "find_spec", lambda _: None)
    with pytest.raises(SettingsError) as raised:
        integrations.require_packages(ALL_ON)
    assert [line.partition(":")[0] for line in raised.value.lines] == list(ALL_ON)
    assert all("pip install" in line for line in raised.value.lines)
    integrations.require_packages({})


def test_packages_are_found() -> None:
    integrations.require_packages(ALL_ON)
    assert not integrations._is_installed("no_such_package.with_a_module")


START: list[str] = []
CHECK = ["--check"]


@pytest.mark.parametrize(
    ("arguments", "wrong", "reason"),
    [
        (START, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "-1"}, "must be a non-negative integer"),
        (START, {"OTEL_BSP_MAX_QUEUE_SIZE": "-1"}, "max_queue_size"),
        (CHECK, {"OTEL_BSP_MAX_QUEUE_SIZE": "a@b"}, "(login)@b'"),
        (CHECK, {"OTEL_METRIC_EXPORT_INTERVAL": "0"}, "interval value 0.0 is invalid"),
        (START, {"OTEL_PYTHON_METER_PROVIDER": "none"}, "a component that is not installed"),
        (CHECK, {"OPENLINEAGE__TRANSPORT__TYPE": "http"}, "OPENLINEAGE_*: "),
    ],
)
def test_what_a_library_does_not_take_is_one_line(
    arguments: list[str], wrong: dict[str, str], reason: str, tmp_path: Path
) -> None:
    """Each is read while the library is imported or set up, by the start and the check alike."""
    (tmp_path / "empty").touch()
    ended = subprocess.run(
        [sys.executable, "-m", "kafka_processor", *arguments, "--env-file", "empty"],
        env={
            "PYTHONPATH": str(PROJECT_FOLDER),
            "HOME": str(tmp_path),
            "DEVICE_ID_KEY": "0123456789abcdef" * 4,
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
            "LOG_LEVEL": "error",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            **wrong,
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    [line] = ended.stderr.splitlines()
    assert line.startswith(("OTEL_*: ", "OPENLINEAGE_*: "))
    assert reason in line


START_ENABLED = """
import os, sys
from kafka_processor.config import load_settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.startup.logs import create_log
from kafka_processor.startup.integrations import start_integrations
settings = load_settings({})
log = create_log(settings)
with start_integrations(settings, dict(os.environ), "key", log, Heartbeat()) as found:
    print(*sys.modules)
"""


def start_enabled(given: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START_ENABLED],
        env={
            "PYTHONPATH": str(Path(integrations.__file__).parents[1]),
            "HOME": str(folder),
            **given,
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "given", [{}, {"OTEL_SDK_DISABLED": "true", "OPENLINEAGE_DISABLED": "true", **ALL_ON}]
)
def test_what_is_off_is_not_loaded(given: dict[str, str], tmp_path: Path) -> None:
    answer = start_enabled(given, tmp_path)
    assert answer.returncode == 0, answer.stderr
    loaded = answer.stdout.split()
    assert "kafka_processor.startup.integrations" in loaded
    integrations_and_packages = (
        "opentelemetry",
        "openlineage",
        "kafka_processor.telemetry",
        "kafka_processor.lineage",
    )
    assert not [name for name in loaded if name.startswith(integrations_and_packages)]
