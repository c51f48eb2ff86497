"""JSON Schemas of the envelope and of every event type, for those who write to or read from the hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hub.events.catalogue import CATALOGUE, Catalogue
from hub.events.catalogue.registry import wire_type
from hub.events.envelope import LONGEST, LONGEST_EXTENSION

if TYPE_CHECKING:
    from pathlib import Path

    from hub.events.catalogue import EventType

_MARKS = ("title", "description", "x-locating")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def envelope_schema() -> dict[str, Any]:
    """Return the schema of the attributes every event has, whatever its type."""
    texts = {name: {"type": "string", "minLength": 1, "maxLength": most} for name, most in LONGEST.items()}
    return {
        "$schema": DIALECT,
        "$id": "envelope.json",
        "title": "CloudEvent",
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            **texts,
            "type": {"type": "string", "minLength": 1},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"type": "string"},
            "data": {"type": "object"},
            "data_base64": False,
        },
        "patternProperties": {
            "^[a-z0-9]+$": {
                "if": {"type": "string"},
                "then": {"maxLength": LONGEST_EXTENSION},
            }
        },
    }


def type_schema(type_: EventType, city: str) -> dict[str, Any]:
    """Return the schema of a whole event of one type, its data included."""
    data = type_.model.model_json_schema(ref_template="#/$defs/{model}")
    definitions = data.pop("$defs", {})
    for schema in (data, *definitions.values()):
        schema["properties"] = {name: _told(field) for name, field in schema["properties"].items()}
    return {
        "$schema": DIALECT,
        "$id": file_name(type_),
        "title": type_.ja,
        "description": type_.en,
        "allOf": [{"$ref": "envelope.json"}],
        "properties": {
            "type": {"enum": [wire_type(city, type_.name, type_.version), type_.name]},
            "data": data,
        },
        "$defs": definitions,
    }


def _told(field: dict[str, Any]) -> dict[str, Any]:
    """Return an optional field's schema with what it says on the outside, where readers look, and without a default."""
    if "anyOf" not in field:
        return field
    said = {mark: part[mark] for part in field["anyOf"] for mark in _MARKS if mark in part}
    kinds = [{key: value for key, value in part.items() if key not in _MARKS} for part in field["anyOf"]]
    inherited = {key: value for key, value in field.items() if key not in ("default", "anyOf")}
    return {**inherited, **said, "anyOf": kinds}


def file_name(type_: EventType) -> str:
    """Return the name of the type's schema file: `resident.moved.v1.json`."""
    return f"{type_.name}.v{type_.version}.json"


def write_schemas(folder: Path, city: str, catalogue: Catalogue = CATALOGUE) -> list[Path]:
    """Write `envelope.json` and one file for each type into the folder, which is made if needed; return the paths.

    Files of the same name are replaced, other files are left alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    schemas = {"envelope.json": envelope_schema()}
    schemas |= {file_name(type_): type_schema(type_, city) for type_ in catalogue.types.values()}
    for name, schema in schemas.items():
        (folder / name).write_text(json.dumps(schema, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return [folder / name for name in schemas]
