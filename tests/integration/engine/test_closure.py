"""A system that is away for five days, by the hub's clock: nothing is lost, given up or reordered; others go on."""

import asyncio
import time

import pytest

from hub.ledger.status import DELIVERED
from hub.settings.models import Retry
from hub.stages import receiver as receiver_module
from tests.acceptance.crash.service import Service

from .town import died, listens, until

DAYS, RESIDENTS, A_DAY = 5, 4, 8
DAY = 24 * 3600 * 1000  # milliseconds
PATIENT = {"limit": 60.0}


@pytest.fixture
def days(monkeypatch):
    """The days that have passed: a list with one entry a day."""
    passed = []
    monkeypatch.setattr(receiver_module, "now_ms", lambda: time.time_ns() // 1_000_000 + len(passed) * DAY)
    return passed


async def test_five_days_away_lose_give_up_and_reorder_nothing_and_others_go_on(town_of, days):
    away = Service()
    port = away.server_address[1]
    away.stop()  # nobody listens there now
    options = {"url": f"http://127.0.0.1:{port}/keys/kokuho"}
    retry = Retry(delays=(5.0,), then=4 * 3600.0, give_up=3)
    town = town_of(
        listens("kokuho", adapter="http", options=options, retry=retry), listens("kaigo", options={"path": "a"})
    )
    number = 0
    async with town.working(key="kokuho.main") as worker, town.working(key="kaigo.main"):
        for _ in range(DAYS):
            probes = worker._health.breaker.probes if worker._health.breaker else 0
            events = [died(number + at, str(at % RESIDENTS), n=number + at) for at in range(A_DAY)]
            number += A_DAY
            await asyncio.to_thread(town.dispatch, *events)
            await until(lambda wanted=number: len(town.outcomes("kaigo.main")) == wanted, **PATIENT)
            await until(lambda probes=probes: (at := worker._health.breaker) and at.probes > probes, **PATIENT)
            days.append(1)
        assert town.outcomes("kokuho.main") == {}
        assert {hold.attempts for hold in town.holds("kokuho.main")} == {0}  # nothing counts while nobody is there
        back = Service(port)
        try:
            await until(lambda: len(town.outcomes("kokuho.main")) == number, **PATIENT)
        finally:
            back.stop()
    assert {status for status, _ in town.outcomes("kokuho.main").values()} == {DELIVERED}
    told = [(event["subject"], int(event["id"])) for _, event in back.taken["/keys/kokuho"]]
    assert sorted(event for _, event in told) == list(range(number))
    for resident in range(RESIDENTS):
        of_one = [event for subject, event in told if subject == str(resident)]
        assert of_one == sorted(of_one)
