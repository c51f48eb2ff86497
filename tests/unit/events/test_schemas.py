import json

import pytest

from hub.events.catalogue import TYPES
from hub.events.schemas import write_schemas


@pytest.fixture
def schemas(tmp_path):
    return {path.name: json.loads(path.read_text("utf-8")) for path in write_schemas(tmp_path / "new", "moriguchi")}


def references(part):
    if isinstance(part, dict):
        yield from [part["$ref"]] if "$ref" in part else []
        part = list(part.values())
    if isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_a_file_for_every_type_and_the_envelope(schemas):
    assert set(schemas) == {"envelope.json"} | {f"{name}.v{type_.version}.json" for name, type_ in TYPES.items()}


def test_a_schema_takes_both_names_of_its_type(schemas):
    assert schemas["resident.moved.v1.json"]["properties"]["type"]["enum"] == [
        "jp.lg.moriguchi.resident.moved.v1",
        "resident.moved",
    ]


@pytest.mark.parametrize("name", TYPES)
def test_a_schema_says_what_the_catalogue_says(schemas, name):
    data = schemas[f"{name}.v1.json"]["properties"]["data"]
    fields = TYPES[name].fields
    assert data["additionalProperties"] is False
    assert data["required"] == [field.name for field in fields.values() if not field.optional]
    assert list(data["properties"]) == list(fields)
    for field in fields.values():
        said = data["properties"][field.name]
        assert (said["title"], said["description"]) == (field.ja, field.en)
        assert said.get("x-locating", False) == field.locating
        assert "default" not in said
        assert {"type": "null"} in said.get("anyOf", []) or not field.optional


def test_shapes_are_written(schemas):
    moved = schemas["resident.moved.v1.json"]
    assert moved["properties"]["data"]["properties"]["effective_on"]["format"] == "date"
    address = moved["$defs"]["Address"]["properties"]
    assert address["postal_code"]["anyOf"][0] == {"type": "string", "pattern": "^[0-9]{3}-?[0-9]{4}$"}


def test_every_reference_leads_somewhere(schemas):
    for schema in schemas.values():
        for reference in references(schema):
            name, _, path = reference.partition("#/$defs/")
            assert name in schemas or path in schema["$defs"]


def test_writing_again_replaces_and_leaves_other_files(tmp_path):
    (tmp_path / "own.json").write_text("{}")
    (tmp_path / "envelope.json").write_text("old")
    write_schemas(tmp_path, "moriguchi")
    assert (tmp_path / "own.json").read_text() == "{}"
    assert json.loads((tmp_path / "envelope.json").read_text("utf-8"))["title"] == "CloudEvent"
