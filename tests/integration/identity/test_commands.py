"""`hub identity` and `hub resident` as people and programs type them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hub.cli.main import command_line
from tests.integration.identity.city import Living
from tests.integration.identity.test_identify import HEAD, begun, queue


@pytest.fixture
def town(lone: Living) -> Living:
    begun(lone, "review")
    lone.drop("shinsei", HEAD, "A1,1000002,モリグチタロウ,S25.1.2,大日町,2026-11-20")
    lone.drain()
    return lone


@pytest.fixture
def hub(town: Living, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LANG", "C")
    for name, value in town._environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HUB_CITY", str(town.folder))

    def call(*words: str) -> Any:
        return CliRunner().invoke(command_line(words), list(words), prog_name="hub", env={"COLUMNS": None})

    return call


def answer(result: Any, code: int = 0) -> Any:
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_from_the_list_to_the_link_and_back(hub, town):
    listed = answer(hub("identity", "list", "--json"))
    entry = listed["items"][0]
    assert (entry["event_id"], entry["given"], entry["checked"]["kana"], listed["next"]) == (
        "A1", "1000002", "differs", None,
    )  # fmt: skip
    assert "モリグチ" not in json.dumps(listed, ensure_ascii=False)  # lists say which facts, never what they are
    no = str(entry["no"])
    assert "kana: differs" in hub("identity", "show", no).stdout
    assert hub("identity", "link", no, "1000001").exit_code == 2  # why?
    done = answer(hub("identity", "link", no, "1000001", "--reason", "電話で確認", "--by", "甲", "--json"))
    assert (done["status"], done["resident"], done["event"], done["told"]) == ("linked", "1000001", "A1", True)
    again = hub("identity", "link", no, "1000002", "--reason", "x", "--json")
    assert again.exit_code == 2
    assert "hub identity unlink" in again.stdout + again.stderr
    town.drain()
    assert len(town.told("hoken")) == 1
    assert answer(hub("identity", "unlink", no, "--reason", "取り違え", "--json"))["status"] == "open"
    shown = answer(hub("identity", "show", no, "--json"))
    assert [(deed["what"], deed["reason"]) for deed in shown["deeds"]] == [
        ("link", "電話で確認"),
        ("unlink", "取り違え"),
    ]
    assert shown["data"]["answers"] == {"希望": "大日町"}
    assert answer(hub("identity", "discard", no, "--reason", "いたずら", "--json")) == {
        "no": int(no),
        "status": "discarded",
    }
    assert queue(town) == []
    assert hub("identity", "show", "99").exit_code == 1


def test_a_link_while_kafka_is_away_is_kept_and_told_later(hub, town, monkeypatch):
    no = str(queue(town)[0].no)
    with monkeypatch.context() as away:
        away.setenv("HUB_KAFKA", "127.0.0.1:9")
        result = hub("identity", "link", no, "1000001", "--reason", "確認", "--json")
    assert answer(result, 3)["told"] is False
    town.drain()
    assert [each["subject"] for each in town.told("hoken")] == ["1000001"]


def test_a_resident_s_timeline_and_disclosure(hub, town):
    hub("identity", "link", str(queue(town)[0].no), "1000001", "--reason", "確認")
    town.drain()
    shown = answer(hub("resident", "1000001", "--json"))
    assert [(event["type"], event["status"]) for event in shown["events"]] == [
        ("resident.moved-in", "unmatched"),
        ("application.submitted", "accepted"),
    ]
    assert [each["fields"] for each in shown["events"][1]["deliveries"]] == [["application_no"]] * 2
    assert shown["waiting"] == []
    found = answer(hub("resident", "1000001", "--disclosure", "--json"))
    assert [(each["system"], each["purpose"], each["fields"], each["deliveries"]) for each in found["items"]] == [
        ("desk", "試験", ["application_no"], 1),
        ("hoken", "試験", ["application_no"], 1),
    ]
    assert "application_no" in hub("resident", "1000001", "--disclosure").stdout
    assert "application.submitted" in hub("resident", "1000001").stdout
    assert hub("resident", "1000099").exit_code == 1


def test_a_protected_residents_location_is_not_shown(hub, town):
    started = {
        "specversion": "1.0", "id": "p1", "source": "/systems/juki", "type": "resident.protection-started",
        "subject": "1000002", "data": {"kind": "dv", "effective_on": "2026-11-01"},
    }  # fmt: skip
    file = Path(town.folder) / "p.json"
    file.write_text(json.dumps(started))
    assert hub("publish", str(file)).exit_code == 0
    town.drain()
    shown = answer(hub("resident", "1000002", "--json"))
    assert shown["protected"] is True
    assert "金田町" not in json.dumps(shown, ensure_ascii=False)
    assert shown["events"][0]["data"]["name"] == "京阪 花子"
    entry = answer(hub("identity", "show", str(queue(town)[0].no), "--json"))  # it may be of the protected resident
    assert entry["protected"] is True
    assert entry["data"]["answers"] == "＊"
