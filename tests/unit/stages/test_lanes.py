"""Lanes: what waits at a receiver goes out in event order per resident, each when it may and not before."""

import random

from hub.ledger.desk import Hold
from hub.ledger.status import BREAKER, EARLIER_WAITING, WAITING, delivery_code
from hub.stages import lanes as lanes_module
from hub.stages.lanes import Lanes

ASK = delivery_code("held", "ask")


def hold(pos, subject="a", status=WAITING, due=None, job=0):
    return Hold(pos, job, subject, status, "", 0, due, 0, 0)


def positions(holds):
    return [each.pos for each in holds]


def test_a_lane_gives_its_earliest_when_it_is_due():
    lanes = Lanes([hold(2, status=EARLIER_WAITING), hold(1, due=100)])
    assert lanes.next_due() == 100
    assert lanes.take(99, 10) == []
    assert positions(lanes.take(100, 10)) == [1]


def test_what_follows_goes_as_soon_as_the_earlier_one_has_ended():
    lanes = Lanes([hold(1, due=100), hold(2, status=EARLIER_WAITING), hold(3, status=EARLIER_WAITING)])
    lanes.take(100, 10)
    lanes.remove("a", 1, 0)
    assert positions(lanes.take(100, 10)) == [2]
    lanes.remove("a", 2, 0)
    assert positions(lanes.take(101, 10)) == [3]
    lanes.remove("a", 3, 0)
    assert "a" not in lanes
    assert len(lanes) == 0


def test_a_lane_of_thousands_is_not_gone_through_each_time(monkeypatch):
    looked = []
    order = lanes_module._order
    monkeypatch.setattr(lanes_module, "_order", lambda each: looked.append(each) or order(each))
    lanes = Lanes()
    for pos in range(2000):
        lanes.add(hold(pos, due=100))
    for pos in range(2000):
        lanes.remove("a", pos, 0)
    assert lanes.empty
    assert len(looked) < 4000 * 20


def test_what_follows_something_that_ended_before_a_restart_goes_out():
    lanes = Lanes([hold(2, status=EARLIER_WAITING), hold(3, status=EARLIER_WAITING), hold(9, "b", BREAKER)])
    assert lanes.next_due() is not None
    assert sorted(positions(lanes.take(1, 10))) == [2, 9]


def test_what_waits_for_a_person_keeps_its_lane():
    lanes = Lanes([hold(1, status=ASK), hold(2, status=EARLIER_WAITING)])
    lanes.wake(50)
    assert lanes.take(1_000, 10) == []
    assert "a" in lanes


def test_a_retry_that_was_put_off_is_not_taken_at_its_first_time():
    lanes = Lanes([hold(1, due=100)])
    lanes.add(hold(1, due=500))
    assert lanes.take(400, 10) == []
    assert positions(lanes.take(500, 10)) == [1]


def test_other_residents_do_not_wait():
    lanes = Lanes([hold(1, "a", due=10_000), hold(2, "b", due=5), hold(3, "c", due=6)])
    assert sorted(positions(lanes.take(10, 10))) == [2, 3]


def test_no_more_are_taken_than_asked_for():
    lanes = Lanes([hold(number, str(number), due=1) for number in range(10)])
    assert len(lanes.take(5, 3)) == 3
    assert len(lanes.take(5, 100)) == 7


def test_waking_makes_every_head_due_in_order_of_its_lane():
    lanes = Lanes([hold(1, "a", due=10_000), hold(2, "a", EARLIER_WAITING), hold(3, "b", BREAKER)])
    lanes.take(1, 10)
    lanes.wake(20)
    assert sorted(positions(lanes.take(20, 10))) == [1, 3]


def test_a_probe_is_the_earliest_of_what_may_go():
    lanes = Lanes([hold(1, "a", ASK), hold(5, "b", due=10_000), hold(7, "c", BREAKER), hold(9, "d", due=1)])
    assert lanes.probe().pos == 5
    assert Lanes([hold(1, "a", ASK)]).probe() is None


def test_any_schedule_ends_with_every_delivery_in_order():
    chance = random.Random(7)  # noqa: S311
    for _ in range(200):
        lanes, now, done = Lanes(), 0, {}
        for pos in range(30):
            subject = chance.choice("abc")
            lanes.add(
                hold(pos, subject, EARLIER_WAITING if subject in lanes else WAITING, None if subject in lanes else 1)
            )
        while len(lanes):
            now = max(now, lanes.next_due())
            for each in lanes.take(now, chance.randint(1, 3)):
                assert each.due is None or each.due <= now
                if chance.random() < 0.5:
                    lanes.add(hold(each.pos, each.subject, WAITING, now + chance.randint(1, 9)))
                else:
                    lanes.remove(each.subject, each.pos, 0)
                    done.setdefault(each.subject, []).append(each.pos)
        assert all(positions == sorted(positions) for positions in done.values())
        assert sum(map(len, done.values())) == 30
