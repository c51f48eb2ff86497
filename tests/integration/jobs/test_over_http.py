"""A system asks over HTTP for its own deliveries again, and for nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.errors import NotFound, Rejected, UsageError
from hub.server.replays import Replays
from hub.server.wiring import Parts, ports_of
from hub.stages.inquiry import DeliveryFilter
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, ZONE

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}"""


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    for desk in made.desks.values():
        desk.error = Rejected("不可", code="no")
    made.report(made.moved(ADDRESS))
    made.deliver()
    for desk in made.desks.values():
        desk.error = None
    yield made
    made.close()


def test_only_the_callers_deliveries_go_again(town):
    replays = Replays(town.ledger, ZONE, lambda: town.foreman)
    preview = replays.begin("suido", {"status": ["dead"], "dry_run": True})
    assert (preview["no"], preview["preview"]["counts"]) == (None, {"retry": 1})
    number = replays.begin("suido", {"status": ["dead"]})["no"]
    town.deliver()
    assert (len(town.desks["suido"].taken), town.desks["zei"].taken) == (1, [])
    assert replays.show("suido", str(number))["status"] == "done"
    with pytest.raises(NotFound):
        replays.show("zei", str(number))
    with pytest.raises(NotFound):
        replays.show("zei", "1x")


@pytest.mark.parametrize(
    "asked",
    [{}, [], {"system": "zei"}, {"status": "dead"}, {"rate": 0}, {"rules": "later", "status": ["dead"]}],
)
def test_what_is_no_replay_is_refused(town, asked):
    with pytest.raises(UsageError):
        Replays(town.ledger, ZONE, lambda: town.foreman).begin("suido", asked)


def test_a_key_of_another_system_is_not_there(town):
    with pytest.raises(NotFound):
        Replays(town.ledger, ZONE, lambda: town.foreman).begin("suido", {"deliveries": ["juki/e1:zei.main:0"]})


@pytest.fixture
def ports(town):
    away = dict.fromkeys(("producer", "calls", "feeds", "robots", "inward"))
    more = {"topic": "hub.events", "checks": lambda: (), "foreman": lambda: town.foreman}
    return ports_of(Parts(city=town.city, ledger=town.ledger, inquiry=town.inquiry, **away, **more))


def test_a_list_tells_nobody_who_is_protected(town, ports):
    rule = "subscribes: [{id: flags, on: resident.protection-started, send: [kind], because: 試験}]"
    town.change({"kokuho": rule})
    town.report(town.event("resident.protection-started", "7", kind="DV"))
    asked = {"type": "resident.protection-started", "limit": "1"}
    for who in ("7", "8"):
        assert ports.deliveries("zei", {**asked, "resident": who}) == {"items": [], "next": None}
    assert [each["system"] for each in ports.deliveries("kokuho", asked)["items"]] == ["kokuho"]
    assert [each["system"] for each in ports.deliveries("juki", asked)["items"]] == ["kokuho"]  # its own report
    with pytest.raises(NotFound):
        ports.event("zei", "juki/e1")
    assert ports.event("juki", "e1")["event"]["source"] == "/systems/juki"


def test_a_name_that_nobody_knows_is_refused_as_on_the_command_line(town, ports):
    for asked in ({"type": "foo"}, {"system": "suidou"}, {"type": "resident.moved,foo"}, {"status": "gone"}):
        with pytest.raises(UsageError, match=r"there is no|no such") as caught:
            ports.deliveries("suido", asked)
        assert caught.value.mend
    for type_ in ("foo", "resident.move"):
        with pytest.raises(UsageError, match="there is no event type"):
            ports.replay("suido", {"type": [type_]})
    for type_ in ("resident.moved", "jp.lg.moriguchi.resident.moved.v1"):
        assert len(ports.deliveries("suido", {"type": type_})["items"]) == 1
        assert ports.replay("suido", {"type": [type_], "dry_run": True})["preview"]["counts"] == {"retry": 1}


def test_a_newcomer_sees_what_a_job_has_told_it(town):
    rule = RULE.replace("moves", "late")
    text = f"system: late\nowner: 課\n{rule}\nreceives: {{adapter: jsonl, path: out/late.jsonl}}\n"
    (town.folder / "systems" / "late.yaml").write_text(text)
    town.renew()
    number = town.do(town.foreman.backfill("late", 0))
    for _ in range(2):  # as it waits, and when it has arrived
        items = town.inquiry.deliveries(DeliveryFilter(party="late"))["items"]
        assert [each["id"] for each in items] == [f"juki/e1:late.main:{number}"] * len(items)
        town.deliver()
    assert [each["status"] for each in town.inquiry.deliveries(DeliveryFilter(party="late"))["items"]] == ["delivered"]


def test_no_key_tells_whether_there_is_an_event_that_others_are_told_of(town):
    town.report(town.event("resident.born", "2", id_="b1", name="守口 花子", birth_date="2026-11-20"))
    town.report(town.event("resident.born", "3", id_="b1", system="koseki", name="門真", birth_date="2026-11-20"))
    said = set()
    for key in ("juki/b1:suido.main:0", "juki/b9:suido.main:0", "b1:suido.main:0", "juki/e1:zei.main:0"):
        with pytest.raises(NotFound) as caught:
            Replays(town.ledger, ZONE, lambda: town.foreman).begin("suido", {"deliveries": [key]})
        said.add(str(caught.value))
    assert len(said) == 1
