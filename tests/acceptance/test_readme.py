"""The tours of both READMEs, pasted word for word into a new folder."""

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


def test_both_languages_build_the_same_city():
    cities = [{each.file: each.text for each in blocks(ROOT / page) if each.file} for page, _ in PAGES]
    assert cities[0].keys() == cities[1].keys()
    tests = "tests/kokuho.yaml"  # whose titles are in the page's language
    assert [city | {tests: ""} for city in cities][0] == cities[1] | {tests: ""}
    scripts = [[each.text for each in blocks(ROOT / page) if each.kind != "yaml"] for page, _ in PAGES]
    assert scripts[0] == scripts[1]
