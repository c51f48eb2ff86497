"""`hub jobs` and the commands that begin jobs, as far as they need no Kafka."""

import json

import pytest

from hub.ledger import jobs
from hub.ledger.jobs import PUBLISHER, Order


@pytest.fixture
def number(ledger):
    totals = {"counts": {"cancel": 2}, "receivers": {}, "left_out": {}}
    orders = [Order(PUBLISHER, "publish", n, 0, b"{}") for n in (1, 2)]
    return jobs.create(ledger, "cancel", {}, orders, by="甲", reason="誤り", totals=totals, approval=True)


def test_jobs_are_listed_and_shown(hub, city, number):
    (item,) = json.loads(hub("jobs", "list", "--json", "--city", city).stdout)["items"]
    assert (item["no"], item["kind"], item["status"], item["open"]) == (number, "cancel", "approval", 2)
    shown = json.loads(hub("jobs", "show", number, "--limit", 1, "--json", "--city", city).stdout)
    assert [each["what"] for each in shown["items"]] == ["publish"]
    assert shown["next"] is not None
    assert "誤り" in hub("jobs", "list", "--city", city).stdout
    assert hub("jobs", "show", 99, "--city", city).exit_code == 1


def test_a_job_is_shown_in_the_citys_time(hub, city, number):
    shown = hub("jobs", "show", number, "--city", city).stdout
    (at,) = (line for line in shown.splitlines() if line.startswith("at: "))
    assert at.endswith("+09:00")


def test_a_job_is_not_approved_by_who_asked_for_it(hub, city, number):
    refused = hub("jobs", "approve", number, "--by", "甲", "--city", city)
    assert (refused.exit_code, "another person" in refused.stderr) == (2, True)


@pytest.mark.parametrize("why", ["cancelled before", "a correction itself"])
def test_after_a_wrong_cancellation_the_way_on_is_named(hub, city, ledger, why):
    totals = {"counts": {}, "receivers": {}, "left_out": {why: 1}}
    number = jobs.create(ledger, "cancel", {}, [], by="甲", reason="誤り", totals=totals, approval=False)
    shown = hub("jobs", "show", number, "--city", city).stdout
    assert f"left out ({why}): 1\n" in shown
    assert "hub correct EVENT --again" in shown


def test_a_job_is_cancelled_once(hub, city, number):
    cancelled = json.loads(hub("jobs", "cancel", number, "--json", "--city", city).stdout)
    assert (cancelled["status"], cancelled["results"], cancelled["open"]) == ("cancelled", {"cancelled": 2}, 0)
    assert hub("jobs", "pause", number, "--city", city).exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("replay",),
        ("replay", "juki/e1:kokuho.main:0", "--edit", "x.json"),
        ("replay", "nonsense"),
        ("replay", "--status", "lost"),
        ("cancel", "--batch", "b"),
        ("cancel", "--reason", "誤り"),
        ("cancel", "juki/e1", "--batch", "b", "--reason", "誤り"),
        ("correct", "juki/e1", "--reason", "誤り"),
        ("correct", "juki/e1", "--reason", "誤り", "--data", "{}", "--edit", "x.json", "--subject", "2"),
        ("correct", "--reason", "誤り", "--data", "{}"),
        ("correct", "--reason", "誤り", "--batch", "b", "--subject", "2"),
        ("correct", "--reason", "誤り", "--batch", "b", "--again"),
        ("correct", "juki/e1", "--reason", "誤り", "--again", "--subject", "2"),
        ("correct", "juki/e1", "juki/e2", "--reason", "誤り", "--subject", "2"),
        ("correct", "juki/e1", "--batch", "b", "--reason", "誤り", "--data", "{}"),
        ("correct", "--batch", "b", "--type", "resident.dead", "--reason", "誤り", "--data", "{}"),
        ("load", "juki.nothing", "--as-of", "2026-04-01"),
        ("load", "juki.nothing", "--as-of", "April"),
        ("backfill", "nobody", "--since", "2026-04-01"),
        ("seed", "nobody"),
        ("restore", "nobody", "--to", "2026-04-01"),
    ],
)
def test_wrong_usage(hub, city, words):
    assert hub(*words, "--city", city).exit_code == 2


def test_nothing_to_do_is_said_and_no_error(hub, city):
    correct = ("correct", "--batch", "b", "--reason", "誤り", "--data", '{"name": "守口 太郎"}')
    for words in (("replay", "--status", "dead"), ("cancel", "--batch", "b", "--reason", "誤り"), correct):
        answer = hub(*words, "--city", city)
        assert (answer.exit_code, answer.stdout) == (0, "nothing to do\n")
    preview = json.loads(hub("replay", "--status", "dead", "--dry-run", "--json", "--city", city).stdout)
    assert preview["preview"] == {"counts": {}, "receivers": {}, "left_out": {}}
