"""The settings: declared once, read once, all errors in one report.

Each field of `Settings` is one setting of `docs/contract.md`; its environment variable is the
field's name in upper case. Validation, error lines, `--help` and `docs/settings.md` derive from
these declarations.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
from kafka_processor.settings.trusted_files import UntrustedFileError, shown

PROJECT_FOLDER = Path(__file__).resolve().parent.parent
IS_SOURCE_CHECKOUT = (PROJECT_FOLDER / "pyproject.toml").is_file()


_PARSE_ERRORS = (ValueError, KeyError, OSError, RuntimeError)
"""What a parser raises. Paths raise the last two: too long, or in the home of an unknown user."""


@contextmanager
def collecting_problems(problems: list[str]) -> Iterator[None]:
    """Adds the lines of a SettingsError to `problems`, so that one report has all of them."""
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
        if isinstance(error, StopIteration):  # a failed lookup of an entry point has no text
            reason = "a setting names a component that is not installed"
        raise SettingsError([f"{what} cannot be set up: {reason}"]) from None


@dataclass(frozen=True)
class Rule:
    """How one setting is read: `parse` raises ValueError or KeyError for values not `allowed`."""

    default: str
    parse: Callable[[str], Any]
    allowed: str
    """Continues "use ..."."""
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
    """`secret`: the text is secret; `shown=False`: the parsed value is."""
    rule = Rule(default, parse, allowed, meaning, secret)
    return field(metadata={"rule": rule}, repr=shown and not secret)


def _integer(low: int, high: int) -> tuple[Callable[[str], int], str]:
    return types.integer(low, high), f"an integer from {low} to {high}"


def _seconds(low: int, high: int) -> tuple[Callable[[str], float], str]:
    return types.seconds(low, high), f"a number of seconds from {low} to {high}"


def _one_of(*choices: str) -> tuple[Callable[[str], str], str]:
    return types.one_of(*choices), f"{', '.join(choices[:-1])} or {choices[-1]}"


_TOPIC = (types.topic_name, "1 to 249 characters of a-z A-Z 0-9 . _ - (not just . or ..)")
_PEM_FILE = (types.existing_file, "the path of a PEM file")
_SECRET = (types.secret, "any text")
_BOOLEAN = (types.boolean, "true or false")

SECTIONS: Final = {
    "INPUT_TOPIC": "Topics",
    "KAFKA_BOOTSTRAP_SERVERS": "Connection to Kafka",
    "CONSUMER_GROUP": "Consumer group",
    "DELIVERY": "Processing",
    "DEVICE_ID_KEY": "Key of the pseudonyms",
    "OPS_PORT": "Operation",
}
"""The first setting of each section of the reference, and the section's title."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, typed. A setting that has no default and is not set is None."""

    # fmt: off
    input_topic: str = _setting("user-login", *_TOPIC, "login events to process, JSON")
    processed_topic: str = _setting("processed-output", *_TOPIC, "transformed events")
    errors_topic: str = _setting("processed-errors", *_TOPIC, "one record for each failed message")
    cleaned_topic: str = _setting("cleaned-data", *_TOPIC, "one record for each filtered message")
    summary_topic: str = _setting("summary-output", *_TOPIC, "running counts; compacted")
    metrics_topic: str = _setting(
        "metrics-output", types.topic_name_or_nothing,
        "a topic name, or an empty value to turn metrics off",
        "outcome and processing time of each message")
    create_topics: str = _setting(
        "outputs", *_one_of("outputs", "all", "none"),
        "missing topics that are created at start; all: the outputs and the input")
    input_partitions: int = _setting(
        "4", *_integer(1, 100_000), "partitions of the input topic if it is created")
    topic_replication: int | None = _setting(
        "", *_integer(1, 10_000),
        "replication factor of created topics; not set: the broker's default")

    kafka_bootstrap_servers: str = _setting(
        "localhost:29092", types.broker_list,
        "host:port, comma-separated, without a scheme such as kafka://",
        "brokers to connect to first")
    kafka_security_protocol: str = _setting(
        "PLAINTEXT", *_one_of("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
        "protocol of the connections to the brokers")
    kafka_sasl_mechanism: str | None = _setting(
        "", *_one_of("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI"),
        "SASL mechanism of the login")
    kafka_sasl_username: str | None = _setting(
        "", types.text, "up to 249 printable characters", "login name")
    kafka_sasl_password: str | None = _setting("", *_SECRET, "login password", secret=True)
    kafka_ssl_ca_location: Path | None = _setting("", *_PEM_FILE, "CA certificates to trust")
    kafka_ssl_certificate_location: Path | None = _setting("", *_PEM_FILE, "client certificate")
    kafka_ssl_key_location: Path | None = _setting("", *_PEM_FILE, "private key of the client")
    kafka_ssl_key_password: str | None = _setting(
        "", *_SECRET, "password of the private key", secret=True)
    kafka_properties_file: Path | None = _setting(
        "", types.existing_file, "the path of a file of librdkafka properties",
        "further librdkafka properties, one name=value a line")

    consumer_group: str = _setting(
        "kafka-processor", types.group_name, "1 to 249 printable ASCII characters",
        "consumer group that all processes share")
    instance_id: str | None = _setting(
        "", *_TOPIC, "name of this process, stable over restarts and unique in the group")
    session_timeout: float = _setting(
        "10", *_seconds(1, 1800), "a process that is silent for longer loses its partitions")
    auto_offset_reset: str = _setting(
        "earliest", *_one_of("earliest", "latest"),
        "start offset of a group that has committed none")

    delivery: str = _setting(
        "exactly-once", *_one_of("exactly-once", "at-least-once"), "delivery guarantee")
    transaction_timeout: float = _setting(
        "10", *_seconds(1, 900),
        "the broker aborts the open transaction of a killed process after this time")
    max_message_bytes: int = _setting(
        "1048576", *_integer(1, 104_857_600),
        "larger messages are a parse_error and are not parsed")
    max_message_age: float = _setting(
        "60", types.seconds(0), "a number of seconds, 0 or more",
        "older messages are skipped; 0: never")
    accepted_app_versions: frozenset[str] = _setting(
        "2.3.0", types.comma_separated, "versions, comma-separated",
        "app versions to process; events of others go to CLEANED_TOPIC")
    locale_labels: frozenset[str] | None = _setting(
        "", types.labels(is_locale, MAX_LOCALES),
        f"up to {MAX_LOCALES} locales such as RU, pt_BR, zh-Hant-TW, comma-separated",
        f"locales to count by name; not set: the first {MAX_LOCALES} that occur")
    device_type_labels: frozenset[str] | None = _setting(
        "", types.labels(is_device_type, MAX_DEVICE_TYPES),
        f"up to {MAX_DEVICE_TYPES} names, comma-separated: a letter, then up to 15 of a-z A-Z 0-9 "
        "space . _ -",
        f"device types to count by name; not set: the first {MAX_DEVICE_TYPES} that occur")
    summary_publish_interval: int = _setting(
        "1000", *_integer(1, 2_000_000_000), "messages between two summary records")

    device_id_key: bytes | None = _setting(
        "", parse_key, KEY_FORM, "secret key for the pseudonyms of device ids", secret=True)
    device_id_key_file: bytes | None = _setting(
        "", read_key_file, f"a file with {KEY_FORM}", "file that contains this key", shown=False)
    allow_key_change: bool = _setting(
        "false", *_BOOLEAN, "start although counts were made under another key")
    allow_core_dumps: bool = _setting(
        "false", *_BOOLEAN,
        "allow core dumps on Linux, for debugging; they contain the key")

    ops_port: int | None = _setting(
        "", *_integer(1, 65_535), "port of /metrics, /healthz and /readyz; not set: off")
    ops_host: str = _setting(
        "127.0.0.1", types.text, "an address or a name of this machine",
        "address to listen on for OPS_PORT")
    startup_retries: int = _setting(
        "5", *_integer(1, 1000), "attempts to reach a broker at start")
    log_level: str = _setting(
        "info", *_one_of("debug", "info", "warning", "error"), "lowest level that is logged")
    log_format: str = _setting(
        "console", *_one_of("console", "json"), "format of the log on stderr")
    # fmt: on

    properties: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The librdkafka properties of `KAFKA_PROPERTIES_FILE` that are not settings."""

    @property
    def output_topics(self) -> tuple[str, ...]:
        topics = (self.processed_topic, self.errors_topic, self.cleaned_topic, self.summary_topic)
        return (*topics, self.metrics_topic) if self.metrics_topic else topics

    @property
    def overruled_properties(self) -> list[tuple[str, str]]:
        """Properties of the user's file that have no effect, with the setting that decides."""
        return [(name, OVERRULED[name]) for name in self.properties if name in OVERRULED]

    def shown(self) -> dict[str, str]:
        """The settings that have a value, safe to log: secrets hidden."""
        shown = {}
        for name, rule in rules():
            value = getattr(self, name.lower())
            if isinstance(value, frozenset):
                value = ",".join(sorted(value))
            if value is not None:
                shown[name] = "(secret)" if isinstance(value, bytes) or rule.secret else str(value)
        return shown

    def changed(self) -> dict[str, str]:
        """The shown settings that differ from their defaults."""
        defaults = load_settings({}).shown()
        return {name: text for name, text in self.shown().items() if text != defaults.get(name)}

    @property
    def key(self) -> bytes | None:
        """The configured key of the pseudonyms, or None: then the project's own is used."""
        return self.device_id_key or self.device_id_key_file


def rules() -> Iterator[tuple[str, Rule]]:
    """Every setting's environment variable and rule, in the order of declaration."""
    for declared in dataclasses.fields(Settings):
        if "rule" in declared.metadata:
            yield declared.name.upper(), declared.metadata["rule"]


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Returns the settings from a mapping of variables. Raises SettingsError with all problems."""
    problems: list[str] = []
    properties = _read_properties_file(environ, problems)
    from_file = {
        SETTING_OF_PROPERTY[name]: (value, f"KAFKA_PROPERTIES_FILE: {name}")
        for name, value in properties.items()
        if name in SETTING_OF_PROPERTY and value
    }
    wrong: set[str] = set()
    values: dict[str, Any] = {}
    for name, rule in rules():
        text, source = from_file.get(name, (rule.default, name))
        if name in environ:
            text, source = environ[name], name
        if not rule.secret:
            text = text.strip()
        values[name.lower()] = None
        if text or name == "METRICS_TOPIC":
            try:
                text.encode()  # fails for bytes in the environment that are not UTF-8
                values[name.lower()] = rule.parse(text)
            except _PARSE_ERRORS as error:
                wrong.add(name)
                problems.append(_problem(name, source, text, rule, error))
    problems += [line for name, line in _conflicts(values) if name not in wrong]
    if problems:
        raise SettingsError(problems)
    others = {n: v for n, v in properties.items() if n not in SETTING_OF_PROPERTY}
    return Settings(**values, properties=others)


def _problem(name: str, source: str, text: str, rule: Rule, error: Exception) -> str:
    """The line for a value that `rule.parse` has not accepted."""
    if isinstance(error, UntrustedFileError):
        return f"{name}: {shown(Path(text))} {error}"
    if isinstance(error, NotRandomKeyError):
        return f"{name}: {error}"
    if isinstance(error, OSError):
        return (
            f"{source}: {shown(Path(text))} cannot be read ({error.strerror}); use {rule.allowed}"
        )
    value = "(secret, not shown)" if rule.secret else repr(types.without_login(text))
    what = "is not a file" if rule.parse is types.existing_file else "is not allowed"
    return f"{source}: {value} {what}; use {rule.allowed}"


def _read_properties_file(environ: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    path = environ.get("KAFKA_PROPERTIES_FILE", "").strip()
    try:
        file = types.existing_file(path)
    except _PARSE_ERRORS:
        return {}  # reported with the setting itself
    properties, wrong = read_properties(file)
    problems += [f"KAFKA_PROPERTIES_FILE: {shown(file)} {line}" for line in wrong]
    return properties


def _conflicts(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yields name and problem of each setting that is valid by itself, but not with the others."""
    first_use: dict[str, str] = {}
    for name in (n for n, _ in rules() if n.endswith("_TOPIC")):
        topic = values[name.lower()]
        if topic and topic in first_use:
            yield name, f"{name}: {topic!r} is also {first_use[topic]}; use different topics"
        elif topic:
            first_use[topic] = name

    def require(name: str, why: str) -> Iterator[tuple[str, str]]:
        if values[name.lower()] is None:
            yield name, f"{name}: not set; set it, {why} requires it"

    protocol = str(values["kafka_security_protocol"])
    if protocol.startswith("SASL"):
        yield from require("KAFKA_SASL_MECHANISM", f"KAFKA_SECURITY_PROTOCOL={protocol}")
        mechanism = values["kafka_sasl_mechanism"]
        if mechanism and mechanism not in ("OAUTHBEARER", "GSSAPI"):
            yield from require("KAFKA_SASL_USERNAME", f"KAFKA_SASL_MECHANISM={mechanism}")
            yield from require("KAFKA_SASL_PASSWORD", f"KAFKA_SASL_MECHANISM={mechanism}")
    if values["kafka_ssl_key_location"]:
        yield from require("KAFKA_SSL_CERTIFICATE_LOCATION", "KAFKA_SSL_KEY_LOCATION")

    key, key_in_file = values["device_id_key"], values["device_id_key_file"]
    if key and key_in_file and key != key_in_file:
        why = "differs from the key in DEVICE_ID_KEY_FILE; set only one of them"
        yield "DEVICE_ID_KEY", f"DEVICE_ID_KEY: {why}"
