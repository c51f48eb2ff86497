"""History and state for newcomers, and what a restored system has forgotten."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from hub.errors import Transient, UsageError
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}
  - {id: deaths, on: resident.died, send: [name, died_on], because: 試験}"""
INSURED = """subscribes:
  - {id: moves, on: resident.moved, when: facts.insurance.kokuho.active, send: [name, new_address], because: 試験}"""


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE})
    yield made
    made.close()


def add(town: Town, name: str, rules: str) -> None:
    text = f"system: {name}\nowner: 課\n{rules}\nreceives: {{adapter: jsonl, path: out/{name}.jsonl}}\n"
    (town.folder / "systems" / f"{name}.yaml").write_text(text)
    town.renew()
    town.dispatch_by_todays_rules()


def test_history_reaches_a_newcomer_in_order_before_what_is_live(town):
    town.report(town.moved(OTHER, "1"), town.moved(OTHER, "2"), town.moved(ADDRESS, "1"))
    town.report(town.event("event.cancelled", "2", event_id="e2"))
    town.deliver()
    add(town, "zei", RULE)
    town.report(town.event("resident.died", "1", name="守口 太郎", died_on="2026-11-20"))
    plan = town.foreman.backfill("zei", 0)
    assert dict(plan.counts) == {"backfill": 2}
    number = town.do(plan)
    town.deliver()
    zei = town.desks["zei"]
    assert zei.ids == ["e1", "e3", "e5"]
    assert [each["action"] for each in zei.taken] == ["new", "new", "new"]
    assert zei.keys[0] == f"juki/e1:zei.main:{number}"
    assert len(town.desks["suido"].ids) == 5
    assert town.job(number).delivered == {"delivered": 2}
    again = town.foreman.backfill("zei", 0)
    assert (again.orders, dict(again.left_out)) == ([], {"told before": 3})


def test_history_is_told_by_the_facts_of_its_day_and_cut(town):
    town.report(town.moved(OTHER, "1"))
    town.report(town.event("insurance.enrolled", "1", system="kokuho", scheme="kokuho"))
    town.report(town.moved(ADDRESS, "1"))
    town.report(town.event("resident.protection-started", "1", kind="支援措置"))
    add(town, "kokuho", INSURED)
    town.do(town.foreman.backfill("kokuho", 0))
    town.deliver()
    assert [(each["id"], each["data"]) for each in town.desks["kokuho"].taken] == [("e3", {"name": "守口 太郎"})]


def test_facts_only_is_never_told(town):
    secret = {**town.moved(OTHER, "1"), "hubfactsonly": True}
    town.report(secret)
    add(town, "zei", RULE)
    assert town.foreman.backfill("zei", 0).orders == []


def test_a_seed_tells_the_present_state_once_a_rule(town):
    town.report(town.moved(OTHER, "1", household_no="7"), town.moved(ADDRESS, "1"), town.moved(OTHER, "2"))
    town.report(town.event("resident.protection-started", "2", kind="支援措置"))
    add(town, "zei", RULE)
    plan = town.foreman.seed("zei")
    assert dict(plan.counts) == {"seed": 2}
    town.do(plan)
    town.deliver()
    told = {each["subject"]: (each["action"], each["data"]) for each in town.desks["zei"].taken}
    assert told == {
        "1": ("seed", {"name": "守口 太郎", "new_address": ADDRESS}),
        "2": ("seed", {"name": "守口 太郎"}),
    }


def test_a_restore_repeats_what_was_taken_since_before_what_waits(town):
    suido = town.desks["suido"]
    town.report(town.moved(OTHER, "1"))
    town.deliver()
    time.sleep(0.01)
    to = int(time.time() * 1000)
    town.report(town.moved(ADDRESS, "1"), town.moved(OTHER, "1"), town.moved(ADDRESS, "2"))
    town.deliver()
    suido.error = Transient("停止", reached=True, retry_after=3600)
    town.report(town.moved(ADDRESS, "1"))
    town.deliver()
    suido.error = None
    suido.taken.clear()
    plan = town.foreman.restore("suido", to)
    assert dict(plan.counts) == {"resend": 3}
    number = town.do(plan)
    town.do(town.replay(statuses=("waiting",)))
    town.deliver()
    assert [each for each in suido.ids if each != "e4"] == ["e2", "e3", "e5"]
    assert set(suido.ids) == {"e2", "e3", "e4", "e5"}
    job = town.job(number)
    assert (job.status, job.results, job.delivered) == ("done", {"queued": 3}, {"delivered": 3})


def test_a_backfilled_delivery_is_restored_with_its_payload(town):
    town.report(town.moved(OTHER, "1"))
    add(town, "zei", RULE)
    town.do(town.foreman.backfill("zei", 0))
    town.deliver()
    town.do(town.foreman.restore("zei", 0))
    town.deliver()
    first, second = town.desks["zei"].taken
    assert first["data"] == second["data"]
    assert first["deliverykey"] != second["deliverykey"]


def test_a_system_that_receives_nothing_is_refused(town):
    with pytest.raises(UsageError, match="no system koki"):
        town.foreman.seed("koki")


def test_who_was_told_by_a_job_hears_of_a_correction(town):
    town.report(town.moved(OTHER, "1"), {**town.moved(OTHER, "2"), "hubfactsonly": True})
    add(town, "zei", RULE)
    town.do(town.foreman.backfill("zei", 0))
    town.do(town.foreman.seed("zei"))
    town.deliver()
    town.report(town.event("event.cancelled", "1", event_id="e1"), town.event("event.cancelled", "2", event_id="e2"))
    town.deliver()
    zei = town.desks["zei"]
    assert [each["corrects"] for each in zei.taken if each["action"] == "cancel"] == ["juki/e1", "juki/e2"]
    assert [each["action"] for each in town.desks["suido"].taken] == ["new", "cancel"]


def test_what_a_death_took_from_a_job_comes_back_with_the_death_taken_back(town):
    dated = RULE.replace("[name, new_address],", "[name, new_address], deliver: on-effective-date,")
    town.report(town.moved(ADDRESS, "1", effective_on="2999-04-01"))
    add(town, "zei", dated)
    number = town.do(town.foreman.backfill("zei", 0))
    key = f"juki/e1:zei.main:{number}"
    town.deliver()
    assert town.inquiry.delivery(key)["status"] == "scheduled"
    sent = town.inquiry.delivery(key)["payload"]
    town.report(town.event("resident.died", "1", name="守口 太郎", died_on="2026-11-20"))
    town.deliver()
    assert town.inquiry.delivery(key)["reason"] == "died"
    town.report(town.event("event.cancelled", "1", event_id="e2"))
    town.deliver()
    shown = town.inquiry.delivery(key)
    assert (shown["status"], shown["payload"]) == ("scheduled", sent)
