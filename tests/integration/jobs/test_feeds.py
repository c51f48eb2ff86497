"""A system fetches what it is told: in order, as protection allows, delivered when it says so, also after a restart."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest

from hub.adapters import registry
from hub.adapters.contract import Site
from hub.errors import NotFound
from hub.ledger import feed, pauses, sources
from hub.ledger.protected import Register
from hub.ledger.sources import Tally
from hub.stages.feeds import Feeds
from hub.stages.log import LogReader
from tests.integration.jobs.answering import answer
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER, ZONE

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}
  - {id: deaths, on: resident.died, send: [name, died_on], because: 試験, protected: none}"""


class FeedTown(Town):
    """A town whose systems fetch."""

    more = ""

    def _write(self, systems):
        for name, rules in systems.items():
            text = f"system: {name}\nowner: 課\n{rules}\nreceives: {{adapter: pull{self.more}}}\n"
            (self.folder / "systems" / f"{name}.yaml").write_text(text)

    def _opener(self, receiver):
        site = Site(self.folder, ZONE, receiver.system, receiver.name)
        return lambda: registry.open_sink("pull", receiver.options, site)

    @property
    def feeds(self):
        protection = self.city.protection
        register = Register(self.ledger, listed=bool(protection and protection.list_))
        return Feeds(self.city, self.ledger, self.book, register)

    def items(self, after=0, limit=100, system="suido"):
        return self.feeds.items(system, after, limit)

    def keys(self, after=0, limit=100, system="suido"):
        return [each["deliverykey"] for each in self.items(after, limit, system)["items"]]

    def ack(self, **said):
        return self.feeds.acknowledge("suido", **said)


@pytest.fixture
def make(tmp_path, ledger_url, monkeypatch):
    made = []

    def town(more="", hub=""):
        monkeypatch.setattr(FeedTown, "more", more)
        made.append(FeedTown(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE}, hub))
        return made[-1]

    yield town
    for each in made:
        each.close()


@pytest.fixture
def town(make):
    return make()


def key(number, job=0):
    return f"juki/e{number}:suido.main:{job}"


def ends(town):
    return [(status, reason) for _, status, reason in town.statuses("suido")]


def test_what_is_on_offer_is_delivered_when_it_is_acknowledged(town):
    town.report(town.moved(ADDRESS), town.moved(ADDRESS, "2"), town.moved(OTHER))
    town.deliver()
    assert ends(town) == [("sending", None), ("sending", None), ("held", "earlier-waiting")]
    found = town.items()
    assert [each["deliverykey"] for each in found["items"]] == [key(1), key(2)]
    assert found["items"][0]["data"] == {"name": "守口 太郎", "new_address": ADDRESS}
    assert town.items() == found  # reading changes nothing
    assert town.ack(cursor=found["next"])["delivered"] == 2
    town.deliver()
    assert ends(town) == [("delivered", None), ("delivered", None), ("sending", None)]
    assert town.keys(found["next"]) == [key(3)]
    assert town.ack(cursor=found["next"])["delivered"] == 0  # said again


def test_pages_and_keys(town):
    town.report(*(town.moved(ADDRESS, str(no)) for no in range(5)))
    town.deliver()
    first = town.items(limit=2)
    assert town.keys(first["next"], 2) == [key(3), key(4)]
    said = town.ack(keys=[key(4), key(1), "juki/e9:suido.main:0", "juki/e1:zei.main:0"])
    assert (said["delivered"], said["unknown"]) == (2, ["juki/e9:suido.main:0", "juki/e1:zei.main:0"])
    town.deliver()
    assert town.keys() == [key(2), key(3), key(5)]
    assert town.ack(keys=[key(4)]) == {"delivered": 0, "refused": 0, "before": 1, "unknown": [], "job": None}


def test_what_is_refused_is_a_dead_letter_and_may_be_sent_again(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    town.ack(refused={key(1): "E0001: no such resident"})
    town.deliver()
    assert ends(town) == [("dead", "rejected"), ("sending", None)]
    (dead, _) = reversed(town.inquiry.deliveries(town_filter())["items"])
    assert "no such resident" in dead["error"]["message"]
    town.ack(keys=[key(2)])
    town.deliver()
    town.do(town.replay(key(1), even_if_stale=True))
    town.deliver()
    assert town.keys() == [key(1)]
    last = town.items()["next"]
    town.ack(cursor=last)
    town.deliver()
    assert ends(town) == [("delivered", None), ("delivered", None)]


def test_what_is_said_of_a_refusal_is_kept_without_what_was_sent(town):
    town.report(town.moved(ADDRESS), town.moved(ADDRESS, "2"))
    town.deliver()
    protect(town)
    own = Feeds(town.city, town.ledger, town.book, Register(town.ledger), lambda _, data: {**data, "name": "もりぐち"})
    said = {key(1): f"{'a' * 195}{ADDRESS['text']}", key(2): f"E1: もりぐち\n守口 太郎 {ADDRESS['text']} is unknown"}
    own.acknowledge("suido", refused=said)
    town.deliver()
    messages = [each["error"]["message"] for each in town.inquiry.deliveries(town_filter())["items"]]
    refused = "the system refused it: "
    assert messages == [f"{refused}E1: ＊ ＊ ＊ is unknown", f"{refused}{'a' * 195}＊"]


def town_filter():
    from hub.stages.inquiry import DeliveryFilter

    return DeliveryFilter(systems=("suido",))


def test_a_reader_who_has_passed_a_place_misses_nothing(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    place = town.items()["next"]
    town.ack(refused={key(1): "later"})
    town.deliver()
    town.do(town.replay(key(1)))
    town.deliver()
    assert town.keys(place) == [key(1)]


def test_what_is_on_offer_is_there_after_a_restart(town, tmp_path, ledger_url):
    town.report(town.moved(ADDRESS))
    town.deliver()
    for _ in range(3):
        town.deliver()  # another owner each time
        assert town.keys() == [key(1)]
    assert ends(town) == [("sending", None)]


def protect(town, subject="1"):
    town.report(town.event("resident.protection-started", subject, kind="dv"))


def test_who_becomes_protected_while_it_is_on_offer_is_not_located(town):
    town.report(town.moved(ADDRESS), town.event("resident.died", "2", name="門真", died_on="2026-11-20"))
    town.deliver()
    assert len(town.keys()) == 2
    protect(town)
    protect(town, "2")
    found = town.items()["items"]
    assert [each["data"] for each in found] == [{"name": "守口 太郎"}]  # the other rule sends nothing at all then
    last = town.items()["next"]
    town.ack(cursor=last)  # behind what was kept back
    town.deliver()
    assert ends(town)[:2] == [("delivered", None), ("suppressed", "protected")]


def know(town, *subjects):
    """Let the list of protected residents be read now, and name these as not protected."""
    with town.ledger.write() as connection:
        sources.advance(connection, "juki", "shien", position={}, tally=Tally(), at=town.ledger.now(connection))
        for subject in subjects:
            connection.exec_driver_sql(f"INSERT INTO protection VALUES ('{subject}', '{subject}', 'dv', 0)")


def forget(town, subject):
    with town.ledger.write() as connection:
        connection.exec_driver_sql(f"DELETE FROM protection WHERE subject = '{subject}'")


def test_a_resident_whom_the_list_does_not_know_is_held(make):
    town = make(hub="protection: {list: juki.shien, max_age: 26h}\n")
    know(town, "1")
    town.report(town.moved(ADDRESS), town.moved(ADDRESS, "2"))
    town.deliver()
    assert ends(town) == [("sending", None), ("held", "protection-unknown")]
    forget(town, "1")
    assert town.items()["items"] == []
    town.deliver()
    assert ends(town) == [("held", "protection-unknown")] * 2


def test_what_was_kept_back_is_not_taken_with_what_was_handed_out(make, monkeypatch):
    town = make(hub="protection: {list: juki.shien, max_age: 26h}\n")
    know(town, "1", "2")
    town.report(town.moved(ADDRESS), town.moved(ADDRESS, "2"))
    town.deliver()
    forget(town, "1")
    found = town.items()
    assert [each["deliverykey"] for each in found["items"]] == [key(2)]
    order = feed.order

    def late(ledger, orders, **how):
        if how["what"] == "acknowledged":  # meanwhile the list names the resident, and it is on offer again
            know(town, "1")
            town.deliver()
        return order(ledger, orders, **how)

    monkeypatch.setattr(feed, "order", late)
    town.ack(cursor=found["next"])
    town.deliver()
    assert ends(town) == [("sending", None), ("delivered", None)]
    assert town.keys(found["next"]) == [key(1)]


def test_a_paused_receiver_hands_out_nothing_and_says_why(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    pauses.pause(town.ledger, "suido", reason="点検", by="係員")
    found = town.items()
    assert (found["items"], found["closed"]["reason"]) == ([], "paused")
    pauses.resume(town.ledger, "suido")
    assert town.keys() == [key(1)]


def test_no_more_is_on_offer_than_may_be(make):
    town = make(", offered: 2")
    town.report(*(town.moved(ADDRESS, str(no)) for no in range(5)))
    town.deliver(until=lambda: len(town.keys()) == 2)
    for left in ([key(3), key(4)], [key(5)], []):
        town.ack(cursor=town.items()["next"])
        town.deliver(until=lambda left=left: town.keys() == left)
    assert ends(town) == [("delivered", None)] * 5


def test_while_all_that_may_be_is_on_offer_the_owner_rests(make, monkeypatch):
    town = make(", offered: 1")
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.ack(refused={key(1): "later"})
    town.report(town.moved(ADDRESS, "2"))
    town.deliver()
    assert town.keys() == [key(2)]
    town.do(town.replay(key(1)))  # it is due at once, and there is no room
    waits, wait = [], LogReader.wait

    async def watched(reader, seconds):
        waits.append(seconds)
        await wait(reader, seconds)

    async def at_once(**_):
        return SimpleNamespace(clear=True)

    monkeypatch.setattr(LogReader, "wait", watched)
    monkeypatch.setattr("tests.integration.semantics.world.drain", at_once)
    queued = ("waiting", None)
    town.deliver(until=lambda: ends(town) == [queued, ("sending", None)] and len(waits) > 5)
    assert min(waits) > 0
    town.ack(keys=[key(2)])
    town.deliver(until=lambda: town.keys() == [key(1)])


def test_when_an_acknowledgement_is_settled_the_next_is_there(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    seen = []

    def wait(look):
        end = time.monotonic() + 30
        while not (found := look()):
            assert time.monotonic() < end
            time.sleep(0.02)
        return found

    def system():
        for number in (1, 2):
            assert wait(town.keys) == [key(number)]
            job = town.ack(keys=[key(number)])["job"]
            wait(lambda job=job: town.feeds.settled(job))
            seen.append(number)

    thread = threading.Thread(target=system)
    thread.start()
    town.deliver(until=lambda: not thread.is_alive())
    thread.join()
    assert seen == [1, 2]
    assert ends(town) == [("delivered", None)] * 2


def test_a_cancel_of_what_is_on_offer_follows_it(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.report(town.event("event.cancelled", "1", event_id="juki/e1", reason="誤り"))
    town.deliver()
    assert town.keys() == [key(1)]
    town.ack(keys=[key(1)])
    town.deliver()
    (cancel,) = town.items()["items"]
    assert (cancel["action"], cancel["corrects"]) == ("cancel", "juki/e1")


def test_what_is_fetched_holds_the_next_until_its_answer(make):
    town = make(
        ", order_until: confirmed, acknowledged: {from: {adapter: csv, path: in/*.csv}, match: {no: int(row.連番)}}"
    )
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    town.ack(cursor=town.items()["next"])
    town.deliver()
    assert (ends(town), town.keys()) == ([("delivered", None), ("held", "earlier-waiting")], [])
    answer(town)
    town.deliver()
    assert (ends(town), town.keys()) == ([("confirmed", None), ("sending", None)], [key(2)])


@pytest.mark.parametrize(("system", "receiver"), [("nobody", None), ("suido", "other")])
def test_a_feed_that_is_none(town, system, receiver):
    with pytest.raises(NotFound):
        town.feeds.items(system, 0, 1, receiver=receiver)
