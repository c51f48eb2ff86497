"""The tours of both READMEs and the tutorial, pasted word for word into a new folder."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.pages import Follower, blocks

ROOT = Path(__file__).parents[2]
PAGES = [("README.md", "en_US.UTF-8"), ("README.ja.md", "ja_JP.UTF-8")]


@pytest.fixture
def follower(tmp_path, request):
    start = tmp_path / "checkout"
    start.mkdir()
    follower = Follower(start, request.param)
    yield follower
    subprocess.run(
        [sys.executable, "-m", "hub.cli.main", "kafka", "stop", "--city", str(follower.folder)],
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(("page", "follower"), PAGES, indirect=["follower"])
def test_the_tour_does_what_it_says(follower, page):
    follower.follow(ROOT / page)

    city = follower.folder
    assert city.name == "my-city"
    with sqlite3.connect(city / "kokuho.db") as db:
        assert db.execute("SELECT address FROM member WHERE resident = '1000001'").fetchall() == [("京阪本通2-5-5",)]
        assert db.execute("SELECT count(*) FROM hub_inbox").fetchone() == (1,)
    follower.run("hub events show juki/1000002-5 --json")
    shown = json.loads(follower.said)
    assert shown["deliveries"] == []
    assert {each["system"] for each in shown["not_told"]} == {"juki", "kokuho"}
    follower.run("hub quarantine list --json")
    (broken,) = json.loads(follower.said)["items"]
    assert "20261120.csv:4" in broken["place"]


@pytest.mark.parametrize("follower", ["C.UTF-8"], indirect=True)
def test_the_tutorial_does_what_it_says(follower):
    follower.follow(ROOT / "docs/tutorials/first-system.md")

    with sqlite3.connect(follower.folder / "kokuho.db") as db:
        assert db.execute("SELECT address FROM member").fetchall() == [("京阪本通2-5-5",)]
    follower.run("hub events show juki/1000003-7 --json")
    assert json.loads(follower.said)["event"]["data"]["effective_on"] == "2026-11-13"
    follower.run("hub quarantine list --json")
    assert [each["status"] for each in json.loads(follower.said)["items"]] in ([], ["resubmitted"])


@pytest.mark.parametrize("follower", ["C.UTF-8"], indirect=True)
def test_the_tutorial_of_a_transport_does_what_it_says(follower):
    follower.follow(ROOT / "docs/tutorials/first-transport.md")

    (told,) = (follower.folder / "out/mado").glob("*.txt")
    assert json.loads(told.read_bytes())["data"] == {"name": "守口 太郎", "effective_on": "2026-11-16"}


@pytest.mark.parametrize("follower", ["ja_JP.UTF-8"], indirect=True)
def test_the_operators_guide_does_what_it_says(follower):
    follower.follow(ROOT / "docs/operators.ja.md")

    follower.run("hub jobs list --json")
    (job,) = json.loads(follower.said)["items"]
    assert (job["kind"], job["reason"], job["delivered"]) == ("replay", "部屋番号を略す", {"delivered": 1})
    follower.run("hub quarantine list --status all --json")
    assert [each["status"] for each in json.loads(follower.said)["items"]] == ["resubmitted"]


def test_both_languages_build_the_same_city():
    english, japanese = (
        [(each.file, each.text) for each in blocks(ROOT / page) if each.file != "tests/kokuho.yaml"]
        for page, _ in PAGES
    )  # the tests have titles in the page's language
    assert english == japanese
