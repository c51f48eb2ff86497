"""Robots fetch their work under a lease, in order, as protection allows, and their word confirms or ends deliveries."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.contract import Site
from hub.app import WorkQueue
from hub.errors import NotFound
from hub.ledger import pauses, work
from hub.ledger.protected import Register
from hub.ledger.work import LeaseLost
from hub.stages.robots import Robots
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, OTHER, ZONE

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}
  - {id: deaths, on: resident.died, send: [name, died_on], because: 試験, protected: none}"""
NAME, KEY = "守口 太郎", "juki/e1:suido.main:0"


class RobotTown(Town):
    """A town whose systems have robots."""

    more = ""

    def _write(self, systems):
        for name, rules in systems.items():
            text = f"system: {name}\nowner: 課\n{rules}\nreceives: {{adapter: rpa{self.more}}}\n"
            (self.folder / "systems" / f"{name}.yaml").write_text(text)

    def _opener(self, receiver):
        number = self.rules.numbers[self.rules.ruleset.receivers.index(receiver.key)]
        site = Site(self.folder, ZONE, receiver.system, receiver.name)
        return lambda: registry.open_sink("rpa", receiver.options, site, WorkQueue(self.ledger, number))

    @property
    def robots(self):
        protection = self.city.protection
        register = Register(self.ledger, listed=bool(protection and protection.list_))
        return Robots(self.city, self.ledger, self.book, register)

    def claim(self, limit=10, **how):
        return self.robots.claim("suido", limit, **how)["jobs"]

    def run_out(self):
        """Let the leases that are held now have ended."""
        with self.ledger.write() as connection:
            connection.execute(sa.text("UPDATE work SET until = 1 WHERE until > 0"))

    def come_due(self):
        with self.ledger.write() as connection:
            connection.execute(sa.text("UPDATE work SET due = 0"))


@pytest.fixture
def make(tmp_path, ledger_url):
    made = []

    def town(more="", hub=""):
        RobotTown.more = more
        made.append(RobotTown(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE}, hub))
        return made[-1]

    yield town
    for each in made:
        each.close()


@pytest.fixture
def town(make):
    return make()


def ends(town):
    return [(status, reason) for _, status, reason in town.statuses("suido")]


def test_work_is_handed_out_in_order_once_and_its_completion_confirms(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER), town.moved(ADDRESS, "2"))
    town.deliver()
    assert ends(town) == [("delivered", None)] * 3
    first, other = town.claim()
    assert (first["key"], first["event"]["data"]["name"], first["attempt"]) == (KEY, NAME, 1)
    assert other["event"]["subject"] == "2"  # the second of resident 1 waits for the first
    assert town.claim() == []
    town.robots.complete("suido", first["job"], first["lease"])
    assert [each["key"] for each in town.claim()] == ["juki/e2:suido.main:0"]
    town.deliver()
    assert ends(town) == [("confirmed", None), ("delivered", None), ("delivered", None)]


@pytest.mark.parametrize("source", ["juki", "urn:example:1", "http://example.jp/a"])
def test_work_may_come_from_a_source_that_is_no_system(town, source):
    town.report({**town.moved(ADDRESS), "source": source})
    town.deliver()
    (job,) = town.claim()
    town.robots.complete("suido", job["job"], job["lease"])
    town.deliver()
    assert ends(town) == [("confirmed", None)]


def test_open_work_is_counted(town):
    town.report(town.moved(ADDRESS), town.moved(ADDRESS, "2"))
    town.deliver()
    (job,) = town.claim(1)
    town.robots.complete("suido", job["job"], job["lease"])
    (suido, zei) = town.inquiry.status()["receivers"]
    assert (suido["work"]["open"], zei["work"]["open"]) == (1, 2)


def test_a_limit_holds_and_other_systems_have_queues_of_their_own(town):
    town.report(*(town.moved(ADDRESS, str(n)) for n in range(3)))
    town.deliver()
    assert [each["event"]["subject"] for each in town.claim(2)] == ["0", "1"]
    (job,) = town.robots.claim("zei", 1)["jobs"]
    with pytest.raises(NotFound):
        town.robots.complete("suido", job["job"], job["lease"])
    with pytest.raises(NotFound):
        town.robots.claim("kokuho", 1)


def test_a_lease_that_ran_out_is_offered_again_and_the_former_robot_is_told(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    (first,) = town.claim()
    town.run_out()
    (second,) = town.claim()
    assert (second["job"], second["attempt"]) == (first["job"], 2)
    for say in (town.robots.complete, lambda *a: town.robots.fail(*a, kind="rejected", note="x")):
        with pytest.raises(LeaseLost):
            say("suido", first["job"], first["lease"])
    with pytest.raises(LeaseLost):
        town.robots.beat("suido", first["job"], first["lease"], None)
    town.robots.complete("suido", second["job"], second["lease"])
    town.robots.complete("suido", second["job"], second["lease"])  # the answer was lost: said again
    with pytest.raises(LeaseLost):
        town.robots.fail("suido", second["job"], second["lease"], kind="transient", note="x")
    town.deliver()
    assert ends(town) == [("confirmed", None)]


def test_a_robot_that_is_late_and_alone_is_heard(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    (job,) = town.claim()
    town.run_out()
    town.robots.complete("suido", job["job"], job["lease"])
    assert town.claim() == []


def test_a_heartbeat_keeps_the_lease(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    (job,) = town.claim(lease=10)
    later = town.robots.beat("suido", job["job"], job["lease"], 3600)
    assert later["until"] > job["until"]
    assert town.claim() == []


def test_what_failed_for_now_is_offered_again_later_and_kept_with_its_reason(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER))
    town.deliver()
    (job,) = town.claim()
    town.robots.fail("suido", job["job"], job["lease"], kind="transient", note="busy: 画面が開かない")
    assert town.claim() == []  # nor the resident's next one
    with pytest.raises(LeaseLost):
        town.robots.complete("suido", job["job"], job["lease"])  # it was given back
    town.come_due()
    (again,) = town.claim()
    assert (again["key"], again["attempt"]) == (KEY, 2)
    town.deliver()
    assert [each["message"] for each in town.inquiry.delivery(KEY)["log"]] == ["busy: 画面が開かない"]
    assert ends(town) == [("delivered", None)] * 2


def test_what_failed_for_good_is_a_dead_letter_that_can_be_replayed(town):
    town.report(town.moved(ADDRESS), town.moved(OTHER, "2"))
    town.deliver()
    job, _ = town.claim()
    town.robots.fail("suido", job["job"], job["lease"], kind="rejected", note="no-such-customer")
    town.deliver()
    assert ends(town) == [("dead", "rejected"), ("delivered", None)]
    assert "no-such-customer" in town.inquiry.delivery(KEY)["error"]["message"]
    town.do(town.replay(KEY))
    town.deliver()
    (again,) = town.claim()
    assert (again["key"], again["job"], again["attempt"]) == (KEY, job["job"], 1)
    with pytest.raises(LeaseLost):
        town.robots.complete("suido", job["job"], job["lease"])
    town.robots.complete("suido", again["job"], again["lease"])
    town.deliver()
    assert ends(town)[0] == ("confirmed", None)


def test_a_robots_refusal_stops_a_receiver_that_stops_at_dead_letters(make):
    town = make(", on_dead: stop")
    town.report(town.moved(ADDRESS), town.moved(OTHER, "2"))
    town.deliver()
    (job,) = town.claim(1)
    town.robots.fail("suido", job["job"], job["lease"], kind="rejected", note="no-such-customer")
    town.deliver()
    assert ends(town) == [("dead", "rejected"), ("delivered", None)]
    assert pauses.current(town.ledger, ["suido.main"])["suido.main"].reason == "dead letter (on_dead: stop)"
    assert town.claim() == []


def test_what_fails_too_often_is_given_up(make):
    town = make(", retry: {give_up: 2}")
    town.report(town.moved(ADDRESS))
    town.deliver()
    for result in ("transient", "rejected"):
        (job,) = town.claim()
        said = town.robots.fail("suido", job["job"], job["lease"], kind="transient", note="busy", after=0)
        assert said["result"] == result
        town.come_due()
    town.deliver()
    assert ends(town) == [("dead", "rejected")]


@pytest.mark.parametrize("kind", ["rejected", "transient"])
def test_what_a_robot_says_is_kept_without_what_was_sent(make, kind):
    town = make()
    town.report(town.moved({"text": "守口市　本通"}), town.event("resident.protection-started", kind="dv"))
    town.deliver()
    (job,) = town.claim()
    note = f"no-match: {NAME} 守口市　本通 守口市 本通 {'a' * 300}"
    town.robots.fail("suido", job["job"], job["lease"], kind=kind, note=note)
    town.deliver()
    (said,) = (each["message"] for each in town.inquiry.delivery(KEY)["log"])
    assert said.removeprefix("the system refused it: ") == f"no-match: ＊ ＊ ＊ {'a' * 184}"


def test_who_is_protected_when_work_is_fetched_is_not_located_by_it(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    town.report(town.event("resident.protection-started", kind="dv"))
    (job,) = town.claim()
    assert job["event"]["data"] == {"name": NAME}


def test_work_of_which_nothing_may_go_is_withheld_and_the_next_comes(town):
    town.report(town.event("resident.died", name=NAME, died_on="2026-11-20"), town.moved(ADDRESS))
    town.deliver()
    town.report(town.event("resident.protection-started", kind="dv"))
    assert town.claim() == []
    assert [each["type"] for each in town.claim()] == ["resident.moved"]
    town.deliver()
    assert ends(town) == [("suppressed", "protected"), ("delivered", None)]


def test_who_is_not_known_to_the_list_waits(make):
    town = make(hub="protection: {list: juki.shien, max_age: 26h}\n")
    town.report(town.moved(ADDRESS))
    town.deliver()
    with town.ledger.write() as connection:
        number = town.rules.numbers[town.rules.ruleset.receivers.index("suido.main")]
        pos = connection.execute(sa.text("SELECT pos FROM event")).scalar_one()
        values = {"receiver": number, "pos": pos}
        columns = "receiver, pos, job, status, at, no, batch"
        connection.execute(sa.text(f"INSERT INTO outcome({columns}) VALUES (:receiver, :pos, 0, 96, 1, 1, 1)"), values)
        connection.execute(
            sa.text("INSERT INTO source_position VALUES ('juki', 'shien', '{}', :now, '{}')"),
            {"now": town.ledger.now(connection)},
        )
    work.put(town.ledger, number, [work.Offer("/systems/juki", "e1", 0, "1")])
    assert town.claim() == []
    town.come_due()
    with town.ledger.write() as connection:
        connection.execute(sa.text("INSERT INTO protection VALUES ('1', '1', '', 0)"))
    (job,) = town.claim()
    assert job["attempt"] == 1  # what was not handed out does not count


def test_a_paused_system_hands_out_nothing(town):
    town.report(town.moved(ADDRESS))
    town.deliver()
    pauses.pause(town.ledger, "suido", reason="試験", by="係員")
    assert town.claim() == []
    pauses.resume(town.ledger, "suido")
    assert len(town.claim()) == 1


def test_what_is_not_settled_yet_is_not_offered(town):
    town.report(town.moved(ADDRESS))
    number = town.rules.numbers[town.rules.ruleset.receivers.index("suido.main")]
    work.put(town.ledger, number, [work.Offer("/systems/juki", "e1", 0, "1")])  # and the process ended here
    assert town.claim() == []
    town.deliver()
    assert [each["key"] for each in town.claim()] == [KEY]


def test_robots_that_claim_at_once_get_different_work(town):
    town.report(*(town.moved(ADDRESS, str(n)) for n in range(20)))
    town.deliver()
    got, robots = [], town.robots

    def robot():
        while jobs := robots.claim("suido", 3)["jobs"]:
            got.extend(each["job"] for each in jobs)

    threads = [threading.Thread(target=robot) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(got) == len(set(got)) == 20
