"""It is noted that the hub is at work, and whether Kafka answers; one of the city's own is started again."""

import asyncio
import logging

from hub.errors import BrokerUnavailable, LedgerUnavailable
from hub.ledger import attendance
from hub.ledger.desk import now_ms
from hub.stages.attendance import Attending


class Broker:
    """A Kafka that is killed, and can be started again unless it is broken."""

    def __init__(self):
        self.answering, self.broken = True, False

    def answers(self):
        return self.answering

    def revive(self):
        if self.broken:
            raise BrokerUnavailable("the disk is full")
        was, self.answering = self.answering, True
        return not was


def noted(ledger):
    return {each.stage: each.kafka for each in attendance.listing(ledger)}


async def test_stages_at_work_are_noted_and_since_when_kafka_is_silent(ledger):
    broker = Broker()
    attending = Attending(ledger, ["intake", "console"], "127.0.0.1:1", broker.answers)
    await attending.look()
    assert noted(ledger) == {"intake": None}
    broker.answering = False
    await attending.look()
    first = noted(ledger)["intake"]
    assert (first["bootstrap"], first["managed"]) == ("127.0.0.1:1", False)
    assert abs(first["since"] - now_ms()) < 60_000
    await asyncio.sleep(0.002)
    await attending.look()
    assert noted(ledger)["intake"] == first, "it is silent since then"
    broker.answering = True
    await attending.look()
    assert noted(ledger) == {"intake": None}


async def test_a_kafka_of_the_citys_own_is_started_again_with_a_line_in_the_log(ledger, caplog):
    caplog.set_level(logging.WARNING)
    broker = Broker()
    attending = Attending(ledger, ["intake"], "127.0.0.1:1", broker.answers, broker.revive)
    broker.answering = False
    await attending.look()
    assert "started again" in caplog.text
    assert noted(ledger) == {"intake": None}, "that it answers is noted at once"


async def test_that_it_cannot_be_started_again_is_said_once(ledger, caplog):
    broker = Broker()
    broker.answering, broker.broken = False, True
    attending = Attending(ledger, ["intake"], "127.0.0.1:1", broker.answers, broker.revive)
    await attending.look()
    await attending.look()
    assert caplog.text.count("the disk is full") == 1
    assert noted(ledger)["intake"]["managed"]


async def test_one_that_ends_each_time_is_started_again_less_and_less_often(ledger, monkeypatch):
    broker, clock = Broker(), [1_000.0]
    monkeypatch.setattr("hub.stages.attendance.time.monotonic", lambda: clock[0])
    attending = Attending(ledger, ["intake"], "127.0.0.1:1", broker.answers, broker.revive)
    started = []
    for _ in range(200):
        broker.answering = False
        await attending.look()
        started += [clock[0] - 1_000] if broker.answering else []
        clock[0] += 5
    assert started == [0, 10, 70, 370, 670, 970]
    broker.answering = True
    clock[0] += 1_000
    broker.answering = False
    await attending.look()
    assert broker.answering, "that was long ago"


async def test_a_ledger_that_is_away_keeps_nobody_from_looking(ledger, monkeypatch):
    def away(*_):
        raise LedgerUnavailable("away")

    monkeypatch.setattr(attendance, "note", away)
    broker = Broker()
    broker.answering = False
    await Attending(ledger, ["intake"], "127.0.0.1:1", broker.answers, broker.revive).look()
    assert broker.answering
