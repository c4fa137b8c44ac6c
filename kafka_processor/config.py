"""The settings: declared once, read once, all errors in one report.

Each field of `Settings` is one setting of `docs/contract.md`; its environment variable is the
field's name in upper case. `--help`, the validation and the error lines all come from here.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka_processor.errors import SettingsError
from kafka_processor.event.labels import MAX_DEVICE_TYPES, MAX_LOCALES, is_device_type, is_locale
from kafka_processor.settings import setting_types as types
from kafka_processor.settings.client_properties import (
    OVERRULED,
    SETTING_OF_PROPERTY,
    read_properties,
)
from kafka_processor.settings.device_key import (
    KEY_FORM,
    NotRandomKeyError,
    parse_key,
    read_key_file,
)
from kafka_processor.settings.trusted_files import NotTrusted, shown

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
IS_SOURCE_CHECKOUT = (PROJECT_FOLDER / "pyproject.toml").is_file()


_NOT_ALLOWED = (ValueError, KeyError, OSError, RuntimeError)
"""What a parser raises; the last two come from paths: too long, or of no user's home."""


@contextmanager
def noting(problems: list[str]) -> Iterator[None]:
    """Adds what is wrong to `problems`, so that all of it can be said at once."""
    try:
        yield
    except SettingsError as error:
        problems += error.lines


@contextmanager
def setting_up(what: str) -> Iterator[None]:
    """Turns any exception into SettingsError: libraries read their own settings while they are
    imported and set up. `what` names those settings."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        reason = types.without_login(" ".join(str(error).split())) or type(error).__name__
        if isinstance(error, StopIteration):  # a failed lookup of an entry point, without a text
            reason = "a setting names a component that is not installed"
        raise SettingsError([f"{what} cannot be set up: {reason}"]) from None


@dataclass(frozen=True)
class Rule:
    """How one setting is read: `parse` raises ValueError or KeyError for what is not `allowed`."""

    default: str
    parse: Callable[[str], Any]
    allowed: str
    meaning: str
    secret: bool = False


def _setting(
    default: str,
    parse: Callable[[str], Any],
    allowed: str,
    meaning: str,
    *,
    secret: bool = False,
    shown: bool = True,
) -> Any:
    """`secret`: the text is; `shown=False`: what it is parsed to is."""
    rule = Rule(default, parse, allowed, meaning, secret)
    return field(metadata={"rule": rule}, repr=shown and not secret)


_TOPIC = (types.topic_name, "1 to 249 of a-z A-Z 0-9 . _ -, not just . or ..")
_FILE = (types.existing_file, "a file that exists")
_SECRET = (types.secret, "any text")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, typed. A setting without a default that is not given is None."""

    # fmt: off
    input_topic: str = _setting("user-login", *_TOPIC, "raw login events, JSON")
    processed_topic: str = _setting("processed-output", *_TOPIC, "transformed events")
    errors_topic: str = _setting("processed-errors", *_TOPIC, "one record for each failed message")
    cleaned_topic: str = _setting("cleaned-data", *_TOPIC, "one record for each filtered message")
    summary_topic: str = _setting("summary-output", *_TOPIC, "running counts, compacted")
    metrics_topic: str = _setting(
        "metrics-output", types.topic_name_or_nothing, "a topic name, or nothing: off",
        "what happened to each message")
    create_topics: str = _setting(
        "outputs", types.one_of("outputs", "all", "none"), "outputs, all or none",
        "which missing topics are created at start; all: the input too")
    input_partitions: int = _setting(
        "4", types.integer(1, 100_000), "a whole number from 1 to 100000",
        "partitions of an input topic that is created")
    topic_replication: int | None = _setting(
        "", types.integer(1, 10_000), "a whole number from 1 to 10000",
        "replication of topics that are created; not set: the broker's default")

    kafka_bootstrap_servers: str = _setting(
        "localhost:29092", types.broker_list,
        "host:port, comma-separated, without a scheme such as kafka://", "brokers to start from")
    kafka_security_protocol: str = _setting(
        "PLAINTEXT", types.one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", "how to talk to the brokers")
    kafka_sasl_mechanism: str | None = _setting(
        "", types.one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"),
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or GSSAPI", "how to log in")
    kafka_sasl_username: str | None = _setting("", types.text, "printable text", "login name")
    kafka_sasl_password: str | None = _setting("", *_SECRET, "login password", secret=True)
    kafka_ssl_ca_location: Path | None = _setting("", *_FILE, "certificates to trust, PEM")
    kafka_ssl_certificate_location: Path | None = _setting("", *_FILE, "own certificate, PEM")
    kafka_ssl_key_location: Path | None = _setting("", *_FILE, "own private key, PEM")
    kafka_ssl_key_password: str | None = _setting(
        "", *_SECRET, "password of the private key", secret=True)
    kafka_properties_file: Path | None = _setting(
        "", *_FILE, "further librdkafka properties, name=value")

    consumer_group: str = _setting(
        "kafka-processor", types.group_name, "1 to 249 printable ASCII characters",
        "the consumer group")
    instance_id: str | None = _setting(
        "", *_TOPIC, "name of this process, stable over restarts and unique in the group")
    session_timeout: float = _setting(
        "10", types.seconds(1, 1800), "seconds, 1 to 1800",
        "silence after which a process loses its partitions")
    auto_offset_reset: str = _setting(
        "earliest", types.one_of("earliest", "latest"), "earliest or latest",
        "where a group without offsets starts")

    delivery: str = _setting(
        "exactly-once", types.one_of("exactly-once", "at-least-once"),
        "exactly-once or at-least-once", "what happens once")
    transaction_timeout: float = _setting(
        "10", types.seconds(1, 900), "seconds, 1 to 900",
        "after this the broker ends what a killed process left open")
    max_message_bytes: int = _setting(
        "1048576", types.integer(1, 104_857_600), "a whole number from 1 to 104857600",
        "larger messages are a parse_error, and not looked into")
    max_message_age: float = _setting(
        "60", types.seconds(0), "seconds, 0 or more", "older messages are skipped; 0: never")
    accepted_app_versions: frozenset[str] = _setting(
        "2.3.0", types.comma_separated, "versions, comma-separated",
        "app versions that are processed; others go to cleaned-data")
    locale_labels: frozenset[str] | None = _setting(
        "", types.labels(is_locale, MAX_LOCALES),
        f"up to {MAX_LOCALES} locales such as RU, pt_BR, zh-Hant-TW, comma-separated",
        "locales that are counted by name; not set: the first of that form")
    device_type_labels: frozenset[str] | None = _setting(
        "", types.labels(is_device_type, MAX_DEVICE_TYPES),
        f"up to {MAX_DEVICE_TYPES} names, comma-separated: a letter, then up to 15 of a-z A-Z 0-9 "
        "space . _ -",
        "device types that are counted by name; not set: the first of that form")
    summary_publish_interval: int = _setting(
        "1000", types.integer(1, 2_000_000_000), "a whole number from 1 to 2000000000",
        "messages between two summaries")

    device_id_key: bytes | None = _setting(
        "", parse_key, KEY_FORM, "secret key of the device pseudonyms", secret=True)
    device_id_key_file: bytes | None = _setting(
        "", read_key_file, f"a file with {KEY_FORM}", "file that holds the key", shown=False)
    allow_key_change: bool = _setting(
        "false", types.boolean, "true or false",
        "go on although a partition was counted under another key")
    allow_core_dumps: bool = _setting(
        "false", types.boolean, "true or false",
        "allow core dumps on Linux, for debugging; they contain the key")

    ops_port: int | None = _setting(
        "", types.integer(1, 65_535), "a whole number from 1 to 65535",
        "where /metrics, /healthz and /readyz are served; not set: nowhere")
    ops_host: str = _setting(
        "127.0.0.1", types.text, "an address or a name of this machine", "on which address")
    startup_retries: int = _setting(
        "5", types.integer(1, 1000), "1 to 1000", "tries to reach a broker at start")
    log_level: str = _setting(
        "info", types.one_of("debug", "info", "warning", "error"),
        "debug, info, warning or error", "least severe log lines to write")
    log_format: str = _setting(
        "console", types.one_of("console", "json"), "console or json", "form of the log on stderr")
    # fmt: on

    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What `KAFKA_PROPERTIES_FILE` holds beyond the settings."""

    @property
    def output_topics(self) -> tuple[str, ...]:
        topics = (self.processed_topic, self.errors_topic, self.cleaned_topic, self.summary_topic)
        return (*topics, self.metrics_topic) if self.metrics_topic else topics

    @property
    def overruled_properties(self) -> list[tuple[str, str]]:
        """Properties of the user's file that do not count, with the setting that does."""
        return [(name, OVERRULED[name]) for name in self.properties if name in OVERRULED]

    def shown(self) -> dict[str, str]:
        """The settings that are given, or have a default, fit for a log: secrets hidden."""
        shown = {}
        for name, rule in rules():
            value = getattr(self, name.lower())
            if isinstance(value, frozenset):
                value = ",".join(sorted(value))
            if value is not None:
                shown[name] = "(secret)" if isinstance(value, bytes) or rule.secret else str(value)
        return shown

    def changed(self) -> dict[str, str]:
        """Those of them that are not as by default."""
        defaults = load_settings({}).shown()
        return {name: text for name, text in self.shown().items() if text != defaults.get(name)}

    @property
    def key(self) -> bytes | None:
        """The given key of the pseudonyms, or None: then the project's own is used."""
        return self.device_id_key or self.device_id_key_file


def rules() -> Iterator[tuple[str, Rule]]:
    """Every setting's environment variable and rule, in the order of declaration."""
    for declared in dataclasses.fields(Settings):
        if "rule" in declared.metadata:
            yield declared.name.upper(), declared.metadata["rule"]


def load_settings(given: Mapping[str, str]) -> Settings:
    """Settings from a mapping of variables. Raises SettingsError that names all that is wrong."""
    problems: list[str] = []
    properties = _read_properties_file(given, problems)
    from_file = {
        SETTING_OF_PROPERTY[name]: (value, f"KAFKA_PROPERTIES_FILE: {name}")
        for name, value in properties.items()
        if name in SETTING_OF_PROPERTY and value
    }
    wrong: set[str] = set()
    values: dict[str, Any] = {}
    for name, rule in rules():
        text, source = from_file.get(name, (rule.default, name))
        if name in given:
            text, source = given[name], name
        if not rule.secret:
            text = text.strip()
        values[name.lower()] = None
        if text or name == "METRICS_TOPIC":
            try:
                text.encode()  # fails for bytes in the environment that are not UTF-8
                values[name.lower()] = rule.parse(text)
            except NotTrusted as why:
                wrong.add(name)
                problems.append(f"{name}: {shown(Path(text))} {why}")
            except NotRandomKeyError as error:
                wrong.add(name)
                problems.append(f"{name}: {error}")
            except OSError as error:
                wrong.add(name)
                reason = f"{shown(Path(text))} cannot be read ({error.strerror})"
                problems.append(f"{source}: {reason}; allowed: {rule.allowed}")
            except _NOT_ALLOWED:
                wrong.add(name)
                value = "(secret, not shown)" if rule.secret else repr(types.without_login(text))
                problems.append(f"{source}: {value} is not allowed; allowed: {rule.allowed}")
    problems += [line for name, line in _contradictions(values) if name not in wrong]
    if problems:
        raise SettingsError(problems)
    others = {n: v for n, v in properties.items() if n not in SETTING_OF_PROPERTY}
    return Settings(**values, properties=others)


def _read_properties_file(given: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    path = given.get("KAFKA_PROPERTIES_FILE", "").strip()
    try:
        file = types.existing_file(path)
    except _NOT_ALLOWED:
        return {}  # said where the setting itself is read
    properties, wrong = read_properties(file)
    problems += [f"KAFKA_PROPERTIES_FILE: {shown(file)} {line}" for line in wrong]
    return properties


def _contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings that are wrong though each is allowed by itself: their names, and why."""
    first_use: dict[str, str] = {}
    for name in (n for n, _ in rules() if n.endswith("_TOPIC")):
        topic = values[name.lower()]
        if topic and topic in first_use:
            why = f"{topic!r} is {first_use[topic]} too; topics must differ from each other"
            yield name, f"{name}: {why}"
        elif topic:
            first_use[topic] = name

    def demand(name: str, why: str) -> Iterator[tuple[str, str]]:
        if values[name.lower()] is None:
            yield name, f"{name}: not set; {why} needs it"

    if str(values["kafka_security_protocol"]).startswith("SASL"):
        yield from demand("KAFKA_SASL_MECHANISM", "KAFKA_SECURITY_PROTOCOL with SASL")
        mechanism = values["kafka_sasl_mechanism"]
        if mechanism and mechanism not in ("OAUTHBEARER", "GSSAPI"):
            yield from demand("KAFKA_SASL_USERNAME", mechanism)
            yield from demand("KAFKA_SASL_PASSWORD", mechanism)
    if values["kafka_ssl_key_location"]:
        yield from demand("KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION")

    key, key_in_file = values["device_id_key"], values["device_id_key_file"]
    if key and key_in_file and key != key_in_file:
        why = "differs from the key in DEVICE_ID_KEY_FILE; set only one of them"
        yield "DEVICE_ID_KEY", f"DEVICE_ID_KEY: {why}"
