"""`KAFKA_PROPERTIES_FILE`: a file of librdkafka properties, one `name=value` a line."""

import re
from pathlib import Path

from kafka_processor.settings.trusted_files import UntrustedFileError, read_trusted

SETTING_OF_PROPERTY = {
    "bootstrap.servers": "KAFKA_BOOTSTRAP_SERVERS",
    "metadata.broker.list": "KAFKA_BOOTSTRAP_SERVERS",
    "security.protocol": "KAFKA_SECURITY_PROTOCOL",
    "sasl.mechanism": "KAFKA_SASL_MECHANISM",
    "sasl.mechanisms": "KAFKA_SASL_MECHANISM",
    "sasl.username": "KAFKA_SASL_USERNAME",
    "sasl.password": "KAFKA_SASL_PASSWORD",
    "ssl.ca.location": "KAFKA_SSL_CA_LOCATION",
    "ssl.certificate.location": "KAFKA_SSL_CERTIFICATE_LOCATION",
    "ssl.key.location": "KAFKA_SSL_KEY_LOCATION",
    "ssl.key.password": "KAFKA_SSL_KEY_PASSWORD",
}
"""Properties that have a setting. The setting takes precedence over the file."""

OVERRULED = {
    "group.id": "CONSUMER_GROUP",
    "group.instance.id": "INSTANCE_ID",
    "auto.offset.reset": "AUTO_OFFSET_RESET",
    "session.timeout.ms": "SESSION_TIMEOUT",
    "transaction.timeout.ms": "TRANSACTION_TIMEOUT",
}
"""Properties that are ignored: the setting, or its default, always decides."""

_GUARANTEES = {
    "enable.auto.commit": "offsets are committed with the batch",
    "auto.commit.enable": "offsets are committed with the batch",
    "enable.auto.offset.store": "offsets are committed with the batch",
    "isolation.level": "the input is always read committed",
    "transactional.id": "INSTANCE_ID determines it",
    "enable.idempotence": "the delivery guarantee requires idempotence",
    "acks": "the delivery guarantee requires acks=all",
    "request.required.acks": "the delivery guarantee requires acks=all",
    "group.protocol": "the group uses the classic protocol",
    "partition.assignment.strategy": "the group uses cooperative-sticky",
    "partitioner": "outputs are partitioned like Java's",
    "delivery.report.only.error": "refused records are detected by it",
}
_RUNS_CODE = {
    "plugin.library.paths": "it loads code",
    "interceptors": "it runs code",
    "ssl.engine.location": "it loads code",
    "ssl.engine.id": "it loads code",
    "ssl.providers": "it loads code",
    "sasl.kerberos.kinit.cmd": "it runs a command",
}
_WRITES_FILES = dict.fromkeys(
    ("offset.store.method", "offset.store.path", "offset.store.sync.interval.ms"),
    "it writes offsets to a local file",
)
_SET_BY_PROGRAM = dict.fromkeys(
    ("logger", "log.queue", "enabled_events", "opaque", "default.topic.config",
     "default_topic_conf", "ssl_engine_callback_data", "on_commit", "on_delivery"),
    "set by the program",
)  # fmt: skip
REFUSED = _GUARANTEES | _RUNS_CODE | _WRITES_FILES | _SET_BY_PROGRAM
"""Reasons by property."""

_REFUSED_FAMILIES = (
    (re.compile(r".*_cb"), "set by the program"),
    # internal.termination.signal kills the process; test.mock.num.brokers replaces the brokers.
    (re.compile(r"(internal\.|test\.|ut_).*"), "for tests of the client only"),
    # librdkafka 2.12 to 2.16 has no property of these names; later versions may add some.
    (re.compile(r".*\.(cmd|command|exec|library|libraries)(\..*)?"), "it may run code"),
    (
        re.compile(
            r"sasl\.oauthbearer\.(?!(assertion|assertion\.private\.key|assertion\.jwt\.template)"
            r"\.file$).*\.(file|path|location)"
        ),
        "it names a file and is not documented",
    ),
)
_IN_A_COMMAND = {
    "sasl.kerberos.principal": re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@-]*"),
    "sasl.kerberos.keytab": re.compile(r"[A-Za-z0-9._/@:+=, ~-]*"),
}
"""Values that librdkafka inserts into the kinit command, which it passes to a shell."""

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_GLOBAL = re.compile(r"topic\.(blacklist|metadata\..*)")
"""Properties that start with `topic.` without being topic properties."""


def read_properties(path: Path) -> tuple[dict[str, str], list[str]]:
    """Returns the properties of the file and a line for each problem, which never shows a value."""
    try:
        lines = read_trusted(path).decode("utf-8-sig").splitlines()
    except UntrustedFileError as error:
        return {}, [str(error)]
    except OSError as error:
        return {}, [f"cannot be read ({error.strerror})"]
    except UnicodeDecodeError:
        return {}, ["is not UTF-8 text; convert it"]
    properties: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "!")):
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        # librdkafka reads names and values only up to a null character.
        if not equals or not _NAME.fullmatch(name) or "\0" in value:
            problems.append(f"line {number} is not name=value; correct or remove it")
            continue
        while name.startswith("topic.") and not _GLOBAL.fullmatch(name):
            name = name.removeprefix("topic.")  # librdkafka ignores it, even if repeated
        if reason := _why_refused(name):
            problems.append(f"line {number}: {name} may not be set ({reason}); remove this line")
        elif name in _IN_A_COMMAND and not _IN_A_COMMAND[name].fullmatch(value):
            problems.append(
                f"line {number}: {name} has characters that a shell interprets; use only letters, "
                "digits and . _ / @ -"
            )
        else:
            properties[name] = value
    return properties, problems


def _why_refused(name: str) -> str | None:
    if name in REFUSED:
        return REFUSED[name]
    for family, reason in _REFUSED_FAMILIES:
        if family.fullmatch(name):
            return reason
    return None
