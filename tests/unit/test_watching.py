"""Rooms whose packages are not installed, and rooms that are off."""

import subprocess
import sys
from pathlib import Path

import pytest

from kafka_processor import watching
from kafka_processor.config import SettingsError

ALL_ON = {
    "OPS_PORT": "9108",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
    "OPENLINEAGE_URL": "http://localhost:5000",
}


def test_packages_that_are_missing_are_one_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "find_spec", lambda _: None)
    with pytest.raises(SettingsError) as raised:
        watching.demand_packages(ALL_ON)
    assert [line.partition(":")[0] for line in raised.value.lines] == list(ALL_ON)
    assert all("pip install" in line for line in raised.value.lines)
    watching.demand_packages({})


def test_packages_are_found() -> None:
    watching.demand_packages(ALL_ON)
    assert not watching._is_installed("no_such_package.with_a_module")


OPEN_ALL_THAT_IS_ON = """
import os, sys
from kafka_processor.config import load_settings
from kafka_processor.heartbeat import Heartbeat
from kafka_processor.logs import create_log
from kafka_processor.watching import watch
settings = load_settings({})
with watch(settings, dict(os.environ), "key", create_log(settings), Heartbeat()) as found:
    print(*sys.modules)
"""


@pytest.mark.parametrize(
    "given", [{}, {"OTEL_SDK_DISABLED": "true", "OPENLINEAGE_DISABLED": "true", **ALL_ON}]
)
def test_what_is_off_is_not_loaded(given: dict[str, str], tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", OPEN_ALL_THAT_IS_ON],
        env={"PYTHONPATH": str(Path(watching.__file__).parents[1]), "HOME": str(tmp_path), **given},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    loaded = answer.stdout.split()
    assert "kafka_processor.watching" in loaded
    rooms = ("opentelemetry", "openlineage", "kafka_processor.telemetry", "kafka_processor.lineage")
    assert not [name for name in loaded if name.startswith(rooms)]
