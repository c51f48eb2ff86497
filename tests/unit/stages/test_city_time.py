"""A city's time zone is that of its expressions, wherever they stand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hub.app import Hub, on_trial
from hub.events.envelope import event_from
from hub.events.facts import empty
from hub.routing.expressions import compile_expression
from hub.routing.plan import View
from hub.routing.rules import RuleSet
from hub.routing.ruletest import run_tests
from hub.settings.load import load_city
from hub.stages.proposal import explain_proposal
from tests.services.blank import blank_url

TIME = "2026-03-31T20:00:00Z"
RULE = """
system: a
publishes:
  - event: resident.died
    from: {adapter: csv, path: in/*.csv}
    subject: row.no
    map: {name: row.no, died_on: date(row.at), effective_on: date(row.at)}
subscribes:
  - {id: day, on: resident.died, when: 'date(event.time) == "2026-03-31"', send: [name], because: x}
receives: {adapter: csv, path: out/}
"""
DATA = {"name": "守口 太郎", "died_on": "2026-03-31", "effective_on": "2026-03-31"}
TEST = f"""
- test: it is the day before in New York
  event: {{type: resident.died, subject: "1", time: "{TIME}", data: {json.dumps(DATA)}}}
  expect: {{a: {{name: 守口 太郎}}}}
"""


@pytest.fixture(params=["Asia/Tokyo", "America/New_York"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> Hub:
    for folder in ("systems", "tests", "var"):
        (tmp_path / folder).mkdir()
    (tmp_path / "hub.yaml").write_text(f"timezone: {request.param}\n", "utf-8")
    (tmp_path / "systems/a.yaml").write_text(RULE, "utf-8")
    (tmp_path / "tests/a.yaml").write_text(TEST, "utf-8")
    return Hub(load_city(tmp_path, environ={"HUB_LEDGER": blank_url(tmp_path / "var")}))


def test_mappings_rules_tests_and_explanations_tell_the_same_day(hub: Hub) -> None:
    there = hub.city.timezone == "America/New_York"
    day = compile_expression('date("2026-03-31T20:00:00Z")', roots=(), env=hub.environment).evaluate({})
    assert day == ("2026-03-31" if there else "2026-04-01")
    rules = hub.book.activate(RuleSet.of(hub.city)).router
    seen = View("resident.died", 1, "1", {"id": "1", "source": "/systems/a", "time": TIME}, DATA)
    assert len(rules.plan(seen, empty(), empty())) == there
    assert [each.passed for each in run_tests(hub.city)] == [there]
    told = {
        "specversion": "1.0",
        "id": "1",
        "source": "/systems/a",
        "type": "resident.died",
        "subject": "1",
        "time": TIME,
    }
    event = event_from({**told, "data": DATA}, city="city", now=TIME)
    explained = explain_proposal(event, hub.ledger, RuleSet.of(hub.city), "en", hub.city.timezone)
    assert len(explained["told"]) == there


def test_a_sample_is_tried_in_the_citys_zone(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(f"no,at\n1,{TIME}\n", "utf-8")
    system = hub.city.systems["a"]
    source, trial = on_trial(hub.city, system, system.sources["main"], tmp_path / "x.csv", now=TIME, lang="en")
    rows = [row for batch in source.read(None) for row in batch.rows]
    (tried,) = trial.run(rows)
    assert tried.event is not None
    assert tried.event.data["died_on"] == ("2026-03-31" if hub.city.timezone == "America/New_York" else "2026-04-01")
