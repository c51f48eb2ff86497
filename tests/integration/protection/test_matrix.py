"""No location of a protected resident reaches a receiver without permission: at every moment, by every way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from hub.ledger import pauses, sources
from hub.ledger.deadletters import unannounced
from hub.ledger.desk import now_ms
from hub.ledger.protected import protect_early
from hub.ledger.tables import pending
from hub.stages import deadletters
from hub.stages.inquiry import DeliveryFilter
from tests.integration.protection.office import MARK, OLD, POSTAL, SINKS, Office, listening

OTHER = {"text": "守口市別MARK町3-3", "postal_code": "570-0002"}
EARLY = ("1", "/systems/juki/x")


@pytest.fixture
def ledger_url(tmp_path) -> str:
    return f"sqlite:///{tmp_path / 'ledger.db'}"  # who asks of whom is the same on both, and tested on both elsewhere


@pytest.fixture
def server() -> Iterator[Any]:
    with listening() as made:
        yield made


@pytest.fixture
def office(tmp_path, ledger_url, server, caplog) -> Iterator[Office]:
    caplog.set_level(logging.DEBUG, "hub")
    made = Office(tmp_path / "city", ledger_url, server)
    yield made
    made.close()


def flag(office: Office) -> None:
    """Protect the resident as intake does when it hears of it."""
    protect_early(office.ledger, [EARLY])


def nothing_leaks(office: Office, caplog: Any, *, besides: tuple[str, ...] = (), lost: tuple[str, ...] = ()) -> None:
    """Hold what everybody was given to what they may have; everybody was told, with the flag."""
    given = office.given()
    for name in SINKS:
        text = "\n".join(given[name])
        if name not in besides:
            assert not _located(text), (name, text)
        if name not in lost:
            assert "守口" in text or r"\u5b88" in text, name
            assert "true" in text.lower() or "1, 1)" in text, (name, text)
    assert not _located(office.shown())
    assert not _located(caplog.text)


def _located(text: str) -> bool:
    return MARK in text or any(each in text for each in POSTAL)


# --- the flag comes before, with, after the move ---------------------------------------------------------------------


def test_without_protection_everybody_is_told_where(office):
    office.report(office.moved())
    office.deliver()
    assert all(MARK in "\n".join(texts) for texts in office.given().values())


def test_before(office, caplog):
    office.report(office.protects())
    office.report(office.moved())
    office.deliver()
    nothing_leaks(office, caplog)


def test_with(office, caplog):
    office.report(office.moved(), office.protects(provisional=True, until="2001-01-01"))
    office.deliver()
    nothing_leaks(office, caplog)


def test_after_the_plan(office, caplog):
    office.report(office.moved())
    flag(office)
    office.deliver()
    nothing_leaks(office, caplog)


def test_together_with_another(office, caplog):
    office.report(office.protects("9", together_with=["1"]))
    office.report(office.moved())
    office.deliver()
    nothing_leaks(office, caplog)


# --- while it waits --------------------------------------------------------------------------------------------------


def test_while_it_is_held_by_a_pause(office, caplog):
    for name in SINKS:
        pauses.pause(office.ledger, f"{name}.main", reason="試験", by="係員")
    office.report(office.moved())
    office.deliver()
    flag(office)
    for name in SINKS:
        pauses.resume(office.ledger, f"{name}.main")
    office.deliver()
    nothing_leaks(office, caplog)


def test_while_it_waits_for_a_retry(office, caplog, server):
    server.status = 503
    server.before = lambda: (flag(office), setattr(server, "status", 200))  # the first answer is still a refusal
    office.report(office.moved())
    office.deliver()
    first = [request for request in server.heard if MARK.encode() in request]
    assert len(first) <= 2, "each of the two services was asked once before"
    server.heard[:] = [request for request in server.heard if request not in first]
    nothing_leaks(office, caplog, besides=tuple(set(SINKS) - {"calls"}), lost=tuple(set(SINKS) - {"calls"}))


@pytest.mark.parametrize("name", ["csvs", "excels", "fixeds", "lines"])
def test_while_its_batch_is_prepared(office, caplog, name):
    office.wrapped[name] = lambda sink: Interrupted(sink, lambda: flag(office))
    office.report(office.moved())
    office.deliver()
    assert office.wrapped[name], "prepared"
    nothing_leaks(office, caplog, besides=tuple(set(SINKS) - {name}), lost=tuple(set(SINKS) - {name}))


class Interrupted:
    """A sink in two steps; between them something happens once."""

    def __init__(self, sink: Any, what: Any) -> None:
        self._sink, self._what = sink, what

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    async def prepare(self, batch: Any) -> Any:
        token = await self._sink.prepare(batch)
        if self._what is not None:
            self._what()
            self._what = None
        return token


def test_while_its_outcome_is_unknown(office, caplog, server):
    server.status = 0
    office.report(office.moved())
    office.deliver(until=lambda: any(state == "unknown" for _, state, _ in office.statuses("once")))
    flag(office)
    server.heard.clear()
    server.status = 200
    key = office.inquiry.deliveries(DeliveryFilter(systems=("once",)))["items"][0]["id"]
    office.do(office.foreman.replay(DeliveryFilter(), [key]))
    office.deliver()
    others = tuple(set(SINKS) - {"once", "calls"})
    nothing_leaks(office, caplog, besides=others, lost=others)


# --- told again ------------------------------------------------------------------------------------------------------


@pytest.fixture
def told(office) -> Office:
    """Everybody was told of a move before the resident became protected; their readers have taken it away."""
    office.report(office.moved())
    office.deliver()
    office.report(office.protects())
    office.forget()
    return office


def test_replayed(told, caplog):
    told.do(told.foreman.replay(DeliveryFilter(statuses=("delivered",))))
    told.deliver()
    nothing_leaks(told, caplog)


def test_replayed_by_todays_rules(told, caplog):
    plan = told.foreman.replay(DeliveryFilter(statuses=("delivered",)), now=True)
    assert not _located(str(plan.as_dict()))
    told.do(plan)
    told.deliver()
    nothing_leaks(told, caplog)


def test_replayed_with_another_payload(told, caplog):
    edit = {"new_address": {"text": "守口市MARK町9-9"}, "where": "MARK町9-9", "name": "守口 次郎"}
    plan = told.foreman.replay(DeliveryFilter(statuses=("delivered",)), edit=edit)
    assert not _located(str(plan.as_dict()))
    told.do(plan)
    told.deliver()
    nothing_leaks(told, caplog)


def test_corrected(told, caplog):
    right = {"effective_on": "2026-11-20", "name": "守口 太郎", "old_address": OLD, "new_address": OTHER}
    told.report(told.event("event.corrected", event_id="e1", data=right))
    told.deliver()
    nothing_leaks(told, caplog)


def test_cancelled(told, caplog):
    told.report(told.moved(sequence=4, old_address=OTHER))
    told.deliver()
    told.forget()
    told.report(told.event("event.cancelled", event_id=f"e{told._ids}"))
    told.deliver()
    nothing_leaks(told, caplog)


def test_late(told, caplog):
    told.report(told.moved(sequence=5))
    told.deliver()
    told.forget()
    told.report(told.moved(sequence=3, effective_on="2026-11-01", new_address=OTHER))
    told.deliver()
    nothing_leaks(told, caplog, lost=tuple(SINKS))


def test_restored(told, caplog):
    for name in SINKS:
        told.do(told.foreman.restore(name, 0))
    told.deliver()
    nothing_leaks(told, caplog)


@pytest.mark.parametrize("job", ["backfill", "seed"])
def test_told_to_a_newcomer(told, caplog, job):
    told.change({"late": told.rule()})
    told.do(getattr(told.foreman, job)("late", *([0] if job == "backfill" else [])))
    told.deliver()
    text = "\n".join(told.given()["late"])
    assert "守口" in text
    assert '"do_not_post":true' in text
    nothing_leaks(told, caplog, lost=tuple(SINKS))
    assert not _located(text)


def test_scheduled(tmp_path, ledger_url, server, caplog):
    caplog.set_level(logging.DEBUG, "hub")
    office = Office(tmp_path / "dated", ledger_url, server, more="deliver: on-effective-date")
    office.report(office.moved(effective_on="2999-04-01"))
    office.deliver()
    assert {state for name in SINKS for _, state, _ in office.statuses(name)} == {"scheduled"}
    flag(office)
    with office.ledger.write() as connection:
        connection.execute(pending.update().values(due=1))
    office.deliver()
    nothing_leaks(office, caplog)
    office.close()


# --- refused, and the list -------------------------------------------------------------------------------------------


def test_refused_with_words_that_quote_it(office, caplog, server):
    server.status = 422
    office.report(office.moved())
    office.deliver()
    flag(office)
    assert [state for _, state, _ in office.statuses("calls")] == ["dead"]
    assert not _located(office.shown())
    assert not _located(caplog.text)
    assert all(not _located(str(deadletters.record(each))) for each in unannounced(office.ledger))


def test_whom_the_list_does_not_name_waits_and_is_not_shown(tmp_path, ledger_url, server, caplog):
    caplog.set_level(logging.DEBUG, "hub")
    office = Office(tmp_path / "listed", ledger_url, server, "protection: {list: juki.shien, max_age: 26h}\n")
    office.report(office.protects("2"))
    read(office, 0)
    office.report(office.moved("1"), office.moved("2"))
    office.deliver()
    nothing_leaks(office, caplog)
    states = {name: dict(zip("12", [(s, r) for _, s, r in office.statuses(name)], strict=False)) for name in SINKS}
    assert {each["1"] for each in states.values()} == {("held", "protection-unknown")}
    office.report(office.protects("3"), office.event("resident.protection-ended", "3", kind="DV"), office.moved("3"))
    assert _located(office.shown()), "the list knows that this one is not protected any more"
    read(office, 27 * 3_600_000)
    office.forget()
    office.report(office.moved("2"))
    office.deliver()
    assert not any(office.given().values())
    assert not _located(office.shown())
    office.close()


def test_a_permission_that_was_withdrawn_counts_for_what_waits(tmp_path, ledger_url, server, caplog):
    caplog.set_level(logging.DEBUG, "hub")
    office = Office(tmp_path / "withdrawn", ledger_url, server, protected="{mode: full}")
    for name in SINKS:
        pauses.pause(office.ledger, f"{name}.main", reason="試験", by="係員")
    office.report(office.protects(), office.moved())
    office.deliver()
    office.change({name: office.rule() for name in SINKS})
    for name in SINKS:
        pauses.resume(office.ledger, f"{name}.main")
    office.deliver()
    nothing_leaks(office, caplog)
    office.close()


def test_who_may_be_told_where_is_told_and_nobody_is_shown(tmp_path, ledger_url, server, caplog):
    caplog.set_level(logging.DEBUG, "hub")
    office = Office(tmp_path / "full", ledger_url, server, protected="{mode: full, send_flag: true}")
    office.report(office.protects(), office.moved())
    office.deliver()
    server.status = 422
    office.report(office.moved(sequence=9))
    office.deliver()
    office.report(office.event("event.cancelled", event_id="e2"))
    office.deliver()
    assert all(MARK in "\n".join(texts) for texts in office.given().values())
    assert "dead" in {state for _, state, _ in office.statuses("calls")}
    assert not _located(office.shown())
    edit = {"new_address": {"text": "守口市MARK町9-9"}, "name": "守口 次郎"}
    others = office.rule("{mode: full, send_flag: true}").replace("where:", "there:").replace("home:", "house:")
    for how in ({"edit": edit}, {"now": True}, {"now": True}):
        plan = office.foreman.replay(DeliveryFilter(statuses=("delivered", "dead")), **how)
        assert plan.items
        assert not _located(str(plan.as_dict()))
        office.change(dict.fromkeys(SINKS, others))  # for the last of them, and for what is corrected then
    right = {"effective_on": "2026-11-20", "name": "守口 次郎", "old_address": OLD, "new_address": OTHER}
    office.report(office.event("event.corrected", event_id="e3", data=right))
    assert not _located(office.shown())
    assert not _located(caplog.text)
    office.close()


def read(office: Office, ago: int) -> None:
    with office.ledger.write() as connection:
        sources.refresh(connection, "juki", "shien", now_ms() - ago)
