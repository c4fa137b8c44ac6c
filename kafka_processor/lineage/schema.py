"""The fields of records, from the structs that they are encoded with: they cannot drift apart.

Nested fields are named as in OpenLineage's examples: `_element` of an array, `key` and `value` of a
map, `_0`, `_1` … of a union.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, inspect
from openlineage.client.facet_v2 import schema_dataset

from kafka_processor.records import Content, LoginEvent

Field = schema_dataset.SchemaDatasetFacetFields
_NAMES: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "string",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.LiteralType: "string",
    inspect.StructType: "struct",
    inspect.ListType: "array",
    inspect.DictType: "map",
    inspect.UnionType: "union",
}
_CONTENT: Final = inspect.type_info(Content)


def fields_of(record: type[Struct]) -> list[Field]:
    """In the order in which they are written."""
    return _nested(inspect.type_info(record))


def _field(name: str, kind: inspect.Type) -> Field:
    kind = _of_values(kind)
    if kind == _CONTENT:
        return Field(name, "struct", fields=_fields_of_content())
    return Field(name, _NAMES[type(kind)], fields=_nested(kind) or None)


def _of_values(kind: inspect.Type) -> inspect.Type:
    """Without null: that a field may have no value is not said."""
    if not isinstance(kind, inspect.UnionType):
        return kind
    kinds = tuple(each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kinds[0] if len(kinds) == 1 else inspect.UnionType(kinds)


def _nested(kind: inspect.Type) -> list[Field]:
    parts: Sequence[tuple[str, inspect.Type]] = ()
    if isinstance(kind, inspect.StructType):
        parts = [(field.encode_name, field.type) for field in kind.fields]
    elif isinstance(kind, inspect.ListType):
        parts = [("_element", kind.item_type)]
    elif isinstance(kind, inspect.DictType):
        parts = [("key", kind.key_type), ("value", kind.value_type)]
    elif isinstance(kind, inspect.UnionType):
        parts = [(f"_{number}", each) for number, each in enumerate(kind.types)]
    return [_field(name, each) for name, each in parts]


def _fields_of_content() -> list[Field]:
    """What `transformer.masked_content` keeps of an event."""
    return [*fields_of(LoginEvent), Field("key_id", "string", fields=None)]
