"""What a user may do, as Kafka's access rules; and the table of them in the threat model."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.support.program import PROJECT_FOLDER

PAGE = PROJECT_FOLDER / "docs" / "threat-model.md"
KINDS = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
}


def allow(user: str, kind: ResourceType, name: str, *operations: AclOperation) -> list[AclBinding]:
    return [
        AclBinding(
            kind,
            name,
            ResourcePatternType.LITERAL,
            f"User:{user}",
            "*",
            operation,
            AclPermissionType.ALLOW,
        )
        for operation in operations
    ]


class Right(NamedTuple):
    """A row of the table: operations on resources of a kind, by their names in the page."""

    kind: ResourceType
    names: Sequence[str]
    operations: Sequence[AclOperation]


def rights_of(*parts: str) -> list[Right]:
    """All rows for these parts of the program, such as `daemon` and `CREATE_TOPICS=all`."""
    found = [right for part, right in _rows() if part in parts]
    assert {part for part, _ in _rows()} >= set(parts), "a part is not in the table"
    return found


def _rows() -> Iterator[tuple[str, Right]]:
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[1] in KINDS:
            operations = [OPERATIONS[each] for each in re.findall(r"\w+", cells[3])]
            yield (
                cells[0].strip("`"),
                Right(KINDS[cells[1]], re.findall(r"`([^`]+)`", cells[2]), operations),
            )


def bindings(user: str, rights: Sequence[Right], names: Mapping[str, str]) -> list[AclBinding]:
    """`names`: the real ones, by those in the page."""
    return [
        binding
        for right in rights
        for name in right.names
        for binding in allow(user, right.kind, names[name], *right.operations)
    ]
