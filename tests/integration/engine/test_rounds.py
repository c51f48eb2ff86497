"""A stretch of the log is taken as a whole, but for the few that need a look; it comes to what each by itself would."""

import asyncio
import random
from dataclasses import replace

import pytest
import sqlalchemy as sa

from hub.ledger.protected import Register, protect_early
from hub.ledger.status import DELIVERED
from hub.ledger.tables import delivered, outcome, pending, receiver
from hub.stages import receiver as receiver_module
from hub.stages.receiver import TOGETHER
from hub.stages.rounds import Round

from .test_delivery import until_it_dies
from .town import died, listens, report, rule, until

ADDRESS = {"text": "大阪府守口市京阪本通二丁目5番5号"}
SENT = ("name", "address")


def rules_of(system):
    """Return rules that hold back, put off, and tell of what is no longer so."""
    return (
        rule(system, id="died", when="data.n < 5", unknown="ask", send=SENT),
        rule(system, id="urgent", on=("resident.name-changed",), when="data.urgent", send=("name",)),
        rule(system, id="named", on=("resident.name-changed",), send=("name",), deliver="on-effective-date"),
    )


def town_with(town_of, *names, **settings):
    def system(name):
        return listens(name, *rules_of(name), options={"path": f"out/{name}.jsonl"}, **settings)

    return town_of(*map(system, names))


def reports(chance, number):
    """Return reports about a few residents: plain ones by far the most, and of everything else some."""
    made, told = [], []
    for at in range(120):
        subject, event_id = str(chance.randrange(25)), f"{number}-{at}"
        kind = chance.choices(["plain", "ask", "later", "now", "urgent", "cancel"], [80, 2, 4, 3, 3, 4])[0]
        name = {"name": f"守口 {event_id}", "effective_on": "2126-04-01" if kind == "later" else "2026-04-01"}
        if kind in {"plain", "ask"}:
            made.append(died(event_id, subject, address=ADDRESS, **({"n": 1} if kind == "plain" else {})))
        elif kind in {"later", "now", "urgent"}:
            data = {**name, "old_name": "京阪", "urgent": kind == "urgent"}
            made.append(report("resident.name-changed", event_id, subject, data))
        elif told:
            whose, target = chance.choice(told)
            data = {"event_id": target, "reason": "誤り", "effective_on": "2026-04-01"}
            made.append(report("event.cancelled", event_id, whose, data))
        if kind != "cancel":
            told.append((subject, event_id))
    return made


async def run(town, key, monkeypatch, *, one_by_one):
    """Deliver to one receiver as a process does that asks who is protected."""
    port = replace(town.port(key=key), protection=Register(town.ledger).around)
    with monkeypatch.context() as patched:
        if one_by_one:
            patched.setattr(town.desk, "ahead", lambda *_: {-1})
        async with town.working(key=key, port=port) as worker:
            await until(lambda: not worker.busy)


def comes_to(town, key):
    """Return what stands in a receiver's file, what has ended and how, and what waits."""
    system = key.partition(".")[0]
    file = town.folder / f"out/{system}.jsonl"
    waiting = [(each.pos, each.subject, each.status, each.detail.replace(system, "")) for each in town.holds(key)]
    return file.read_text().replace(key, ""), town.outcomes(key), sorted(waiting)


@pytest.mark.parametrize("seed", range(8))
async def test_a_stretch_taken_at_once_comes_to_what_each_by_itself_comes_to(town_of, monkeypatch, seed):
    """Also where batches end within a stretch, and where one goes through several."""
    chance = random.Random(seed)  # noqa: S311
    if seed % 4 == 1:
        monkeypatch.setattr(receiver_module, "BATCH_BYTES", 4_000)
    town = town_with(town_of, "kokuho", "koki", max_rows=7 if seed % 4 == 2 else None)
    protect_early(town.ledger, [(subject, "/systems/juki/x") for subject in ("3", "9", "17", "other")])
    for number in range(4):
        for part in range(1 + seed % 3):
            await asyncio.to_thread(town.dispatch, *reports(chance, f"{number}.{part}"), partition=(number + part) % 2)
        await run(town, "kokuho.main", monkeypatch, one_by_one=False)
        await run(town, "koki.main", monkeypatch, one_by_one=True)
        text, endings, waiting = comes_to(town, "kokuho.main")
        assert (text, endings, waiting) == comes_to(town, "koki.main")
    assert len({status for status, _ in endings.values()}) > 2, "not only what was delivered"
    assert {"3", "9", "17"} & {line.partition('"subject":"')[2].partition('"')[0] for line in text.splitlines()}
    assert waiting


async def test_one_protected_resident_costs_the_others_nothing(town_of, monkeypatch):
    """Nobody looks at each of a large round; what is left out is left out all the same, and after a crash too."""
    town = town_with(town_of, "kokuho")
    protect_early(town.ledger, [("7", "/systems/juki/x")])
    looked = []
    whole = Round._whole
    monkeypatch.setattr(Round, "_whole", property(lambda self: looked.append(len(self)) or whole.fget(self)))
    town.dispatch(*(died(n, str(n), n=1, address=ADDRESS) for n in range(TOGETHER)))
    await run(town, "kokuho.main", monkeypatch, one_by_one=False)
    lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
    assert [number for number, line in enumerate(lines) if "京阪本通" not in line] == [7]
    assert not any(looked)
    assert (town.rows(outcome), len(town.rows(delivered))) == ([], 1)


async def test_who_is_protected_is_seen_in_every_stretch_of_a_round(town_of, monkeypatch):
    town = town_with(town_of, "kokuho")
    protect_early(town.ledger, [("7", "/systems/juki/x"), ("11", "/systems/juki/x")])
    for first in (0, 5, 10):
        town.dispatch(*(died(n, str(n), n=1, address=ADDRESS) for n in range(first, first + 5)))
    await run(town, "kokuho.main", monkeypatch, one_by_one=False)
    lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
    assert [number for number, line in enumerate(lines) if "京阪本通" not in line] == [7, 11]


async def test_who_becomes_protected_before_a_batch_stands_is_not_located_by_it(town_of):
    """It is taken back, and made anew."""
    town, asked = town_with(town_of, "kokuho"), []

    def protection(_subjects):
        asked.append(1)
        return {} if len(asked) == 1 else {"3": True}

    town.dispatch(*(died(n, str(n), n=1, address=ADDRESS) for n in range(5)))
    async with town.working(port=replace(town.port(), protection=protection)) as worker:
        await until(lambda: len(town.outcomes()) == 5 and not worker.busy)
    lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
    assert [number for number, line in enumerate(lines) if "京阪本通" not in line] == [3]


async def test_what_goes_out_in_the_same_round_is_not_ended_by_its_cancellation(town_of, monkeypatch):
    """Its day came while the receiver stood still, and behind it in the log is its cancellation."""
    town = town_with(town_of, "kokuho")
    data = {"name": "守口", "old_name": "京阪", "effective_on": "2126-04-01"}
    town.dispatch(report("resident.name-changed", "1", "7", data))
    await run(town, "kokuho.main", monkeypatch, one_by_one=False)
    assert len(town.holds()) == 1
    with town.ledger.write() as connection:
        connection.execute(sa.update(pending).values(due=1))
    town.dispatch(
        report("event.cancelled", "2", "7", {"event_id": "1", "reason": "誤り", "effective_on": "2026-04-01"})
    )
    await run(town, "kokuho.main", monkeypatch, one_by_one=False)
    lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
    assert [line.partition('"action":"')[2].partition('"')[0] for line in lines] == ["new", "cancel"]
    assert (town.holds(), {status for status, _ in town.outcomes().values()}) == ([], {DELIVERED})


async def test_what_a_crash_left_of_a_round_with_a_protected_resident_is_finished_as_it_was_begun(town_of):
    """The rest of the batch is written by another process, which finds what was left out in what was recorded."""
    town = town_with(town_of, "kokuho")
    protect_early(town.ledger, [("1", "/systems/juki/x"), ("4", "/systems/juki/x")])
    blown, point, expected = True, 0, []
    while blown:
        batch = [died(f"{point}-{n}", str(n), n=1, address=ADDRESS) for n in range(6)]
        expected += [(each["id"], each["subject"] not in {"1", "4"}) for each in batch]
        await asyncio.to_thread(town.dispatch, *batch)
        fuse = await until_it_dies(town, point, protection=Register(town.ledger).around)
        with town.ledger.read() as connection:
            members = connection.execute(sa.select(receiver.c.intent_members)).scalar()
        if members is not None:
            assert members.count(b"true") == 2
        blown, point = fuse.blown, point + 1
        port = replace(town.port(), protection=Register(town.ledger).around)
        async with town.working(port=port) as worker:
            await until(lambda worker=worker: not worker.busy)
        lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
        assert [(line.partition('"id":"')[2].partition('"')[0], "京阪本通" in line) for line in lines] == expected
    assert point > 5
