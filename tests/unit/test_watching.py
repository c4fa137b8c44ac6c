"""Rooms whose packages are not installed."""

import pytest

from kafka_processor import watching
from kafka_processor.config import SettingsError, load_settings


def test_a_room_without_its_packages_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "find_spec", lambda _name: None)
    watching.demand_packages(load_settings({}))
    with pytest.raises(SettingsError) as refused:
        watching.demand_packages(load_settings({"OPS_PORT": "9108"}))
    [line] = refused.value.lines
    assert line.startswith("OPS_PORT: needs prometheus-client; pip install ")
