"""Settings: the contract's defaults, one line for each wrong value, and no secret in any of it."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_processor.config import Settings, load_settings, rules
from kafka_processor.errors import SettingsError

# The contract's tables and text.
DEFAULTS: dict[str, Any] = {
    "INPUT_TOPIC": "user-login",
    "PROCESSED_TOPIC": "processed-output",
    "ERRORS_TOPIC": "processed-errors",
    "CLEANED_TOPIC": "cleaned-data",
    "SUMMARY_TOPIC": "summary-output",
    "METRICS_TOPIC": "metrics-output",
    "CREATE_TOPICS": "outputs",
    "TOPIC_REPLICATION": None,
    "INPUT_PARTITIONS": 4,
    "AUTO_OFFSET_RESET": "earliest",
    "MAX_MESSAGE_AGE": 60,
    "MAX_MESSAGE_BYTES": 1_048_576,
    "LOCALE_LABELS": None,
    "DEVICE_TYPE_LABELS": None,
    "ACCEPTED_APP_VERSIONS": {"2.3.0"},
    "SUMMARY_PUBLISH_INTERVAL": 1000,
    "DELIVERY": "exactly-once",
    "CONSUMER_GROUP": "kafka-processor",
    "SESSION_TIMEOUT": 10,
    "INSTANCE_ID": None,
    "TRANSACTION_TIMEOUT": 10,
    "KAFKA_BOOTSTRAP_SERVERS": "localhost:29092",
    "KAFKA_SASL_MECHANISM": None,
    "KAFKA_SASL_USERNAME": None,
    "KAFKA_SASL_PASSWORD": None,
    "KAFKA_SSL_CA_LOCATION": None,
    "KAFKA_SSL_CERTIFICATE_LOCATION": None,
    "KAFKA_SSL_KEY_LOCATION": None,
    "KAFKA_SSL_KEY_PASSWORD": None,
    "KAFKA_PROPERTIES_FILE": None,
    "DEVICE_ID_KEY": None,
    "DEVICE_ID_KEY_FILE": None,
    "ALLOW_KEY_CHANGE": False,
    "ALLOW_CORE_DUMPS": False,
    "STARTUP_RETRIES": 5,
    "OPS_PORT": None,
    "OPS_HOST": "127.0.0.1",
}
WITHOUT_STATED_DEFAULT = {"KAFKA_SECURITY_PROTOCOL", "LOG_LEVEL", "LOG_FORMAT"}

NO_FILE = "/no/such/file"
WRONG: list[tuple[str, str]] = [
    *((f"{name}_TOPIC", wrong)
      for name in ("INPUT", "PROCESSED", "ERRORS", "CLEANED", "SUMMARY", "METRICS")
      for wrong in ("a b", "a/b", "é", ".", "..", "x" * 250, "a\nb")),
    *((name, wrong)
      for name in ("INPUT_PARTITIONS", "TOPIC_REPLICATION", "SUMMARY_PUBLISH_INTERVAL",
                   "STARTUP_RETRIES", "OPS_PORT", "MAX_MESSAGE_BYTES")
      for wrong in ("0", "-1", "1.5", "one", "1e3", "\u0661", "1_000", "9" * 5000)),
    *((name, wrong)
      for name in ("SESSION_TIMEOUT", "TRANSACTION_TIMEOUT", "MAX_MESSAGE_AGE")
      for wrong in ("-1", "soon", "nan", "inf", "1e3", "10s", "\u0661", "1,5", "0x10")),
    ("SESSION_TIMEOUT", "0"), ("TRANSACTION_TIMEOUT", "0"),
    ("SESSION_TIMEOUT", "1000000"), ("TRANSACTION_TIMEOUT", "901"),
    ("CREATE_TOPICS", "some"), ("AUTO_OFFSET_RESET", "middle"), ("DELIVERY", "at-most-once"),
    ("ACCEPTED_APP_VERSIONS", ","), ("ALLOW_KEY_CHANGE", "perhaps"), ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"), ("OPS_PORT", "65536"), ("OPS_HOST", "a\nb"),
    ("INSTANCE_ID", "a b"), ("INSTANCE_ID", "x" * 250),
    ("CONSUMER_GROUP", "a\nb"), ("CONSUMER_GROUP", "x" * 250),
    ("KAFKA_BOOTSTRAP_SERVERS", "host:0"), ("KAFKA_BOOTSTRAP_SERVERS", "host:65536"),
    ("KAFKA_BOOTSTRAP_SERVERS", "host:port"), ("KAFKA_BOOTSTRAP_SERVERS", "a:1,,b:1"),
    ("KAFKA_BOOTSTRAP_SERVERS", "a b:1"), ("KAFKA_BOOTSTRAP_SERVERS", "host:\u0661"),
    ("KAFKA_BOOTSTRAP_SERVERS", "host:" + "9" * 5000), ("KAFKA_BOOTSTRAP_SERVERS", ":9092"),
    ("KAFKA_BOOTSTRAP_SERVERS", "\udcff:1"),
    *(("KAFKA_BOOTSTRAP_SERVERS", wrong)
      for wrong in ("kafka://host:9092", "http://host:9092", "PLAINTEXT://host:9092", "https://host",
                    "kafka://", "a:1,SASL_SSL://b:1", "host:9092/", "host:9092/topic")),
    ("KAFKA_SECURITY_PROTOCOL", "TLS"), ("KAFKA_SASL_MECHANISM", "MD5"),
    ("KAFKA_SASL_USERNAME", "a\nb"),
    *((name, wrong)
      for name in ("KAFKA_SSL_CA_LOCATION", "KAFKA_SSL_CERTIFICATE_LOCATION",
                   "KAFKA_SSL_KEY_LOCATION", "KAFKA_PROPERTIES_FILE", "DEVICE_ID_KEY_FILE")
      for wrong in (NO_FILE, "/", "/x" * 5000, "/" + "x" * 300, "~no-such-user/file", "a\0b")),
]  # fmt: skip


def errors_of(**given_settings: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(given_settings)
    assert str(refused.value) == "\n".join(refused.value.lines)
    return refused.value.lines


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_those_of_the_contract(name: str) -> None:
    assert getattr(load_settings({}), name.lower()) == DEFAULTS[name]


def test_every_setting_of_the_contract_and_no_other_is_declared_with_its_meaning() -> None:
    declared = dict(rules())
    assert declared.keys() == DEFAULTS.keys() | WITHOUT_STATED_DEFAULT
    assert all(rule.meaning and rule.allowed for rule in declared.values())


@pytest.mark.parametrize(("name", "wrong"), WRONG, ids=lambda text: ascii(text)[1:30])
def test_a_wrong_value_is_one_line_with_setting_value_and_what_is_allowed(
    name: str, wrong: str
) -> None:
    [line] = errors_of(**{name: wrong})
    assert line.startswith(f"{name}: ")
    assert repr(wrong) in line or wrong in line
    assert "\n" not in line
    assert dict(rules())[name].allowed in line


@pytest.mark.parametrize(
    "address",
    [
        "kafka://user:pa/s,s@host:9092",
        "user:pa@ss@host:9092",
        "pa@host:9092",
        "a:1, kafka://user:pa@b:9092/x",
    ],
)
def test_a_login_in_an_address_is_not_shown(address: str, tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_text(f"bootstrap.servers={address}\n")
    wrong = {"KAFKA_BOOTSTRAP_SERVERS": address, "KAFKA_PROPERTIES_FILE": str(file)}
    for name, value in wrong.items():
        [line] = errors_of(**{name: value})
        assert line.startswith(f"{name}: ")
        assert "host:port" in line
        assert "pa" not in line.partition("is not allowed")[0]


@pytest.mark.parametrize("name", ["INPUT_PARTITIONS", "TOPIC_REPLICATION", "STARTUP_RETRIES",
                                  "SUMMARY_PUBLISH_INTERVAL"])  # fmt: skip
def test_a_number_beyond_a_limit_is_told_the_limit(name: str) -> None:
    [line] = errors_of(**{name: "9" * 30})
    allowed = line.rpartition("; use ")[2]
    assert any(len(number) > 1 for number in allowed.replace(",", "").split() if number.isdigit())


def test_all_errors_are_in_one_report() -> None:
    wrong = {name: value for name, value in reversed(WRONG) if name in dict(rules())}
    lines = errors_of(**wrong)
    assert sorted(line.partition(":")[0] for line in lines) == sorted(wrong)


@given(st.dictionaries(st.sampled_from([n for n, _ in rules()]), st.text() | st.text("x,:./019")))
def test_any_values_whatever_give_settings_or_lines(given_settings: dict[str, str]) -> None:
    try:
        load_settings(given_settings)
    except SettingsError as error:
        names = {name for name, _ in rules()}
        for line in error.lines:
            assert line.partition(":")[0] in names
            assert len(line.splitlines()) == 1
            line.encode()


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("ACCEPTED_APP_VERSIONS", " 2.3.0 ,2.4.0,, ", {"2.3.0", "2.4.0"}),
        ("MAX_MESSAGE_AGE", "0", 0),
        ("MAX_MESSAGE_AGE", "0.5", 0.5),
        ("ALLOW_KEY_CHANGE", "true", True),
        ("KAFKA_SECURITY_PROTOCOL", "SSL", "SSL"),
        ("KAFKA_BOOTSTRAP_SERVERS", "a:1,[::1]:2", "a:1,[::1]:2"),
        ("INPUT_TOPIC", "x" * 249, "x" * 249),
        ("METRICS_TOPIC", "", ""),
        ("TRANSACTION_TIMEOUT", "900", 900),
        ("DELIVERY", "at-least-once", "at-least-once"),
        ("CREATE_TOPICS", "all", "all"),
        ("CREATE_TOPICS", "none", "none"),
        ("AUTO_OFFSET_RESET", "latest", "latest"),
        ("LOG_FORMAT", "json", "json"),
        ("KAFKA_SASL_PASSWORD", "  pass word ", "  pass word "),
    ],
)
def test_values_that_are_allowed(name: str, text: str, value: object) -> None:
    assert getattr(load_settings({name: text}), name.lower()) == value


def test_topics_must_differ_and_the_line_names_both_settings() -> None:
    [line] = errors_of(ERRORS_TOPIC="same", CLEANED_TOPIC="same")
    assert all(part in line for part in ("ERRORS_TOPIC", "CLEANED_TOPIC", "'same'"))
    assert len(errors_of(INPUT_TOPIC="cleaned-data")) == 1
    assert len(errors_of(METRICS_TOPIC="user-login")) == 1


def test_metrics_set_to_nothing_are_off() -> None:
    assert len(load_settings({}).output_topics) == 5
    off = load_settings({"METRICS_TOPIC": " "})
    assert not off.metrics_topic
    assert len(off.output_topics) == 4


def test_a_login_needs_its_parts() -> None:
    sasl = {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}
    assert [line.partition(":")[0] for line in errors_of(**sasl)] == ["KAFKA_SASL_MECHANISM"]
    plain = sasl | {"KAFKA_SASL_MECHANISM": "PLAIN"}
    assert {line.partition(":")[0] for line in errors_of(**plain)} == {
        "KAFKA_SASL_USERNAME",
        "KAFKA_SASL_PASSWORD",
    }
    load_settings(plain | {"KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"})


def test_a_wrong_value_is_not_called_missing_as_well(tmp_path: Path) -> None:
    [line] = errors_of(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_MECHANISM="MD5")
    assert "'MD5'" in line
    own_key = tmp_path / "key.pem"
    own_key.touch()
    [line] = errors_of(KAFKA_SSL_KEY_LOCATION=str(own_key), KAFKA_SSL_CERTIFICATE_LOCATION=NO_FILE)
    assert NO_FILE in line


def test_settings_do_not_change() -> None:
    settings = load_settings({})
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.delivery = "at-least-once"  # type: ignore[misc]
    assert isinstance(settings, Settings)
    assert settings.changed() == {}
