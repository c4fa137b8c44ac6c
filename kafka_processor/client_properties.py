"""`KAFKA_PROPERTIES_FILE`: a file of librdkafka properties, one `name=value` a line."""

from pathlib import Path

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
"""Properties that have a setting: the file's value stands in where the setting is not given."""

OVERRULED = {
    "group.id": "CONSUMER_GROUP",
    "group.instance.id": "INSTANCE_ID",
    "auto.offset.reset": "AUTO_OFFSET_RESET",
    "session.timeout.ms": "SESSION_TIMEOUT",
    "transaction.timeout.ms": "TRANSACTION_TIMEOUT",
}
"""Properties whose setting always decides, given or not."""

REFUSED = {
    "enable.auto.commit": "offsets commit with the batch",
    "enable.auto.offset.store": "offsets commit with the batch",
    "isolation.level": "the input is read committed",
    "transactional.id": "set INSTANCE_ID instead",
    "enable.idempotence": "delivery rests on it",
    "acks": "delivery rests on acks=all",
    "request.required.acks": "delivery rests on acks=all",
    "group.protocol": "partitions are shared by the classic protocol",
    "partition.assignment.strategy": "partitions are shared cooperatively",
    "partitioner": "outputs are partitioned as Java does",
    "delivery.report.only.error": "refused records are found by it",
}
"""What the guarantees rest on: property to reason."""


def read_properties(path: Path) -> tuple[dict[str, str], list[str]]:
    """The file's properties, and one line for each thing wrong with it (values are not shown)."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as error:
        return {}, [f"cannot be read ({error.strerror})"]
    except UnicodeDecodeError:
        return {}, ["is not UTF-8 text"]
    properties: dict[str, str] = {}
    problems: list[str] = []
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "!")):
            continue
        name, equals, value = (part.strip() for part in stripped.partition("="))
        if not equals or not name:
            problems.append(f"line {number} is not name=value")
        elif name in REFUSED:
            problems.append(f"line {number}: {name} may not be set ({REFUSED[name]})")
        else:
            properties[name] = value
    return properties, problems
