"""Keys and passwords are in no error, log line or representation of the settings."""

from pathlib import Path

import pytest

from kafka_processor.config import load_settings
from kafka_processor.errors import SettingsError

SECRET_KEY = "5ec4e7010203040506" * 4
SECRETS = {
    "KAFKA_SASL_PASSWORD": "sasl-5ec4e7-password",
    "KAFKA_SSL_KEY_PASSWORD": "ssl-5ec4e7-password",
    "DEVICE_ID_KEY": SECRET_KEY,
}
RAW_KEY = bytes.fromhex(SECRET_KEY)


def errors_of(**given_settings: str) -> list[str]:
    with pytest.raises(SettingsError) as refused:
        load_settings(given_settings)
    return refused.value.lines


def check_that_no_secret_is_in(text: str) -> None:
    assert "5ec4e7" not in text
    assert repr(RAW_KEY)[2:10] not in text


def test_secrets_are_in_no_representation(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(SECRET_KEY)
    properties = tmp_path / "properties"
    properties.write_text("sasl.oauthbearer.client.secret=5ec4e7\nssl.key.pem=5ec4e7\n")
    given_settings = SECRETS | {
        "DEVICE_ID_KEY_FILE": str(key_file),
        "KAFKA_PROPERTIES_FILE": str(properties),
    }
    settings = load_settings(given_settings)
    assert settings.key == RAW_KEY
    check_that_no_secret_is_in(repr(settings))
    check_that_no_secret_is_in(str(settings.shown()))
    assert settings.changed().keys() == given_settings.keys()


def test_a_key_that_comes_from_a_file_is_in_no_representation(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(SECRET_KEY)
    settings = load_settings({"DEVICE_ID_KEY_FILE": str(key_file)})
    assert settings.key == RAW_KEY
    check_that_no_secret_is_in(repr(settings))
    check_that_no_secret_is_in(str(settings.shown()))


@pytest.mark.parametrize("key", ["5ec4e7", "5ec4e7" * 5, "5ec4e7é" * 20, "5ec4e7 " * 20])
def test_a_wrong_secret_is_not_shown(key: str) -> None:
    lines = errors_of(**SECRETS | {"DEVICE_ID_KEY": key, "LOG_LEVEL": "loud"})
    assert [line.partition(":")[0] for line in lines] == ["DEVICE_ID_KEY", "LOG_LEVEL"]
    check_that_no_secret_is_in("\n".join(lines))


@pytest.mark.parametrize("name", ["KAFKA_SASL_PASSWORD", "KAFKA_SSL_KEY_PASSWORD"])
def test_a_password_that_is_no_text_is_refused_before_the_client_sees_it(name: str) -> None:
    """An environment may hold any bytes; those that are not UTF-8 make the client raise."""
    [line] = errors_of(**{name: "5ec4e7\udcff"})
    assert line.startswith(f"{name}: ")
    check_that_no_secret_is_in(line)


def test_secrets_from_a_properties_file_stay_secret(tmp_path: Path) -> None:
    properties = tmp_path / "properties"
    properties.write_text("sasl.password=5ec4e7\nssl.key.password=5ec4e7\n5ec4e7\nacks=5ec4e7\n")
    lines = errors_of(KAFKA_PROPERTIES_FILE=str(properties))
    assert len(lines) == 2
    check_that_no_secret_is_in("\n".join(lines))
    properties.write_text("sasl.password=5ec4e7\nssl.key.password=5ec4e7\n")
    settings = load_settings({"KAFKA_PROPERTIES_FILE": str(properties)})
    assert settings.kafka_sasl_password == "5ec4e7"
    check_that_no_secret_is_in(repr(settings) + str(settings.shown()))


def test_two_keys_that_differ_are_refused_and_not_shown(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("5ec4e8" * 12)
    lines = errors_of(DEVICE_ID_KEY=SECRET_KEY, DEVICE_ID_KEY_FILE=str(key_file))
    assert lines
    assert "5ec4e" not in "\n".join(lines)
