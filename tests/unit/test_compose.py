"""What docker-compose.yml gives to its containers: no more than they need."""

from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.program import PROJECT_FOLDER

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT_FOLDER / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
MEGABYTES = {"m": 1, "g": 1024}
WRITE_TO_THEIR_ROOT = {"kafka", "topics", "grafana"}
"""The images of Kafka write configuration and logs beside the program; Grafana's was not tried."""


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_has_a_capability_or_unbounded_memory_and_processes(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] <= 256
    limit = service["mem_limit"]
    assert 128 <= int(limit[:-1]) * MEGABYTES[limit[-1]] <= 1024
    assert service.get("read_only", False) is (name not in WRITE_TO_THEIR_ROOT)


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_is_open_to_other_machines(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        assert port.startswith("127.0.0.1:")


def test_the_key_comes_from_a_file_and_only_with_the_daemon() -> None:
    environments = {name: each.get("environment", {}) for name, each in SERVICES.items()}
    assert not [name for name, each in environments.items() if "DEVICE_ID_KEY" in each]
    assert [name for name, each in SERVICES.items() if "secrets" in each] == ["processor"]
    [secret] = SERVICES["processor"]["secrets"]
    assert environments["processor"]["DEVICE_ID_KEY_FILE"] == f"/run/secrets/{secret}"
    assert SERVICES["processor"]["profiles"], "or docker-compose up would ask for a key"


def test_nobody_can_log_in_to_grafana() -> None:
    settings = SERVICES["grafana"]["environment"]
    assert settings["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert settings["GF_AUTH_BASIC_ENABLED"] == "false"
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert not [name for name in settings if "PASSWORD" in name]
