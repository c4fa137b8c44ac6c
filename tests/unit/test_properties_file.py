"""`KAFKA_PROPERTIES_FILE` and the client configurations that come of it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaException, Producer

from kafka_processor.clients.client_config import (
    MAX_RESPONSE,
    ClientConfig,
    consumer_config,
    reader_config,
)
from kafka_processor.clients.client_config import producer_config as config_of_producer
from kafka_processor.config import Settings, load_settings
from kafka_processor.errors import SettingsError

REFUSED_BY_THE_CONTRACT = [
    "enable.auto.commit",
    "isolation.level",
    "transactional.id",
    "enable.idempotence",
    "acks",
]
MAX_RECORD = 1_048_588


def producer_config(settings: Settings) -> ClientConfig:
    return config_of_producer(settings, MAX_RECORD)


CONFIGS: list[Callable[[Settings], ClientConfig]] = [
    consumer_config,
    producer_config,
    reader_config,
]


def load(tmp_path: Path, text: str, **given_settings: str) -> Settings:
    file = tmp_path / "client.properties"
    file.write_bytes(text.encode())
    return load_settings({"KAFKA_PROPERTIES_FILE": str(file), **given_settings})


def errors_of(tmp_path: Path, text: str, **given_settings: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, text, **given_settings)
    return refused.value.lines


def test_names_values_comments_and_space(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "# comment\n! comment\n\n  client.id = a = b \r\nstatistics.interval.ms=5\nclient.rack=\n",
    )
    assert dict(settings.properties) == {
        "client.id": "a = b",
        "statistics.interval.ms": "5",
        "client.rack": "",
    }
    for config in CONFIGS:
        assert config(settings)["client.id"] == "a = b"


@pytest.mark.parametrize("name", [*REFUSED_BY_THE_CONTRACT, "request.required.acks"])
def test_what_the_guarantees_rest_on_is_refused(tmp_path: Path, name: str) -> None:
    [line] = errors_of(tmp_path, f"client.id=a\n {name} = all\n")
    assert line.startswith("KAFKA_PROPERTIES_FILE: ")
    assert name in line
    assert "line 2" in line


RUNS_CODE = {
    "plugin.library.paths": "/tmp/evil",
    "ssl.engine.location": "/tmp/evil.so",
    "ssl.engine.id": "evil",
    "ssl.providers": "default,evil",
    "sasl.kerberos.kinit.cmd": "touch /tmp/evil",
    "interceptors": "evil",
    "sasl.oauthbearer.token.cmd": "touch /tmp/evil",
    "sasl.oauthbearer.login.command": "touch /tmp/evil",
    "sasl.oauthbearer.token.file": "/etc/shadow",
    "sasl.oauthbearer.assertion.other.file": "/etc/shadow",
    # The default of sasl.kerberos.kinit.cmd has both in it, and a shell runs that.
    "sasl.kerberos.principal": "kafka; touch /tmp/evil",
    "sasl.kerberos.keytab": "$(touch /tmp/evil)",
}
UNDERMINES = {
    "test.mock.num.brokers": "3",
    "internal.termination.signal": "9",
    "ut_handle_ProduceResponse": "1",
    "offset.store.method": "file",
    "offset.store.path": "/tmp",
    "auto.commit.enable": "true",
    "topic.acks": "0",
    "topic.request.required.acks": "0",
    "topic.partitioner": "random",
    "topic.topic.acks": "0",
    "topic.topic.topic.partitioner": "random",
    "enabled_events": "255",
    "log.queue": "false",
    "logger": "x",
    "error_cb": "x",
    "stats_cb": "x",
    "oauth_cb": "x",
    "throttle_cb": "x",
    "on_commit": "x",
    "on_delivery": "x",
    "default.topic.config": "x",
    "opaque": "x",
}


@pytest.mark.parametrize("name", [*RUNS_CODE, *UNDERMINES])
def test_what_runs_code_or_undermines_the_program_is_refused(tmp_path: Path, name: str) -> None:
    value = (RUNS_CODE | UNDERMINES)[name]
    [line] = errors_of(tmp_path, f"client.id=a\n\t{name}\t=  {value}\n")
    assert "line 2" in line
    assert name.rpartition("topic.")[2] in line or name in line
    assert "evil" not in line


@pytest.mark.parametrize("name", ["plugin.library.paths", "acks", "client.id"])
@pytest.mark.parametrize("tail", ["\0", "\0x", "\ufeff", "\u200b", " x", "\x01"])
def test_a_name_that_the_client_reads_in_another_way_is_none(
    tmp_path: Path, name: str, tail: str
) -> None:
    """To the client a name ends at a null character."""
    [line] = errors_of(tmp_path, f"{name}{tail}=1\n")
    assert "line 1 is not name=value;" in line
    assert errors_of(tmp_path, f"client.rack=a{chr(0)}b\n")


def test_the_client_compares_names_with_their_case(tmp_path: Path) -> None:
    """What is refused in lower case is no property in upper case."""
    settings = load(tmp_path, "Plugin.Library.Paths=/tmp/evil\nACKS=0\n")
    for name, value in settings.properties.items():
        with pytest.raises(KafkaException, match="No such configuration property"):
            Producer({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sasl.oauthbearer.assertion.file", "/run/assertion"),
        ("sasl.oauthbearer.assertion.private.key.file", "/run/key.pem"),
        ("sasl.oauthbearer.assertion.jwt.template.file", "/run/template"),
        ("sasl.oauthbearer.client.credentials.client.secret", "a;b$(c)"),
        ("sasl.kerberos.principal", "processor/host.example@REALM.EXAMPLE"),
        ("sasl.kerberos.keytab", "/etc/krb5 kdc/processor.keytab"),
        ("ssl.keystore.location", "/etc/keystore.p12"),
        ("ssl.crl.location", "/etc/crl.pem"),
        ("topic.metadata.refresh.interval.ms", "1000"),
        ("topic.blacklist", "a"),
        ("debug", "broker"),
    ],
)
def test_what_only_reads_is_allowed(tmp_path: Path, name: str, value: str) -> None:
    assert load(tmp_path, f"{name}={value}\n").properties == {name: value}


def test_a_topic_property_is_the_same_with_its_prefix(tmp_path: Path) -> None:
    settings = load(tmp_path, "topic.auto.offset.reset=latest\ntopic.compression.level=3\n")
    assert settings.overruled_properties == [("auto.offset.reset", "AUTO_OFFSET_RESET")]
    assert producer_config(settings)["compression.level"] == "3"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "client.properties"
    file.write_text("client.id=a\n")
    file.chmod(mode)
    with pytest.raises(SettingsError) as refused:
        load_settings({"KAFKA_PROPERTIES_FILE": str(file)})
    [line] = refused.value.lines
    assert line.startswith("KAFKA_PROPERTIES_FILE: ")
    assert f"chmod go-w {file}" in line


def test_all_that_is_wrong_with_a_file_is_reported_with_the_rest(tmp_path: Path) -> None:
    lines = errors_of(tmp_path, "no equals sign\n=x\nacks=1\n", LOG_LEVEL="loud")
    assert len(lines) == 4
    assert sum(line.startswith("KAFKA_PROPERTIES_FILE: ") for line in lines) == 3


def test_a_wrong_value_is_blamed_on_where_it_stands(tmp_path: Path) -> None:
    [line] = errors_of(tmp_path, "security.protocol=loud\n")
    assert line.startswith("KAFKA_PROPERTIES_FILE: security.protocol: 'loud' is not allowed")
    [line] = errors_of(tmp_path, "security.protocol=loud\n", KAFKA_SECURITY_PROTOCOL="mute")
    assert line.startswith("KAFKA_SECURITY_PROTOCOL: 'mute' is not allowed")


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "client.properties"
    file.write_bytes(b"client.id=\xff\n")
    with pytest.raises(SettingsError) as refused:
        load_settings({"KAFKA_PROPERTIES_FILE": str(file)})
    [line] = refused.value.lines
    assert str(file) in line


def test_a_file_that_is_too_large_for_settings_is_one_line(tmp_path: Path) -> None:
    assert load(tmp_path, "#" * 1024 * 1024)
    [line] = errors_of(tmp_path, "#" * (1024 * 1024 + 1))
    assert line.endswith("is larger than 1048576 bytes")


def test_settings_win_over_the_file_and_the_file_over_defaults(tmp_path: Path) -> None:
    text = "bootstrap.servers=file:1\nsecurity.protocol=SSL\nsasl.username=file\n"
    settings = load(tmp_path, text, KAFKA_BOOTSTRAP_SERVERS="setting:1")
    for config in CONFIGS:
        assert config(settings)["bootstrap.servers"] == "setting:1"
        assert config(settings)["security.protocol"] == "SSL"
        assert config(settings)["sasl.username"] == "file"


@pytest.mark.parametrize("name", ["bootstrap.servers", "security.protocol"])
def test_an_empty_property_leaves_the_default(tmp_path: Path, name: str) -> None:
    for config in CONFIGS:
        assert config(load(tmp_path, f"{name}=\n"))[name] == config(load_settings({}))[name]


def test_a_wrong_value_in_the_file_is_a_wrong_setting(tmp_path: Path) -> None:
    [line] = errors_of(tmp_path, "security.protocol=TLS\n")
    assert "'TLS'" in line


SETTINGS_OF_PROPERTIES = {
    "group.id": ("CONSUMER_GROUP", "g", "g"),
    "group.instance.id": ("INSTANCE_ID", "i", "i"),
    "session.timeout.ms": ("SESSION_TIMEOUT", "7", 7000),
}


@pytest.mark.parametrize("name", SETTINGS_OF_PROPERTIES)
def test_a_property_with_a_setting_is_decided_by_the_setting(tmp_path: Path, name: str) -> None:
    setting, text, value = SETTINGS_OF_PROPERTIES[name]
    settings = load(tmp_path, f"{name}=12345\n", **{setting: text})
    assert consumer_config(settings)[name] == value
    assert (name, setting) in settings.overruled_properties


@pytest.mark.parametrize(
    ("config", "name", "value"),
    [
        (consumer_config, "max.poll.interval.ms", "600000"),
        (consumer_config, "heartbeat.interval.ms", "500"),
        (consumer_config, "fetch.max.bytes", "1234567"),
        (consumer_config, "retry.backoff.ms", "77"),
        (producer_config, "message.timeout.ms", "5000"),
        (producer_config, "delivery.timeout.ms", "5000"),
        (producer_config, "linger.ms", "7"),
        (producer_config, "compression.type", "zstd"),
    ],
)
def test_a_property_counts_or_the_user_is_told_that_it_does_not(
    tmp_path: Path, config: Callable[[Settings], ClientConfig], name: str, value: str
) -> None:
    try:
        settings = load(tmp_path, f"{name}={value}\n")
    except SettingsError:
        return
    counts = config(settings).get(name) == value
    assert counts or name in dict(settings.overruled_properties)


@pytest.mark.parametrize(
    ("text", "max_record", "batch_size"),
    [
        ("", 500_000, 500_000),
        ("batch.size=9999999\n", 500_000, 500_000),
        ("batch.size=77\n", 500_000, 77),
    ],
)
def test_a_batch_is_never_larger_than_what_the_topics_take(
    tmp_path: Path, text: str, max_record: int, batch_size: int
) -> None:
    assert config_of_producer(load(tmp_path, text), max_record)["batch.size"] == batch_size


def test_a_batch_size_that_is_no_number_is_an_error_of_the_user(tmp_path: Path) -> None:
    """Found here as a wrong setting, or by the client; either way in one line."""
    with pytest.raises((SettingsError, KafkaException)):
        Producer(producer_config(load(tmp_path, "batch.size=much\n")))


def test_what_the_guarantees_rest_on_is_in_the_configurations() -> None:
    settings = load_settings({"TRANSACTION_TIMEOUT": "12", "SESSION_TIMEOUT": "8"})
    consumer, producer = consumer_config(settings), producer_config(settings)
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["enable.auto.commit"] is False
    assert consumer["allow.auto.create.topics"] is False
    assert consumer["session.timeout.ms"] == 8000
    assert consumer["heartbeat.interval.ms"] < 8000 / 2
    assert consumer["max.poll.interval.ms"] >= 8000
    assert producer["enable.idempotence"] is True
    assert producer["acks"] == "all"
    assert producer["partitioner"] == "murmur2_random"
    assert producer["message.timeout.ms"] <= 12_000
    assert reader_config(settings)["isolation.level"] == "read_committed"


@pytest.mark.parametrize("given_settings", [
    {},
    {"INSTANCE_ID": "i", "SESSION_TIMEOUT": "1", "TRANSACTION_TIMEOUT": "1"},
    {"SESSION_TIMEOUT": "1800", "TRANSACTION_TIMEOUT": "900"},
    {"SESSION_TIMEOUT": "1.0004", "TRANSACTION_TIMEOUT": "1.9996"},
])  # fmt: skip
def test_the_client_takes_the_configurations(given_settings: dict[str, str]) -> None:
    settings = load_settings({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", **given_settings})
    Consumer(consumer_config(settings)).close()
    Consumer(reader_config(settings)).close()
    timeout = round(settings.transaction_timeout * 1000)
    Producer(
        producer_config(settings) | {"transactional.id": "t", "transaction.timeout.ms": timeout}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", MAX_RESPONSE),
        ("fetch.max.bytes=60000000\n", 60_000_512),
        ("receive.message.max.bytes=50000000\n", "50000000"),
    ],
)
def test_an_answer_has_room_for_what_is_fetched(
    tmp_path: Path, text: str, expected: int | str
) -> None:
    config = consumer_config(load(tmp_path, text))
    assert config["receive.message.max.bytes"] == expected
    Consumer(config).close()  # which refuses an answer that is smaller than what is fetched
