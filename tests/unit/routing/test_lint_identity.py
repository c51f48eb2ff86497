"""What `hub check` says of who a record is about, of a system's own numbers and of its characters."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.adapters import registry
from hub.adapters.contract import Features
from hub.adapters.csv import Csv
from hub.cli.check import problems_of
from hub.settings.load import load_city

FORMS = """system: shinsei
owner: 課
sources:
  forms:
    adapter: csv
    path: in/*.csv
    typed: true
    identify: {id: row.番号, verify: {kana: row.カナ, birth_date: row.生年月日}}
publishes:
  - {from: forms, event: resident.died, map: {name: row.氏名, died_on: row.日, effective_on: row.日}}
receives: {}
"""
KAIGO = """system: kaigo
owner: 課
ids: {name: 被保険者番号, pattern: "[0-9]{10}"}
protected: {mode: full}
sources: {daicho: {adapter: csv, path: in/kaigo/*.csv}}
publishes:
  - {from: daicho, subject: row.宛名番号, local_id: row.番号, cases: [{ignore: 対照, when: 'row.番号 != ""'}]}
subscribes:
  - {id: died, on: resident.died, send: [name, {no: 'local_id("kaigo")'}], because: 試験}
receives: {adapter: csv, path: out/}
"""
IDENTIFY = "    identify: {id: row.番号, verify: {kana: row.カナ, birth_date: row.生年月日}}\n"


def found(folder: Path, shinsei: str = FORMS, kaigo: str = KAIGO, **tables: str) -> list[tuple[str, str]]:
    for name in ("systems", "tables"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "hub.yaml").write_text("city: test\n")
    (folder / "systems" / "shinsei.yaml").write_text(shinsei, "utf-8")
    (folder / "systems" / "kaigo.yaml").write_text(kaigo, "utf-8")
    for name, text in tables.items():
        (folder / "tables" / f"{name}.csv").write_text("code,value\n" + text, "utf-8")
    problems = problems_of(load_city(folder, environ={}))
    return [(each.place, each.code) for each in problems if each.code != "attribute-unknown"]


def test_a_city_that_asks_is_well(tmp_path):
    assert found(tmp_path) == []


def test_a_typed_source_must_ask(tmp_path):
    assert ("systems/shinsei.yaml:7:12", "identify-missing") in found(
        tmp_path, FORMS.replace(IDENTIFY, "").replace("event:", "subject: row.番号, event:")
    )


@pytest.mark.parametrize(("typed", "asked"), [("", True), ("    typed: false\n", False)])
def test_an_adapter_may_say_that_people_type(tmp_path, monkeypatch, typed, asked):
    monkeypatch.setattr(Csv, "features", Features(source=True, sink=True, prepared=True, batch=5000, typed=True))
    assert registry.find("csv").features.typed
    text = (
        FORMS.replace(IDENTIFY, "").replace("    typed: true\n", typed).replace("event:", "subject: row.番号, event:")
    )
    codes = [code for place, code in found(tmp_path, text) if place.startswith("systems/shinsei")]
    assert ("identify-missing" in codes) is asked


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("id: row.番号, ", "", "key-missing"),
        ("kana: row.カナ, ", "", "identify-need"),
        ("kana:", "shoe_size:", "fact-unknown"),
        ("id: row.番号,", "id: row.番号, system: shinsei,", "ids-missing"),
        ("id: row.番号,", "id: row.番号, system: nobody,", "system-unknown"),
        ("event:", "subject: row.番号, event:", "subject-unused"),
        ("id: row.番号,", "id: row.番号 +,", "expression"),
    ],
)
def test_what_is_wrong_with_asking(tmp_path, before, after, code):
    assert code in [code for _, code in found(tmp_path, FORMS.replace(before, after, 1))]


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ('pattern: "[0-9]{10}"', 'pattern: "["', "pattern"),
        ('pattern: "[0-9]{10}"', "table: tables/none.csv", "table"),
        ('ids: {name: 被保険者番号, pattern: "[0-9]{10}"}\n', "", "ids-missing"),
        ("""{no: 'local_id("kaigo")'}""", """{no: 'local_id("kaigo") + facts.resident.kana'}""", "local-id-mixed"),
        ("subject: row.宛名番号, ", "", "key-missing"),
    ],
)
def test_what_is_wrong_with_numbers(tmp_path, before, after, code):
    city = KAIGO.replace(before, after, 1)
    try:
        codes = [code for _, code in found(tmp_path, kaigo=city)]
    except Exception as error:  # noqa: BLE001 - some of it keeps the city from being read at all
        codes = [each.code for each in getattr(error, "problems", [])]
    assert code in codes


def test_what_is_wrong_with_characters(tmp_path):
    said = "text: {encoding: cp932, gaiji: tables/own.csv, shrink: tables/none.csv}\n"
    problems = found(
        tmp_path, kaigo=KAIGO.replace("protected:", said + "protected:"), own="E000,𠮷\nF040,U+E001\nF041,𠮷\n"
    )
    assert problems == [
        ("systems/kaigo.yaml:4:56", "table"),
        ("tables/own.csv:2:1", "gaiji"),
        ("tables/own.csv:3:1", "gaiji"),
    ]


def test_a_table_of_characters_is_none_to_look_up_in_and_not_among_the_rules(tmp_path):
    from hub.routing.rules import RuleSet

    said = "text: {encoding: cp932, gaiji: tables/own.csv}\n"
    assert found(tmp_path, kaigo=KAIGO.replace("protected:", said + "protected:"), own="F041,𠮷\n", jiyu="1,x\n") == []
    assert set(RuleSet.of(load_city(tmp_path, environ={})).tables) == {"jiyu"}
