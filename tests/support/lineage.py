"""OpenLineage's events as JSON, held against their own classes and against real records."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attr
from openlineage.client import facet_v2
from openlineage.client.event_v2 import RunEvent

from tests.support.receiver import Receiver

PATH = "/api/v1/lineage"
Json = dict[str, Any]
_FORMS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "struct": dict,
    "map": dict,
    "array": list,
}


def events_of(receiver: Receiver) -> list[Json]:
    """By their time; those of several runs too."""
    events = [json.loads(body) for body in receiver.posted(PATH)]
    return sorted(events, key=lambda event: str(event["eventTime"]))


def outputs_of(event: Json) -> dict[str, Json]:
    """By topic."""
    return {output["name"]: output for output in event["outputs"]}


def check_form(event: Json) -> None:
    """Each part has what its class demands, and nothing that it does not know."""
    _check(event, RunEvent, {"eventType", "eventTime", "run", "job", "producer", "schemaURL"})
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for holder in holders:
        for name, facet in (holder.get("facets") or {}).items():
            _check_facet(name, facet)
    for output in event["outputs"]:
        for name, facet in output["outputFacets"].items():
            _check_facet(name, facet)


def _check_facet(name: str, facet: Json) -> None:
    class_name = facet["_schemaURL"].rsplit("/", 1)[-1]
    modules = [getattr(facet_v2, module) for module in facet_v2.__all__ if module.islower()]
    [found] = {getattr(module, class_name) for module in modules if hasattr(module, class_name)}
    assert facet["_schemaURL"] == found._get_schema(), name
    assert facet["_producer"].startswith("urn:kafka-processor:")
    _check(facet, found, {"_producer", "_schemaURL"})


def _check(part: Json, known: type, needed: set[str]) -> None:
    fields = attr.fields(known)
    required = {field.name for field in fields if field.default is attr.NOTHING}
    assert part.keys() >= required | needed, f"{known.__name__}: {part.keys()}"
    assert part.keys() <= {field.name for field in fields}, f"{known.__name__}: {part.keys()}"


def not_in_schema(value: Mapping[str, Any], fields: Sequence[Json]) -> Iterator[str]:
    """What a record holds that its schema does not name, or has as another type."""
    by_name = {field["name"]: field for field in fields}
    for name, part in value.items():
        if name not in by_name:
            yield f"{name} is not named"
        elif part is not None:
            for fault in _misfits(part, by_name[name]):
                yield f"{name}: {fault}"


def _misfits(value: Any, field: Json) -> Iterator[str]:
    kind = field["type"]
    if kind == "union":
        if all(list(_misfits(value, each)) for each in field["fields"]):
            yield f"{type(value).__name__} is none of the union"
        return
    if not isinstance(value, _FORMS[kind]):
        yield f"{type(value).__name__}, not {kind}"
        return
    part: Any = value
    if kind == "struct":
        yield from not_in_schema(part, field["fields"])
    elif kind == "array":
        [element] = field["fields"]
        for each in part:
            yield from _misfits(each, element)
    elif kind == "map":
        _, element = field["fields"]
        for each in part.values():
            yield from _misfits(each, element)
