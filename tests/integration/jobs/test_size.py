"""Jobs at a city's size: what they ask of the ledger grows by parts, not by items, and memory holds one part."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hub.errors import Rejected
from hub.ledger.engine import Ledger
from hub.ledger.views import EventFilter
from hub.stages import backfill, orders, replay
from hub.stages.finding import PAGE
from hub.stages.history import Archive
from tests.integration.jobs.test_amending import Topic, publish
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address, {lives: facts.household.size}], because: 試験}"""
MANY = 600


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    yield made
    made.close()


@pytest.fixture
def questions(monkeypatch) -> Callable[[Callable[[], Any]], tuple[int, Any]]:
    """Count how often a call reads the ledger."""
    read, seen = Ledger.read, [0]

    def counted(ledger: Ledger, **how: Any) -> Any:
        seen[0] += 1
        return read(ledger, **how)

    monkeypatch.setattr(Ledger, "read", counted)

    def count(call: Callable[[], Any]) -> tuple[int, Any]:
        seen[0] = 0
        return (result := call(), seen[0])[1], result

    return count


def everybody_moves(town: Town, address: dict = ADDRESS, **more: Any) -> None:
    town.report(*({**town.moved(address, str(n), household_no=str(n // 3)), **more} for n in range(MANY)))


@pytest.mark.parametrize("job", ["seed", "backfill"])
def test_a_newcomer_is_planned_by_parts(town, questions, monkeypatch, job):
    everybody_moves(town)
    town.change({"shimin": RULE})
    town.renew()
    monkeypatch.setattr(backfill, "AT_ONCE", 200)
    most = _most_at_once(monkeypatch)
    asked, plan = questions(lambda: getattr(town.foreman, job)("shimin", *([0] if job == "backfill" else [])))
    assert len(plan.orders) == MANY
    assert plan.orders == sorted(plan.orders, key=lambda order: order.pos)
    assert asked < 40, "some questions for each part"
    assert max(most) == 200
    number = town.do(plan)
    town.deliver()
    assert len(town.desks["shimin"].taken) == plan.totals["counts"]["seed" if job == "seed" else "backfill"] == MANY
    assert town.job(number).delivered == {"delivered": MANY}


def _most_at_once(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    load = Archive.load

    def seen(archive: Archive, subjects: Any) -> None:
        load(archive, subjects)
        sizes.append(len(archive._rows))

    monkeypatch.setattr(Archive, "load", seen)
    return sizes


def test_a_batch_is_cancelled_by_parts_in_plan_and_dispatch(town, questions, monkeypatch):
    everybody_moves(town, batchid="file-1")
    town.deliver()
    asked, plan = questions(lambda: town.foreman.cancel(EventFilter(batch="file-1")))
    assert plan.counts == {"cancel": MANY}
    assert asked < 40
    number = town.do(plan)
    topic = Topic(town)
    published: list[dict] = []
    with monkeypatch.context() as collecting:
        collecting.setattr(town, "report", lambda *events: published.extend(events))
        publish(town, topic)
    assert len(published) == MANY
    asked, _ = questions(lambda: town.report(*published))
    assert 0 < asked < 30, "a poll's residents, their histories and households are asked for once"
    town.deliver()
    for desk in town.desks.values():
        assert sum(each["action"] == "cancel" for each in desk.taken) == MANY
    assert town.job(number).results == {"published": MANY}


def test_a_replay_is_planned_by_parts(town, questions, monkeypatch):
    town.desks["suido"].error = Rejected("停止中", code="closed")
    everybody_moves(town)
    town.deliver()
    monkeypatch.setattr(replay, "AT_ONCE", 100)
    living, most = [0], [0]
    line = replay._line

    def gone() -> None:
        living[0] -= 1

    def watched(what: str, told: Any, *more: Any, **named: Any) -> Any:
        living[0] += 1
        most[0] = max(most[0], living[0])
        weakref.finalize(told, gone)
        return line(what, told, *more, **named)

    monkeypatch.setattr(replay, "_line", watched)
    asked, plan = questions(lambda: town.replay(systems=("suido",), statuses=("dead",)))
    assert plan.counts == {"retry": MANY}
    assert asked < 30
    assert most[0] <= PAGE, "what is found is not kept"


def test_a_week_is_restored_in_parts_and_goes_on_after_a_crash(town, monkeypatch):
    monkeypatch.setattr(orders, "AT_ONCE", 100)
    everybody_moves(town)
    everybody_moves(town, OTHER)
    town.deliver()
    desk = town.desks["suido"]
    before = [(each["subject"], each["id"]) for each in desk.taken]
    desk.taken.clear()
    plan = town.foreman.restore("suido", 0)
    assert plan.counts == {"resend": 2 * MANY}
    number = town.do(plan)
    settled = _crash_after(monkeypatch, town, 4)
    town.deliver()
    assert settled[0] > 4, "it ended in the middle, and went on"
    assert [(each["subject"], each["id"]) for each in desk.taken if each["subject"] == "7"] == [
        each for each in before if each[0] == "7"
    ]
    assert len(desk.taken) == len(set(desk.keys)) == len(before) == 2 * MANY
    job = town.job(number)
    assert (job.status, job.results, job.delivered) == ("done", {"queued": 2 * MANY}, {"delivered": 2 * MANY})


def _crash_after(monkeypatch: pytest.MonkeyPatch, town: Town, many: int) -> list[int]:
    """Let the owner lose all that it has in memory once, before it settles so many parts."""
    carry_out, seen = orders.Orders.carry_out, [0]

    def once(self: Any, *arguments: Any) -> None:
        carry_out(self, *arguments)
        seen[0] += 1
        if seen[0] == many:
            raise RuntimeError("gone")

    monkeypatch.setattr(orders.Orders, "carry_out", once)
    monkeypatch.setattr("hub.stages.receiver.STANDS", (0.01,))
    return seen
