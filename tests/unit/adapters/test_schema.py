"""The schemas for editors take every file that the hub takes, and refuse what it refuses as it is typed."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import hub
from hub.adapters import registry, schema
from hub.settings.yaml import parse_yaml

ROOT = Path(hub.__file__).parents[1]
CITIES = (ROOT / "hub/moriguchi/city", ROOT / "hub/settings/starter/files", ROOT / "tests/unit/settings/contract")
FILES = [path for city in CITIES for path in (*sorted(city.glob("systems/*.yaml")), city / "hub.yaml")]
PAGES = [
    "README.md",
    "docs/tutorials/first-system.md",
    *(f"docs/how-to/{path.name}" for path in (ROOT / "docs/how-to").glob("*.md")),
]


@cache
def validator(kind: str) -> Any:
    made = schema.system_schema() if kind == "system" else schema.city_schema()
    jsonschema.Draft7Validator.check_schema(made)
    return jsonschema.Draft7Validator(made)


def faults(text: str, kind: str = "system") -> list[str]:
    found = validator(kind).iter_errors(parse_yaml(text, "a.yaml").value)
    return [f"{'.'.join(map(str, each.absolute_path))}: {each.message}" for each in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_file_of_a_city_is_right(path: Path) -> None:
    assert faults(path.read_text("utf-8"), "city" if path.name == "hub.yaml" else "system") == []


@pytest.mark.parametrize("page", PAGES)
def test_every_system_in_the_documents_is_right(page: str) -> None:
    blocks = re.findall(r"```yaml\n(system: .*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    assert [fault for block in blocks for fault in faults(block)] == []


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("ownr: x", "ownr"),
        ("sources: {a: {adapter: cvs, path: x}}", "cvs"),
        ("sources: {a: {adapter: csv}}", "path"),
        ("sources: {a: {adapter: csv, path: x, delimitr: ';'}}", "delimitr"),
        ("sources: {a: {adapter: csv, path: x, every: 10}}", "every"),
        ("sources: {a: {adapter: csv, path: x, after: burn}}", "after"),
        ("publishes: [{event: resident.moved}]", "from"),
        ("subscribes: [{id: a}]", "on"),
        ("subscribes: [{id: a, on: b, unknown: maybe}]", "subscribes.0.unknown"),
        ("receives: {adapter: csv, path: x, retry: {delays: [5]}}", "receives.retry.delays.0"),
        ("protected: hidden", "protected"),
    ],
)
def test_what_the_hub_refuses_is_refused_while_typing(part: str, said: str) -> None:
    assert said in " ".join(faults(f"system: a\n{part}"))


@pytest.mark.parametrize(
    "part",
    [
        "sources: {a: {adapter: csv, path: x, settle: 30s}}",
        "sources: {a: {adapter: csv, path: x, settle: 30, every: every 10 m}}",
        "sources: {a: {adapter: database, url: env:DB, table: t, cursor: n, overlap: env:OVERLAP}}",
        "receives: {adapter: http, url: env:KOKUHO_URL}",
        "receives: {a: {adapter: kafka, enabled: false}, b: {adapter: jsonl, path: x/}}",
        "subscribes: {id: a, on: [b, c], within: {days: 3, from: notified}, send: [x, {y: 1}]}",
        "receives:",
    ],
)
def test_short_forms_and_secrets_are_taken(part: str) -> None:
    assert faults(f"system: a\n{part}") == []


def test_every_setting_of_every_adapter_is_there_with_its_meaning() -> None:
    definitions = schema.system_schema()["definitions"]
    for name in registry.names():
        adapter = registry.find(name)
        for side, model in (("source", adapter.SourceSettings), ("receiver", adapter.SinkSettings)):
            if model is not None:
                properties = definitions[f"{side}_{name}"]["properties"]
                for key, field in model.model_fields.items():
                    assert properties[field.alias or key]["description"] == field.description


def test_hub_yaml_is_held_to_its_keys() -> None:
    assert faults("city: a\nkafka: {prefx: b}", "city")
    assert faults("protection: {list: a.b, max_age: 26h}", "city") == []
