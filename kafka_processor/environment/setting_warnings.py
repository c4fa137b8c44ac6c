"""Warnings about settings that are valid but unsafe or probably unintended, one line each."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from kafka_processor.config import Settings, rules
from kafka_processor.environment.mistyped import mistyped_names
from kafka_processor.environment.otel_settings import SIGNALS, setting_of
from kafka_processor.environment.project_key import PROJECT_KEY_PATH
from kafka_processor.environment.reading import Environment
from kafka_processor.settings.trusted_files import (
    command_against_reading,
    command_against_replacing,
    shown,
)

OTHER_NAMES: Final = ("DASHBOARD_TOKEN",)
"""Variables of this program that are not settings of the daemon."""

_SECRET_OF_OTHERS: Final = re.compile(r"OTEL_.*HEADERS|OPENLINEAGE.*API_?KEY|OPENLINEAGE.*AUTH.*")
_TURNED_OFF: Final = {
    ("enable.ssl.certificate.verification", ("false", "f", "0")): "turns off certificate "
    "checks, so anyone on the network can impersonate a broker; remove this line",
    ("ssl.endpoint.identification.algorithm", ("none",)): "turns off host name "
    "checks, so anyone with a trusted certificate can impersonate a broker; remove this line",
    ("enable.sasl.oauthbearer.unsecure.jwt", ("true", "t", "1")): "sends unsigned tokens, "
    "which are for tests only; remove this line",
}

_SENT_UNENCRYPTED: Final = {"PLAIN": "password", "OAUTHBEARER": "token"}


def setting_warnings(settings: Settings, environment: Environment) -> Iterator[str]:
    yield from environment.warnings
    yield from misspelled_names(environment)
    yield from _broker_connection(settings)
    yield from _other_connections(environment.values)
    yield from _files(settings, environment)


def misspelled_names(environment: Environment) -> Iterator[str]:
    names = [*(name for name, _ in rules()), *OTHER_NAMES]
    for name, meant in mistyped_names(environment.values, names):
        yield f"{name if name.isprintable() else ascii(name)}: not a setting; did you mean {meant}?"


def _broker_connection(settings: Settings) -> Iterator[str]:
    for (name, values), consequence in _TURNED_OFF.items():
        if settings.properties.get(name, "").lower() in values:
            yield f"KAFKA_PROPERTIES_FILE: {name}={settings.properties[name]} {consequence}"
    mechanism = settings.kafka_sasl_mechanism
    if settings.kafka_security_protocol == "SASL_PLAINTEXT" and mechanism in _SENT_UNENCRYPTED:
        yield (
            f"KAFKA_SECURITY_PROTOCOL: SASL_PLAINTEXT with {mechanism} sends the "
            f"{_SENT_UNENCRYPTED[mechanism]} unencrypted; use SASL_SSL"
        )
    endpoint = settings.properties.get("sasl.oauthbearer.token.endpoint.url", "")
    if _is_unencrypted(endpoint):
        yield (
            "KAFKA_PROPERTIES_FILE: sasl.oauthbearer.token.endpoint.url with http:// sends the "
            "client's secret unencrypted; use https://"
        )


def _other_connections(environ: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys(setting_of(environ, signal, "HEADERS") for signal in SIGNALS):
        endpoints = (setting_of(environ, signal, "ENDPOINT") for signal in SIGNALS)
        if name and any(_is_unencrypted(environ[endpoint]) for endpoint in endpoints if endpoint):
            yield f"{name}: is sent unencrypted to an http:// endpoint; use https://"
    for name, endpoint in (
        ("OPENLINEAGE_API_KEY", "OPENLINEAGE_URL"),
        ("OPENLINEAGE__TRANSPORT__AUTH__API_KEY", "OPENLINEAGE__TRANSPORT__URL"),
        ("OPENLINEAGE__TRANSPORT__AUTH__APIKEY", "OPENLINEAGE__TRANSPORT__URL"),
    ):
        if environ.get(name) and _is_unencrypted(environ.get(endpoint, "")):
            yield f"{name}: is sent unencrypted to an http:// address; use https:// in {endpoint}"


def _is_unencrypted(address: str) -> bool:
    """Whether the URL is plain HTTP to another machine."""
    try:
        parts = urlsplit(address.strip())
        host = parts.hostname or ""
    except ValueError:
        return False
    is_loopback = host in ("localhost", "::1") or host.startswith("127.")
    return parts.scheme == "http" and not is_loopback


def _files(settings: Settings, environment: Environment) -> Iterator[str]:
    for source, path, is_secret in _sources(settings, environment):
        if command := command_against_replacing(path):
            yield f"{source}: other users can replace the file; run: {command}"
        elif is_secret and (command := command_against_reading(path)):
            yield f"{source}: may contain secrets and is readable by other users; run: {command}"


def _sources(settings: Settings, environment: Environment) -> Iterator[tuple[str, Path, bool]]:
    """Yields name and path of each settings and key file, and whether it may contain secrets."""
    for path, variables in environment.files.items():
        yield shown(path), path, any(map(_is_secret, variables))
    if settings.kafka_properties_file:
        yield "KAFKA_PROPERTIES_FILE", settings.kafka_properties_file, True
    if settings.device_id_key_file:
        path = Path(environment.values["DEVICE_ID_KEY_FILE"].strip()).expanduser()
        yield "DEVICE_ID_KEY_FILE", path, True
    elif not settings.key:
        yield shown(PROJECT_KEY_PATH), PROJECT_KEY_PATH, True
    if settings.kafka_ssl_key_location:
        yield "KAFKA_SSL_KEY_LOCATION", settings.kafka_ssl_key_location, True


def _is_secret(name: str) -> bool:
    secrets = {name for name, rule in rules() if rule.secret}
    return name in secrets or name in OTHER_NAMES or bool(_SECRET_OF_OTHERS.fullmatch(name))
