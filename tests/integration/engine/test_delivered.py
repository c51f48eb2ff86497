"""What a batch brings straight from the log stands in a row a stream, and is seen as if each had a row of its own."""

import random

import pytest
import sqlalchemy as sa

from hub.ledger import commands, delivered, jobs
from hub.ledger.desk import Finished, Settlement
from hub.ledger.places import position_of
from hub.ledger.revision import OLDEST
from hub.ledger.status import CONFIRMED, DEAD_REJECTED, DELIVERED
from hub.ledger.tables import delivered as table
from hub.ledger.tables import ending, meta, outcome
from hub.settings.models import Acknowledged
from hub.stages.inquiry import DeliveryFilter
from hub.stages.receiver import TOGETHER

from .town import Shelf, died, listens, rule

MANY = TOGETHER + 20


@pytest.fixture
def town(town_of):
    return town_of(listens("kokuho", options={"path": "out/kokuho.jsonl"}))


def told(town):
    """Return the ids in the file, in order."""
    lines = (town.folder / "out/kokuho.jsonl").read_text().splitlines()
    return [line.partition('"id":"')[2].partition('"')[0] for line in lines]


def endings(town):
    with town.ledger.read() as connection:
        return sorted(tuple(row) for row in connection.execute(sa.select(ending)))


async def test_a_batch_from_the_log_is_a_row_a_stream(town):
    for partition in (0, 3):
        town.dispatch(*(died(f"{partition}-{n}", str(n % 7)) for n in range(MANY)), partition=partition)
    await town.deliver()
    assert town.rows(outcome) == []
    stretches = town.rows(table, "receiver", "first", "last", "no", "batch")
    at = [position_of(town.generation, partition, 0) for partition in (0, 3)]
    no = town.number()
    assert stretches == [(no, at[0], at[0] + MANY - 1, 1, 1), (no, at[1], at[1] + MANY - 1, MANY + 1, 1)]
    shown = town.inquiry.delivery("juki/3-5:kokuho.main:0")
    assert (shown["status"], shown["no"], shown["batch"], shown["attempts"]) == ("delivered", MANY + 6, 1, 1)
    assert shown["delivered_at"]
    page = town.inquiry.deliveries(DeliveryFilter(statuses=("delivered",)), limit=500)["items"]
    assert len(page) == len(endings(town)) == 2 * MANY
    assert {(each["no"], each["event_id"]) for each in page} == set(enumerate(told(town), 1))
    assert {(row[1], row[5]) for row in endings(town)} == {
        (start + n, MANY * part + n + 1) for part, start in enumerate(at) for n in range(MANY)
    }


async def test_few_have_rows_of_their_own(town):
    town.dispatch(*(died(n, str(n)) for n in range(TOGETHER - 1)))
    await town.deliver()
    assert (len(town.rows(outcome)), town.rows(table)) == (TOGETHER - 1, [])


async def test_only_those_that_are_sent_stand_in_the_row(town_of):
    town = town_of(
        listens("kokuho", rule("kokuho", when="data.name != '守口 7'"), options={"path": "out/kokuho.jsonl"})
    )
    town.dispatch(*(died(n, str(n)) for n in range(MANY)))
    await town.deliver()
    assert [row[1] & (1 << 40) - 1 for row in endings(town)] == [n for n in range(MANY) if n != 7]
    assert town.inquiry.event("7")["deliveries"] == []
    assert town.inquiry.delivery("juki/8:kokuho.main:0")["no"] == 8


ANSWERED = Acknowledged(**{"from": {"adapter": "csv", "path": "in/*.csv"}})


@pytest.mark.parametrize("settings", [{"acknowledged": ANSWERED}, {"order_until": "confirmed"}, {}])
async def test_where_more_may_be_said_of_each_there_are_rows_of_their_own(town_of, settings):
    sink = None if settings else Shelf(batch=1000)  # no file: it may be asked, or say so by itself
    town = town_of(listens("kokuho", options={"path": "out/kokuho.jsonl"}, **settings))
    town.dispatch(*(died(n, str(n)) for n in range(MANY)))
    await town.deliver(sink)
    assert (len(town.rows(outcome)), town.rows(table)) == (MANY, [])


async def test_there_are_no_such_rows_while_an_older_program_may_be_at_work(town):
    for oldest, folds in ((None, False), ("0005", False), (delivered.SINCE, True)):
        town.desk.folds = False
        with town.ledger.write() as connection:
            connection.execute(sa.delete(meta).where(meta.c.key == OLDEST))
            if oldest is not None:
                connection.execute(sa.insert(meta).values(key=OLDEST, value=oldest))
        town.dispatch(*(died(f"{oldest}-{n}", str(n)) for n in range(MANY)))
        await town.deliver()
        assert (town.desk.folds, bool(town.rows(table))) == (folds, folds)
    assert len(endings(town)) == 3 * MANY


def arrived(town, partition, offsets, number, **more):
    """Settle as delivered together; return whether the lease was still ours."""
    lease = town.desk.lease(town.number(), "a", 1) or town.lease()
    positions = [position_of(town.generation, partition, offset) for offset in offsets]
    numbers = range(number, number + len(positions))
    done = Finished(DELIVERED, 0, 1_000 + number, 1, positions, numbers, first=True, together=True)
    fields = {"cursor": {}, "next_no": 1, "next_batch": 1, "finished": [done], **more}
    return not town.desk.settle([Settlement(lease.no, "a", lease.epoch, **fields)])


@pytest.mark.parametrize("again", [[5], [1, 2], [9, 30], [0, 40], list(range(10))])
def test_what_was_delivered_is_not_delivered_again_unseen(town, again):
    assert arrived(town, 0, range(10), 1)
    assert arrived(town, 2, range(10), 11)
    assert arrived(town, 1, range(10), 21)  # between the two: another stream
    before = endings(town)
    with pytest.raises(RuntimeError, match="had been delivered before"):
        arrived(town, 0, again, 31)
    assert endings(town) == before


def test_of_a_receiver_that_has_another_owner_nothing_is_written(town):
    lease = town.lease()
    town.expire()
    town.lease(owner="b")
    done = Finished(DELIVERED, 0, 1, 1, [position_of(1, 0, 0)], range(1, 2), first=True, together=True)
    settlement = Settlement(lease.no, "a", lease.epoch, {}, 2, 2, finished=[done])
    assert town.desk.settle([settlement]) == {lease.no}
    assert endings(town) == []


async def test_an_answer_gives_each_of_its_batch_a_row_of_its_own(town):
    town.dispatch(*(died(n, str(n)) for n in range(MANY)))
    town.dispatch(*(died(f"b{n}", str(n)) for n in range(MANY)), partition=1)
    await town.deliver()
    before = endings(town)
    lease = town.lease()
    positions = [position_of(town.generation, 0, offset) for offset in (3, 9)]
    answer = Finished(CONFIRMED, 0, 5, 0, positions[:1], [4], answer=True)
    refusal = Finished(DEAD_REJECTED, 0, 5, 0, positions[1:], [10], answer=True)
    town.desk.settle([Settlement(lease.no, "a", lease.epoch, {}, 1, 1, finished=[answer, refusal])])
    # What was taken keeps when and in which batch it was delivered.
    said = {positions[0]: lambda row: (CONFIRMED, *row[4:]), positions[1]: lambda row: (DEAD_REJECTED, 5, row[5], 0)}
    assert endings(town) == [(*row[:3], *said.get(row[1], lambda row: row[3:])(row)) for row in before]
    assert (len(town.rows(outcome)), len(town.rows(table))) == (MANY, 1)
    assert town.inquiry.delivery("juki/9:kokuho.main:0")["status"] == "dead"


async def test_what_was_delivered_is_sent_again_by_a_job_of_its_own(town):
    town.dispatch(*(died(n, str(n)) for n in range(MANY)))
    await town.deliver()
    order = jobs.Order(town.number(), "resend", position_of(town.generation, 0, 4), 0)
    number = jobs.create(town.ledger, "replay", {}, [order], by="係員", reason="試験", totals={})
    await town.deliver()
    assert told(town) == [*map(str, range(MANY)), "4"]
    assert town.inquiry.delivery(f"juki/4:kokuho.main:{number}")["status"] == "delivered"
    assert len(endings(town)) == MANY + 1


@pytest.mark.parametrize("seed", range(4))
def test_questions_about_few_and_about_all_see_the_same(town, seed):
    """Held to the view, which shows each in a row: single ones, those since a moment, page by page."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    number, offset = 1, dict.fromkeys(range(3), 0)
    for _ in range(30):
        partition = chance.randrange(3)
        offsets = sorted(chance.sample(range(offset[partition], offset[partition] + 12), chance.randint(1, 8)))
        offset[partition] = offsets[-1] + 1
        assert arrived(town, partition, offsets, number)
        number += len(offsets)
    single = [position_of(town.generation, partition, 500) for partition in range(3)]
    lease = town.desk.lease(town.number(), "a", 1)
    ends = Finished(DELIVERED, 0, 1_100, 9, single, [900, 901, 902], first=True)
    town.desk.settle([Settlement(lease.no, "a", lease.epoch, {}, 1, 1, finished=[ends])])
    rows = {row[1]: row for row in endings(town)}
    asked = [position_of(town.generation, partition, at) for partition in range(4) for at in range(600)]
    with town.ledger.read() as connection:
        found = delivered.holding(connection, [town.number(), 99], asked)
    assert {pos: (at.no, at.at, at.batch) for (_, pos), at in found.items()} == {
        pos: (row[5], row[4], row[6]) for pos, row in rows.items() if pos not in single
    }
    assert commands.known(town.ledger, town.number(), asked).ended.keys() == {(pos, 0) for pos in rows}
    assert commands.heard(town.ledger, [town.number()], asked) == {(town.number(), pos) for pos in rows}
    since = 1_000 + chance.randrange(number)
    wanted = sorted(pos for pos, row in rows.items() if row[4] >= since)
    assert commands.count_arrived_since(town.ledger, town.number(), since) == len(wanted)
    for limit in (1, 5, 1000, None):
        after, page = -1, []
        while part := commands.arrived_since(town.ledger, town.number(), since, after=after, limit=limit):
            page += [pos for pos, _, _ in part]
            after = page[-1]
            assert limit is None or len(part) <= limit
        assert page == wanted


async def test_a_later_delivery_overtakes_an_earlier_one(town):
    town.dispatch(*(died(n, "9" if n in {2, 7} else str(100 + n)) for n in range(MANY)))
    await town.deliver()
    first, other = (position_of(town.generation, 0, offset) for offset in (2, 3))
    assert commands.known(town.ledger, town.number(), [first, other]).overtaken == {first}
