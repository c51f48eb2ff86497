"""The pages of what rules are made of say what the code does."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import orjson
import pytest

from hub.adapters.contract import Batch, Delivery
from hub.app import sink_scope
from hub.cli import vocabulary
from hub.cli.check import problems_of
from hub.events.catalogue import TYPES
from hub.events.catalogue.base import fields_of
from hub.events.facts import delta, empty, merge
from hub.events.wire import Wire, opening
from hub.routing.lint_expressions import ATTRIBUTES
from hub.routing.lint_receivers import PROJECTED
from hub.routing.shapes import FACTS, Unknown, look_up
from hub.settings.load import load_city

PAGES = Path(__file__).parents[3] / "docs" / "reference"
CITY = {
    "hub": "city: test\n",
    "rules": """
system: rules
protected: {mode: full}
subscribes: [{id: r, on: resident.died, when: '[EXPRESSION] == []', send: [{x: EXPRESSION}], because: x}]
receives: {adapter: csv, path: out/rules/}
""",
    "rows": """
system: rows
sources: {main: {adapter: csv, path: in/*.csv, identity: '[EXPRESSION]'}}
publishes:
  - from: main
    subject: EXPRESSION
    sequence: EXPRESSION
    local_id: EXPRESSION
    defaults: {effective_on: EXPRESSION}
    cases:
      - {event: resident.died, when: '[EXPRESSION] == []', map: {name: EXPRESSION, died_on: EXPRESSION}}
      - {event: event.cancelled, cancels: {sequence: EXPRESSION}}
receives: {}
""",
    "differences": """
system: differences
sources: {main: {adapter: csv, path: in/*.csv, mode: snapshot, key: row.a, compare: [b]}}
publishes:
  - {from: main, subject: row.a, event: resident.died, map: {effective_on: row.a, name: row.a, died_on: EXPRESSION}}
receives: {}
""",
    "keys": """
system: keys
sources: {main: {adapter: csv, path: in/*.csv, mode: snapshot, key: EXPRESSION, compare: [b]}}
publishes:
  - from: main
    subject: EXPRESSION
    sequence: EXPRESSION
    event: resident.died
    map: {effective_on: row.a, name: row.a, died_on: row.a}
receives: {}
""",
    "as_of": """
system: as_of
sources: {main: {adapter: csv, path: in/*.csv, mode: snapshot, key: row.a, compare: [b], as_of: EXPRESSION}}
publishes: [{from: main, subject: row.a, event: resident.died, map: {effective_on: row.a, name: row.a, died_on: row.a}}]
receives: {}
""",
    "sinks": """
system: sinks
receives: {adapter: csv, path: out/sinks/, columns: {a: EXPRESSION}}
""",
    "answers": """
system: answers
receives:
  adapter: csv
  path: out/answers/
  acknowledged:
    {from: {adapter: csv, path: in/a/*.csv}, match: {no: EXPRESSION}, taken: '[EXPRESSION] == []', lists: all}
""",
    "files": """
system: files
receives:
  adapter: csv
  path: out/files/
  acknowledged: {from: {adapter: csv, path: in/b/*.csv}, match: {no: row.a}, lists: all, about: EXPRESSION}
""",
}


def test_the_pages_are_what_the_code_says() -> None:
    for name, text in vocabulary.pages().items():
        mend = "mend: python -m hub.cli.vocabulary docs/reference"
        assert (PAGES / name).read_text("utf-8") == text, mend


def test_every_type_and_field_is_there_with_a_kind_that_is_explained() -> None:
    page = vocabulary.events()
    for name, each in TYPES.items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == list(each.fields)
        assert {field.kind for field in each.fields.values()} <= set(vocabulary.KINDS)
    assert {field.kind for field in fields_of(vocabulary.Address).values()} <= set(vocabulary.KINDS)


def test_every_fact_is_there_and_set_by_some_event() -> None:
    rows = re.findall(r"^\| `facts\.(\S+)` \| [^|]+ \|[^|]*\| ([^|]*) \|", vocabulary.facts(), re.MULTILINE)
    assert [name for name, set_by in rows if not set_by.strip()] == []
    assert {name.split(".")[0] for name, _ in rows} == set(FACTS)
    assert not any(isinstance(look_up(FACTS, tuple(name.split("."))), Unknown) for name, _ in rows)


@pytest.mark.parametrize("name", TYPES)
def test_what_an_event_says_is_listed_with_its_type(name: str) -> None:
    known = merge(empty(), delta(name, dict.fromkeys(TYPES[name].fields, "X")))
    said = {
        (group, *path) for group in ("resident", "insurance", "benefits", "contracts") for path in _paths(known[group])
    }
    listed = re.findall(r"^\| `facts\.(\S+)` \|(.*)$", vocabulary.facts(), re.MULTILINE)
    assert said <= {tuple(path.split(".")) for path, row in listed if f"`{name}`" in row}


def _paths(said: object) -> list[tuple[str, ...]]:
    if not isinstance(said, dict):
        return [()]
    return [(name, *path) for name, below in said.items() for path in _paths(below)]


def test_the_names_are_those_that_places_have() -> None:
    assert set(vocabulary.NAMES) == set(chain.from_iterable(place.roots for place in vocabulary.PLACES.values()))
    assert set(CITY) - {"hub"} == set(vocabulary.PLACES)


@pytest.mark.parametrize("place", vocabulary.PLACES)
def test_a_place_knows_its_names_and_no_others(place: str, tmp_path: Path) -> None:
    (tmp_path / "systems").mkdir()
    (tmp_path / "hub.yaml").write_text(CITY["hub"], "utf-8")
    used = CITY[place].count("EXPRESSION")
    for name in vocabulary.NAMES:
        (tmp_path / "systems" / f"{place}.yaml").write_text(CITY[place].replace("EXPRESSION", name), "utf-8")
        unknown = [each for each in problems_of(load_city(tmp_path, environ={})) if "is not known here" in each.message]
        assert len(unknown) == (0 if name in vocabulary.PLACES[place].roots else used), (name, unknown)


def test_what_event_delivery_and_batch_hold() -> None:
    time = "2026-04-01T00:00:00Z"
    wire = Wire(id="1", source="/systems/juki", type="t", subject="1", time=time, data={}, sequence=1, batchid="b")
    body = orjson.loads(opening(wire, "k") + b'","action":"cancel","corrects":"0","data":{}}')
    delivery = Delivery("k", 1, "1", "resident.died", "1", time, orjson.dumps(body), "cancel")
    seen = sink_scope(delivery, Batch("a.main", 1, "2026-04-01", [delivery]))
    assert set(seen["event"]) == {*PROJECTED, "data"}
    assert {*ATTRIBUTES, *PROJECTED, "data"} == set(vocabulary.ATTRIBUTES)
    held = {f"{name}.{key}" for name in ("delivery", "batch") for key in seen[name]}
    assert held | {"batch.name", "batch.as_of"} == set(vocabulary.DELIVERY)  # the others are a full extract's
