"""`hub source` and `hub review` as commands, on a city whose extracts were read."""

import asyncio
import json
import shutil

import pytest

from tests.unit.stages.extract_city import City, row


@pytest.fixture
def juki(tmp_path):
    city = City(tmp_path / "juki", shared=True, on="on_new=report on_change=report")
    yield city
    city.close()


@pytest.fixture
def ask(hub, juki):
    def ask(*words, code=0):
        shown = hub(*words, "--city", juki.folder, "--json")
        assert shown.exit_code == code, shown.stdout + shown.stderr
        return json.loads(shown.stdout)

    return ask


TARO = row("1", 3, "守口 太郎", "大日町1-1")
HANA = row("2", 5, "京阪 花子", "金田町1-1")
JIRO = row("3", 1, "淀川 次郎", "大日町2-2")


def take(city, name, *rows):
    asyncio.run(city.take(name, *rows))


def test_sources_are_listed_with_what_holds_them_up(juki, ask, hub):
    take(juki, "ZENKEN_1.csv", TARO, HANA, JIRO)
    take(juki, "ZENKEN_2.csv", TARO)
    sabun, zenken = ask("source", "list")["items"]
    assert (sabun["mode"], sabun["extract"], sabun["held"]) == ("changes", None, None)
    assert (zenken["mode"], zenken["tally"]["rows"]) == ("snapshot", 3)
    assert zenken["held"].startswith("ZENKEN_2.csv@")
    assert (zenken["extract"]["label"], zenken["extract"]["counts"]["new"]) == ("in/ZENKEN_1.csv", 3)
    assert "secret" not in zenken["extract"]
    assert "juki.zenken" in hub("source", "list", "--city", juki.folder).stdout
    (held,) = ask("batches", "list", "--status", "held")["items"]
    assert "2 rows of 3 missing" in held["reason"]
    ask("batches", "reject", held["id"], "--reason", "cut")
    asyncio.run(juki.drain())
    assert ask("review", "list")["items"] == []


def test_a_rewind_says_what_it_would_do_and_is_written_down(juki, ask, hub, monkeypatch):
    take(juki, "ZENKEN_1.csv", TARO)
    words = ("source", "rewind", "juki.zenken", "--reason", "the folder was put back")
    before = ask(*words, "--dry-run")
    assert (before["done"], before["after"], before["before"]["file"]) == (False, None, "in/ZENKEN_1.csv")
    assert ask("source", "list")["items"][1]["rewound"] is None
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert "juki.zenken ははじめから読むことになります" in hub(*words, "--dry-run", "--city", juki.folder).stdout
    assert ask(*words, "--by", "keiko")["done"] is True
    zenken = ask("source", "list")["items"][1]
    assert (zenken["position"], zenken["rewound"]["by"]) == (None, "keiko")
    ask("source", "rewind", "juki.none", "--reason", "x", code=2)
    ask(*words, "--to", "ZENKEN_1.csv", code=2)


def test_a_baseline_by_command(juki, ask):
    assert ask("source", "baseline", "juki.zenken", code=1)["done"] is False
    juki.write("ZENKEN_1.csv", TARO, HANA)
    assert ask("source", "baseline", "juki.zenken", "--dry-run")["rows"] == 2
    assert juki.known == 0
    done = ask("source", "baseline", "juki.zenken")
    assert (done["done"], done["known"]["counts"]["new"], juki.known) == (True, 2, 2)
    ask("source", "baseline", "juki.sabun", code=2)


def test_what_is_reported_is_listed_shown_and_decided(juki, ask, hub):
    take(juki, "ZENKEN_1.csv", TARO, HANA)
    take(juki, "ZENKEN_2.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"), HANA)
    (item,) = ask("review", "list")["items"]
    assert (item["kind"], item["status"], item["subject"], item["summary"]) == (
        "snapshot",
        "reported",
        "1",
        "changed: 住所",
    )
    assert "payload" not in item
    assert ask("review", "list", "--status", "waiting")["items"] == []
    ask("review", "list", "--status", "open", code=2)
    shown = ask("review", "show", str(item["no"]))
    assert (shown["row"]["住所"], shown["was"]["住所"], shown["would_publish"]) == ("京阪本通2-5-5", "大日町1-1", [])
    assert "京阪本通2-5-5" in hub("review", "show", item["no"], "--city", juki.folder).stdout
    morning = ask("morning", code=1)["items"]
    assert [(each["kind"], each["system"], each["name"]) for each in morning] == [("reported", "juki", "zenken")]
    assert ask("review", "accept", str(item["no"]), "--by", "keiko")["status"] == "accepted"
    ask("review", "reject", str(item["no"]), "--reason", "x", code=2)
    ask("review", "show", "99", code=1)
    assert ask("morning")["items"] == []


def test_a_system_that_receives_nothing_is_reconciled_with_what_was_found_of_its_rows(juki, ask):
    take(juki, "ZENKEN_1.csv", TARO, HANA)
    take(juki, "ZENKEN_2.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"), HANA)
    found = ask("reconcile", "juki", code=1)
    assert (found["extract"].endswith("done/ZENKEN_2.csv"), found["counts"]["rows"]) == (True, 2)
    assert [(item["kind"], item["subject"]) for item in found["items"]] == [("reported", "1")]
    copied = juki.folder / "copy.csv"
    shutil.copy(juki.folder / "in/done/ZENKEN_1.csv", copied)
    assert ask("reconcile", "juki", "--file", str(copied), code=1)["extract"].endswith("copy.csv")
    ask("reconcile", "nobody", code=2)
