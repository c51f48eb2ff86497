"""`order_until: confirmed`: a resident's next delivery waits for the system's answer, whatever happens meanwhile."""

import asyncio

import pytest
import sqlalchemy as sa

from hub.adapters.contract import Batch, Features, Outcome
from hub.errors import OutcomeUnknown, Rejected, UsageError
from hub.ledger import pauses
from hub.ledger.desk import Desk as Settling
from hub.ledger.desk import Finished, Hold, Settlement
from hub.ledger.status import CONFIRMED as TAKEN
from hub.ledger.status import DEAD_REJECTED, DEAD_UNCONFIRMED, WAITING, WARNING, delivery_words
from hub.ledger.status import DELIVERED as THERE
from hub.ledger.tables import outcome, pending
from hub.stages import receiver
from hub.stages.answers import STOPPED
from tests.integration.jobs.answering import answer, read
from tests.integration.jobs.town import Desk, Town
from tests.integration.jobs.victim import RULE
from tests.integration.semantics.world import ADDRESS, OTHER

ANSWERED = (
    "jsonl, order_until: confirmed, acknowledged: {from: {adapter: csv, path: in/*.csv}, match: {no: int(row.連番)}}"
)
HELD, DELIVERED, CONFIRMED = ("held", "earlier-waiting"), ("delivered", None), ("confirmed", None)
REFUSED, WARNED, ALTERED = ("dead", "rejected"), ("warning", None), ("warning", "altered")


def settle(town, options):
    file = town.folder / "systems" / "suido.yaml"
    text = file.read_text()
    file.write_text(text[: text.index("receives:")] + f"receives: {{adapter: {options}, path: out/suido.jsonl}}\n")
    town.renew()


@pytest.fixture
def town(tmp_path, ledger_url):
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE})
    settle(made, ANSWERED)
    yield made
    made.close()


def ends(town):
    return [(status, reason) for _, status, reason in town.statuses("suido")]


def ids(town):
    return town.desks["suido"].ids


def test_a_residents_next_waits_for_the_answer_and_nobody_elses(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER), town.moved(ADDRESS, "2"))
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e3"], [DELIVERED, HELD, DELIVERED])
    answer(town)
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e3", "e2"], [CONFIRMED, DELIVERED, CONFIRMED])
    answer(town, name="ERR_2.csv")
    town.deliver()
    assert ends(town) == [CONFIRMED] * 3


def test_what_is_held_says_whose_answer_it_waits_for(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    held = town.inquiry.delivery("juki/e2:suido.main:0")
    assert (held["status"], held["reason"], held["error"]["code"]) == ("held", "earlier-waiting", "earlier-unconfirmed")
    assert "juki/e1" in held["error"]["message"]
    first = town.inquiry.delivery("juki/e1:suido.main:0")
    assert (first["status"], first["attempts"], first["next_attempt_at"], first["error"]) == (
        "delivered",
        1,
        None,
        None,
    )
    assert first["delivered_at"]


def test_a_drain_does_not_wait_for_an_answer(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    loop = asyncio.new_event_loop()
    began = loop.time()
    town.deliver()
    assert loop.time() - began < 7  # it would go on for 8 seconds
    loop.close()


def test_the_next_poll_waits_too_and_a_takeover_changes_nothing(town):
    town.report(town.moved(ADDRESS))
    town.deliver()  # each of these is another owner, which knows what the ledger says
    town.report(town.moved(OTHER))
    town.deliver()
    town.deliver()
    assert (ids(town), ends(town)) == (["e1"], [DELIVERED, HELD])
    answer(town)
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e2"], [CONFIRMED, DELIVERED])


def test_a_warning_and_a_refusal_let_the_next_go(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER), town.moved(ADDRESS, "2"), town.moved(OTHER, "2"))
    town.deliver()
    answer(town, "1,W", "2,E", column="連番,種別", warning=lambda row: row["種別"] == "W")
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e3", "e2", "e4"], [WARNED, DELIVERED, REFUSED, DELIVERED])


def test_what_did_not_arrive_as_it_was_waits_for_its_answer_too_and_stays_a_warning(town):
    class Narrow(Desk):
        def _one(self, delivery):
            super()._one(delivery)
            return Outcome(delivery.key, None, "the system does not have U+20BB7", "U+20BB7")

    town.desks["suido"] = Narrow()
    town.report(town.moved(ADDRESS), town.moved(OTHER), town.moved(ADDRESS, "2"))
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e3"], [ALTERED, HELD, ALTERED])
    answer(town)  # silence, that is: taken
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e3", "e2"], [WARNED, ALTERED, WARNED])
    answer(town, 3, name="ERR_2.csv")
    town.deliver()
    assert ends(town) == [WARNED, REFUSED, WARNED]


def test_a_refusal_by_an_answer_stops_the_receiver_with_it(town, monkeypatch):
    settle(town, ANSWERED + ", on_dead: stop")
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    settle_, seen = Settling.settle, []

    def watched(desk, settlements):
        fenced = settle_(desk, settlements)
        with desk.ledger.read() as connection:
            refused = connection.execute(sa.select(outcome.c.pos).where(outcome.c.status == DEAD_REJECTED)).first()
        seen.append((refused is not None, "suido.main" in pauses.current(desk.ledger, ["suido.main"])))
        return fenced

    monkeypatch.setattr(Settling, "settle", watched)
    answer(town, 1)
    town.deliver()
    assert (True, True) in seen
    assert (True, False) not in seen  # a crash in between would have let the next go
    assert pauses.current(town.ledger, ["suido.main"])["suido.main"].reason == STOPPED
    assert (ids(town), ends(town)) == (["e1"], [REFUSED, HELD])
    pauses.resume(town.ledger, "suido.main")
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e2"], [REFUSED, DELIVERED])


def test_a_dead_delivery_does_not_hold_what_came_with_it(town):
    town.desks["suido"].error, town.desks["suido"].refused = Rejected("no", code="no"), {"1"}
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    assert ends(town) == [REFUSED, REFUSED]


def test_a_person_confirms_what_nobody_answers(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    with pytest.raises(UsageError, match="is delivered: `drop` would change nothing"):  # it is there
        town.do(town.foreman.decide("drop", ["juki/e1:suido.main:0"]))
    town.deliver()
    assert ends(town) == [DELIVERED, HELD]
    town.do(town.foreman.decide("confirm", ["juki/e1:suido.main:0"]))
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e2"], [CONFIRMED, DELIVERED])
    assert town.inquiry.delivery("juki/e1:suido.main:0")["attempts"] == 1


def test_what_is_sent_again_is_waited_for_instead(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    job = town.do(town.replay("juki/e1:suido.main:0"))
    town.deliver()
    assert ids(town) == ["e1", "e1"]
    found = town.job(job)
    assert (found.status, found.delivered) == ("done", {"delivered": 1})
    answer(town, 2)  # it refuses what was sent again; the first sending is confirmed by silence
    town.deliver()
    assert ids(town) == ["e1", "e1", "e2"]


def test_a_receiver_that_no_longer_waits_lets_go(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    settle(town, "jsonl")
    town.deliver()
    assert (ids(town), ends(town)) == (["e1", "e2"], [DELIVERED, DELIVERED])
    with town.ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(pending)).scalar() == 0


# --- a system that can be asked ---------------------------------------------------------------------------------------


class Asked(Desk):
    """A system that says, when it is asked, what it has for good."""

    def __init__(self):
        super().__init__()
        self.features = Features(sink=True, idempotent=True, confirms=True, batch=500)
        self.bodies = []

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        self.bodies += [each.event for each in batch.deliveries]
        return await super().confirm(batch)


def test_a_system_that_can_be_asked_is_asked_until_it_knows(town, monkeypatch):
    monkeypatch.setattr(receiver, "ASKED_FIRST", 20)
    settle(town, "jsonl, order_until: confirmed")
    desk = town.desks["suido"] = Asked()
    town.report(town.moved(ADDRESS), town.moved(OTHER))

    def some_asked_in_vain():
        if len(desk.bodies) >= 2 and not desk.truth:
            desk.truth["juki/e1:suido.main:0"] = Outcome("juki/e1:suido.main:0")
            desk.truth["juki/e2:suido.main:0"] = Outcome("juki/e2:suido.main:0", Rejected("no", code="no"))
        return ends(town) == [CONFIRMED, REFUSED]

    town.deliver(until=some_asked_in_vain)
    assert ids(town) == ["e1", "e2"]


def test_a_refusal_heard_afterwards_stops_the_receiver_at_once(town, monkeypatch):
    monkeypatch.setattr(receiver, "ASKED_FIRST", 20)
    settle(town, "jsonl, order_until: confirmed, on_dead: stop")
    desk = town.desks["suido"] = Asked()
    town.report(town.moved(ADDRESS))
    town.deliver()
    desk.truth["juki/e1:suido.main:0"] = Outcome("juki/e1:suido.main:0", Rejected("no", code="no"))
    town.report(town.moved(OTHER, "2"))  # it is met in the round in which the other is asked about
    town.deliver(until=lambda: ends(town)[0] == REFUSED)
    assert (ids(town), ends(town)[1][0]) == (["e1"], "held")
    pauses.resume(town.ledger, "suido.main")
    town.deliver()
    assert ids(town) == ["e1", "e2"]


def test_what_waited_for_a_file_is_asked_about_once_that_is_how_answers_come(town):
    desk = town.desks["suido"] = Asked()
    town.report(town.moved(ADDRESS))
    town.deliver()
    settle(town, "jsonl, order_until: confirmed")
    desk.truth["juki/e1:suido.main:0"] = Outcome("juki/e1:suido.main:0")
    town.deliver(until=lambda: ends(town) == [CONFIRMED])


def test_what_was_asked_about_waits_for_a_file_once_that_is_how_answers_come(town, monkeypatch):
    monkeypatch.setattr(receiver, "ASKED_FIRST", 20)
    settle(town, "jsonl, order_until: confirmed")
    desk = town.desks["suido"] = Asked()
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    settle(town, ANSWERED)
    desk.bodies.clear()
    town.deliver()
    assert (desk.bodies, ends(town)) == ([], [DELIVERED, HELD])
    answer(town)
    town.deliver()
    assert ends(town) == [CONFIRMED, DELIVERED]


def test_what_turns_out_to_have_been_taken_waits_for_its_answer_too(town):
    desk = town.desks["suido"] = Asked()
    desk.error = OutcomeUnknown("no answer", code="no-answer")
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    assert ends(town) == [("unknown", None), HELD]
    desk.error, desk.truth["juki/e1:suido.main:0"] = None, Outcome("juki/e1:suido.main:0")
    town.do(town.replay("juki/e1:suido.main:0"))
    town.deliver()
    assert (ids(town), ends(town)) == ([], [DELIVERED, HELD])


# --- nothing overwrites -----------------------------------------------------------------------------------------------


def test_nothing_but_an_answer_replaces_what_was_delivered(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    with town.ledger.read() as connection:
        row = connection.execute(sa.select(outcome)).one()
    _, (lease,) = town.desk.renew("test", [row.receiver])

    def settled(finished=(), holds=()):
        where = (lease.cursor, lease.next_no, lease.next_batch)
        one = Settlement(row.receiver, "test", lease.epoch, *where, finished=list(finished), holds=list(holds))
        assert not town.desk.settle([one])

    def ending(status, *, answer):
        return Finished(status, 0, 1, row.batch, [row.pos], [row.no], answer=answer)

    def refused(*statuses, answer):
        for status in statuses:
            with pytest.raises(RuntimeError, match="had ended before"):
                settled([ending(status, answer=answer)])

    refused(THERE, DEAD_REJECTED, TAKEN, answer=False)
    with pytest.raises(RuntimeError, match="had ended before"):
        settled(holds=[Hold(row.pos, 0, "1", WAITING, "", 1, 1, 0, row.no)])
    settled([ending(TAKEN, answer=True)])
    refused(TAKEN, DEAD_UNCONFIRMED, answer=True)
    settled([ending(WARNING, answer=True)])
    refused(DEAD_REJECTED, TAKEN, DEAD_UNCONFIRMED, answer=True)
    with town.ledger.read() as connection:
        ended = connection.execute(sa.select(outcome)).one()
    assert (delivery_words(ended.status)[0], ended.at, ended.batch) == ("warning", row.at, row.batch)


def test_reading_again_changes_nothing(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    answer(town)
    read(town)
    town.deliver()
    assert ends(town) == [CONFIRMED, DELIVERED]
