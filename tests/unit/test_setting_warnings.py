"""What is warned of at start and in `--check`."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import load_settings, rules
from kafka_processor.environment import setting_warnings as module
from kafka_processor.environment.mistyped import distance, mistyped_names
from kafka_processor.environment.reading import Environment, read_environment
from kafka_processor.environment.setting_warnings import setting_warnings

KEY = "0123456789abcdef" * 4
SECRET = "do-not-show"
OTHER = "http://collector.example:4318"


def lines_of(**variables: str) -> list[str]:
    """Of a daemon with a key and these variables."""
    read = Environment({"DEVICE_ID_KEY": KEY, **variables}, {}, ())
    return list(setting_warnings(load_settings(read.values), read))


def lines_of_file(file: Path) -> list[str]:
    read = read_environment({"DEVICE_ID_KEY": KEY}, str(file))
    return list(setting_warnings(load_settings(read.values), read))


def with_properties(tmp_path: Path, text: str, **variables: str) -> list[str]:
    file = tmp_path / "client.properties"
    file.write_text(text)
    file.chmod(0o600)
    return lines_of(KAFKA_PROPERTIES_FILE=str(file), **variables)


def test_good_settings_are_no_reason_for_any() -> None:
    assert lines_of() == []
    every_one = {name: rule.default for name, rule in rules() if rule.default}
    assert lines_of(**every_one) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("enable.ssl.certificate.verification=false", "enable.ssl.certificate.verification=false"),
        ("enable.ssl.certificate.verification = F", "enable.ssl.certificate.verification=F"),
        ("enable.ssl.certificate.verification=0", "enable.ssl.certificate.verification=0"),
        ("ssl.endpoint.identification.algorithm=none", "ssl.endpoint.identification.algorithm"),
        ("ssl.endpoint.identification.algorithm=NONE", "ssl.endpoint.identification.algorithm"),
        ("enable.sasl.oauthbearer.unsecure.jwt=true", "enable.sasl.oauthbearer.unsecure.jwt"),
        (f"sasl.oauthbearer.token.endpoint.url={OTHER}", "sasl.oauthbearer.token.endpoint.url"),
    ],
)
def test_a_check_that_is_turned_off_is_one_line(tmp_path: Path, text: str, named: str) -> None:
    [line] = with_properties(tmp_path, text)
    assert line.startswith("KAFKA_PROPERTIES_FILE: ")
    assert named in line


@pytest.mark.parametrize(
    "text",
    [
        "enable.ssl.certificate.verification=true",
        "ssl.endpoint.identification.algorithm=https",
        "sasl.oauthbearer.token.endpoint.url=https://login.example/token",
        "sasl.oauthbearer.token.endpoint.url=http://localhost:8080/token",
    ],
)
def test_a_check_that_is_on_is_none(tmp_path: Path, text: str) -> None:
    assert with_properties(tmp_path, text) == []


LOGIN = {"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": SECRET}


@pytest.mark.parametrize(
    ("protocol", "mechanism", "what"),
    [
        ("SASL_PLAINTEXT", "PLAIN", "password"),
        ("sasl_plaintext", "plain", "password"),
        ("SASL_PLAINTEXT", "OAUTHBEARER", "token"),
        ("SASL_PLAINTEXT", "SCRAM-SHA-512", None),
        ("SASL_SSL", "PLAIN", None),
    ],
)
def test_a_password_that_goes_unencrypted_is_one_line(
    protocol: str, mechanism: str, what: str | None
) -> None:
    lines = lines_of(KAFKA_SECURITY_PROTOCOL=protocol, KAFKA_SASL_MECHANISM=mechanism, **LOGIN)
    assert len(lines) == (what is not None)
    for line in lines:
        assert what
        assert what in line
        assert line.startswith("KAFKA_SECURITY_PROTOCOL: ")
        assert SECRET not in line


def test_a_password_that_goes_unencrypted_by_the_properties_file(tmp_path: Path) -> None:
    login = f"sasl.mechanisms=PLAIN\nsasl.username=u\nsasl.password={SECRET}"
    [line] = with_properties(tmp_path, f"security.protocol=sasl_plaintext\n{login}")
    assert line.startswith("KAFKA_SECURITY_PROTOCOL: ")


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": OTHER, "OTEL_EXPORTER_OTLP_HEADERS": SECRET},
         "OTEL_EXPORTER_OTLP_HEADERS"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": OTHER, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": SECRET},
         "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
        ({"OPENLINEAGE_URL": OTHER, "OPENLINEAGE_API_KEY": SECRET}, "OPENLINEAGE_API_KEY"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
          "OTEL_EXPORTER_OTLP_HEADERS": SECRET}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example",
          "OTEL_EXPORTER_OTLP_HEADERS": SECRET}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": OTHER}, None),
        ({"OPENLINEAGE_URL": "https://lineage.example", "OPENLINEAGE_API_KEY": SECRET}, None),
    ],
)  # fmt: skip
def test_a_token_that_goes_unencrypted_is_one_line(
    variables: dict[str, str], name: str | None
) -> None:
    lines = lines_of(**variables)
    assert [line.partition(":")[0] for line in lines] == ([name] if name else [])
    assert SECRET not in str(lines)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KAFKA_BOOTSTRAP_SERVER", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAFKA_BOOSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        ("KAFKA_BOOTSTARP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        ("kafka_bootstrap_servers", "KAFKA_BOOTSTRAP_SERVERS"),
        ("DEVICE_ID_KEYS", "DEVICE_ID_KEY"),
        ("DEVICE_ID_KEYFILE", "DEVICE_ID_KEY_FILE"),
        ("CONSUMER_GROUPS", "CONSUMER_GROUP"),
        ("DELIVERY_", "DELIVERY"),
        ("DASHBOARD_TOKN", "DASHBOARD_TOKEN"),
    ],
)
def test_a_name_that_is_nearly_one_of_ours_is_one_line(name: str, meant: str) -> None:
    [line] = lines_of(**{name: SECRET})
    assert line.startswith(f"{name}: ")
    assert f" {meant}?" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    "name",
    ["OTEL_SERVICE_NAME", "OTEL_LOG_LEVEL", "KAFKA_PORT", "KAFKA_HOME", "KAFKA_OPTS", "LOGNAME",
     "LOG_FILE", "LOG_DIR", "SESSION_MANAGER", "TOPIC", "MAX_MEMORY", "HOSTNAME", "OPENLINEAGE_URL",
     "METRICS_PORT", "APPS_PORT", "INPUT_FILE", "INSTANCE_TYPE", "GENERATOR_RATE",
     "DASHBOARD_TOKEN", "MAPS_HOST"],
)  # fmt: skip
def test_a_name_of_others_is_none(name: str) -> None:
    assert lines_of(**{name: "x"}) == []


def test_of_names_that_are_near_to_each_other_none_is_warned_of() -> None:
    names = [name for name, _ in rules()]
    assert list(mistyped_names(names, names)) == []


def test_a_name_that_would_take_over_the_terminal_is_escaped() -> None:
    [line] = lines_of(**{"OPS_PORT\x1b": "1"})
    assert line.isprintable()


@given(st.text("AB_", max_size=8), st.text("AB_", max_size=8))
def test_the_distance_is_symmetric_and_counts_single_changes(one: str, other: str) -> None:
    assert (distance(one, other) == 0) == (one == other)
    assert min(distance(one, other), 3) == min(distance(other, one), 3)
    assert distance(one, one[:2] + "X" + one[2:]) == 1


def test_a_mistyped_name_in_a_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "named"
    file.write_text("INPUT_TOPICS=a\n")
    file.chmod(0o600)
    [line] = lines_of_file(file)
    assert line.startswith("INPUT_TOPICS: ")


posix = pytest.mark.skipif(os.name != "posix", reason="no such modes")


@posix
@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        (f"KAFKA_SASL_PASSWORD={SECRET}", True),
        (f"DEVICE_ID_KEY={KEY}", True),
        (f"DASHBOARD_TOKEN={SECRET}", True),
        (f"OTEL_EXPORTER_OTLP_TRACES_HEADERS=api-key={SECRET}", True),
        (f"OPENLINEAGE_API_KEY={SECRET}", True),
        ("CONSUMER_GROUP=a", False),
    ],
)
def test_a_file_with_secrets_that_others_may_read_is_one_line(
    tmp_path: Path, text: str, is_secret: bool
) -> None:
    file = tmp_path / "named"
    file.write_text(text)
    file.chmod(0o644)
    lines = lines_of_file(file)
    assert len(lines) == is_secret
    for line in lines:
        assert line.startswith(f"{file}: ")
        assert f"chmod o-r {file}" in line
        assert SECRET not in line
    file.chmod(0o640)
    assert lines_of_file(file) == []


@posix
@pytest.mark.parametrize("text", [f"sasl.password={SECRET}", "client.id=a"])
def test_a_properties_file_that_others_may_read_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "client.properties"
    file.write_text(text)
    file.chmod(0o644)
    [line] = lines_of(KAFKA_PROPERTIES_FILE=str(file))
    assert line.startswith("KAFKA_PROPERTIES_FILE: ")
    assert f"chmod o-r {file}" in line
    assert SECRET not in line
    file.chmod(0o640)
    assert lines_of(KAFKA_PROPERTIES_FILE=str(file)) == []


@posix
def test_a_key_file_that_others_may_read_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    file.chmod(0o644)
    [line] = lines_of(DEVICE_ID_KEY="", DEVICE_ID_KEY_FILE=str(file))
    assert line.startswith("DEVICE_ID_KEY_FILE: ")
    assert f"chmod o-r {file}" in line
    monkeypatch.setattr(module, "PROJECT_KEY_PATH", file)
    [line] = lines_of(DEVICE_ID_KEY="")
    assert line.startswith(f"{file}: ")
    file.chmod(0o600)
    assert lines_of(DEVICE_ID_KEY="") == []


@posix
def test_a_folder_in_which_others_may_replace_the_file_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    file = folder / "key"
    file.write_text(KEY)
    file.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(file)
    for path in (file, link):
        folder.chmod(0o777)
        [line] = lines_of(DEVICE_ID_KEY="", DEVICE_ID_KEY_FILE=str(path))
        assert line.startswith("DEVICE_ID_KEY_FILE: ")
        assert f"chmod o-w {folder}" in line
        folder.chmod(0o1777)  # as of /tmp: others may add files, and replace none
        assert lines_of(DEVICE_ID_KEY="", DEVICE_ID_KEY_FILE=str(path)) == []
