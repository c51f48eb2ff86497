"""`hub adapters try` on the starter city: nothing runs, nothing is written."""

from __future__ import annotations

import json

import pytest

from hub.cli.trial import given_facts
from hub.errors import UsageError


@pytest.fixture
def sample(city):
    return city / "samples" / "juki.csv"


@pytest.fixture
def attempt(hub, city, sample):
    """Try the sample; return what `--json` answers."""

    def call(*words, code=0, system="juki", file=None):
        typed = ("adapters", "try", system, "--sample", file or sample, "--city", city, "--json")
        shown = hub(*typed, *words)
        assert shown.exit_code == code, shown.stdout + shown.stderr
        return json.loads(shown.stdout)

    return call


def test_each_row_is_an_event_or_says_why_not(attempt, city):
    found = attempt()
    assert found["source"] == "juki.idou"
    assert found["counts"] == {"event": 3, "repeat": 0, "ignored": 1, "error": 0}
    first = found["items"][0]
    assert first["place"].endswith("samples/juki.csv:2")
    assert first["row"]["氏名"] == first["event"]["data"]["name"] == "守口 太郎"
    assert (first["event"]["type"], first["event"]["subject"]) == ("resident.moved", "1000001")
    assert {each["system"] for each in first["not_told"]} == {"juki", "kokuho"}
    assert found["items"][3]["ignored"]
    assert not (city / "var").exists()
    assert (city / "samples" / "juki.csv").exists()


def test_who_is_told_depends_on_facts_that_may_be_given(attempt, tmp_path):
    facts = tmp_path / "facts.yaml"
    facts.write_text('"1000001": {insurance: {kokuho: {active: true}}}\n')
    told = attempt("--facts", facts)["items"][0]["told"]
    assert [each["receiver"] for each in told] == ["kokuho.main"]
    assert set(told[0]["data"]) == {"name", "new_address"}
    assert told[0]["place"].startswith("systems/kokuho.yaml:")


def test_a_protected_residents_place_is_not_shown_as_sent(attempt, tmp_path):
    facts = tmp_path / "facts.yaml"
    facts.write_text('"1000001": {insurance: {kokuho: {active: true}}, protected: true}\n')
    (told,) = attempt("--facts", facts)["items"][0]["told"]
    assert told["data"] == {"name": "守口 太郎", "protected": True, "do_not_post": True}


def test_earlier_rows_of_the_sample_are_facts_for_later_ones(attempt, city, sample):
    rule = "facts.resident.status == 'dead'"
    path = city / "systems" / "kokuho.yaml"
    path.write_text(path.read_text("utf-8").replace("when: facts.insurance.kokuho.active      #", f"when: {rule} #"))
    head, *rows = sample.read_text("utf-8").splitlines()
    later = rows[0].replace("1000001,2", "1000003,8")
    sample.write_text("\n".join([head, *rows, later]) + "\n", "utf-8")
    assert [each["receiver"] for each in attempt()["items"][-1]["told"]] == ["kokuho.main"]


def test_every_error_has_its_row_its_place_and_a_reason_and_the_rest_goes_on(attempt, sample):
    text = sample.read_text("utf-8").replace("令和8年11月16日", "令和8年13月40日") + "1000009,1\n"
    sample.write_text(text, "utf-8")
    found = attempt("--limit", 0, code=1)
    assert found["counts"]["error"] == 2
    wrong, short = found["items"]
    assert wrong["error"]["code"] == "wareki"
    assert wrong["error"]["place"].startswith("systems/juki.yaml:")
    assert short["error"]["code"] == "csv-columns"
    assert short["raw"] == "1000009,1\n"


def test_a_repeated_row_tells_nobody_twice_and_a_reused_identity_is_an_error(attempt, sample):
    head, *rows = sample.read_text("utf-8").splitlines()
    other = rows[0].replace("守口 太郎", "守口 次郎")
    sample.write_text("\n".join([head, rows[0], rows[0], other]) + "\n", "utf-8")
    first, again, reused = attempt(code=1)["items"]
    assert (first["kind"], again["kind"]) == ("event", "repeat")
    assert again["repeats"] == first["place"]
    assert reused["error"]["code"] == "id-reused"
    assert "identity" in reused["error"]["mend"]


def test_a_city_that_cannot_run_is_refused_with_the_place(attempt, city):
    path = city / "systems" / "juki.yaml"
    path.write_text(path.read_text("utf-8").replace("wareki(row.異動日)", "wareki(row.異動日", 1), "utf-8")
    assert attempt(code=2)["error"]["place"] or attempt(code=2)["error"]["problems"]


def test_rows_of_a_source_that_reads_no_files_are_json_lines(attempt, city, tmp_path):
    path = city / "systems" / "kokuho.yaml"
    old = "{adapter: csv, path: in/kokuho/*.csv, encoding: utf-8, every: 10s}"
    new = "{adapter: database, url: env:NOT_THERE, table: t, cursor: n}"
    path.write_text(path.read_text("utf-8").replace(old, new.replace("env:NOT_THERE", "sqlite:///none.db")), "utf-8")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"宛名番号": "1000001", "資格取得日": "令和2年4月1日", "記号番号": "1-2"}\n', "utf-8")
    (only,) = attempt(system="kokuho", file=rows)["items"]
    assert only["event"]["data"]["effective_on"] == "2020-04-01"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("adapters", "try", "jukii", "--sample", "samples/juki.csv"), "one of: juki, kokuho"),
        (("adapters", "try", "juki", "--sample", "samples/none.csv"), "there is no file"),
        (("adapters", "try", "juki", "--sample", "samples/juki.csv", "--source", "x"), "one of: idou"),
        (("adapters", "try", "juki", "--sample", "samples/juki.csv", "--watch", "--json"), "--watch"),
    ],
)
def test_wrong_words_are_refused_with_the_mend(hub, city, monkeypatch, words, said):
    monkeypatch.chdir(city)
    shown = hub(*words)
    assert shown.exit_code == 2
    assert said in shown.stderr


def test_a_systems_file_tells_its_city(hub, city, sample, monkeypatch):
    monkeypatch.chdir(city.parent)
    shown = hub("adapters", "try", city / "systems" / "juki.yaml", "--sample", sample)
    assert shown.exit_code == 0
    assert "→ resident.moved  1000001" in shown.stdout
    assert "3 events" in shown.stdout


def test_facts_of_a_name_that_is_none_are_refused(tmp_path):
    path = tmp_path / "facts.yaml"
    path.write_text('"1": {insurence: {}}\n')
    with pytest.raises(UsageError, match="insurence"):
        given_facts(path)
