"""Jobs while they run: rate, pause, cancel; and after kill -9 in the middle of them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from hub.errors import NotFound, Rejected, Transient, UsageError
from hub.ledger import jobs
from hub.ledger.jobs import PUBLISHER, Order
from hub.stages.foreman import Foreman
from hub.stages.inquiry import DeliveryFilter
from hub.stages.jobs import start
from tests.integration.jobs.town import Town
from tests.integration.jobs.victim import RULE, SYSTEMS
from tests.integration.semantics.world import ADDRESS, World

EVENTS = 4500
AWAY = Transient("停止", reached=True, retry_after=3600)


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE})
    made.desks["suido"].error = Rejected("不可", code="no")
    made.report(*(made.moved(ADDRESS, str(n)) for n in range(6)))
    made.deliver()
    made.desks["suido"].error = None
    yield made
    made.close()


def test_a_rate_spreads_deliveries_in_order(town):
    begun = time.monotonic()
    town.do(town.replay(statuses=("dead",), rate=4))
    town.deliver()
    assert time.monotonic() - begun > 1.0
    assert town.desks["suido"].ids == [f"e{n}" for n in range(1, 7)]
    assert town.desks["suido"].calls >= 5


def test_a_paused_job_sends_nothing_until_it_is_resumed(town):
    number = town.do(town.replay(statuses=("dead",)))
    jobs.steer(town.ledger, number, "pause")
    town.deliver()
    assert (town.job(number).status, town.desks["suido"].taken) == ("paused", [])
    jobs.steer(town.ledger, number, "resume")
    town.deliver()
    assert (town.job(number).status, len(town.desks["suido"].taken)) == ("done", 6)


def test_what_is_in_its_lane_already_is_paused_and_resumed(town):
    town.desks["suido"].error = AWAY
    number = town.do(town.replay(statuses=("dead",)))
    town.deliver()
    jobs.steer(town.ledger, number, "pause")
    town.deliver()
    assert {(status, reason) for _, status, reason in town.statuses("suido")} == {("held", "paused")}
    town.desks["suido"].error = None
    jobs.steer(town.ledger, number, "resume")
    town.deliver()
    assert len(town.desks["suido"].taken) == 6


def test_a_cancelled_job_leaves_the_dead_dead_and_takes_back_what_it_made(town):
    town.report(town.moved(ADDRESS, "99"))
    town.deliver()
    town.desks["suido"].error = AWAY
    number = town.do(town.replay(systems=("suido",)))
    town.deliver()
    assert town.job(number).waiting == 7
    jobs.steer(town.ledger, number, "cancel")
    town.desks["suido"].error = None
    town.deliver()
    assert (town.job(number).status, town.job(number).waiting) == ("cancelled", 0)
    assert town.desks["suido"].ids == ["e7"]
    assert Counter(status for _, status, _ in town.statuses("suido")) == {"dead": 6, "delivered": 1, "cancelled": 1}


def test_a_job_cancelled_before_anybody_looked(town):
    number = town.do(town.replay(statuses=("dead",)))
    jobs.steer(town.ledger, number, "cancel")
    town.deliver()
    assert (town.job(number).results, town.job(number).open) == ({"cancelled": 6}, 0)
    with pytest.raises(UsageError, match="is cancelled"):
        jobs.steer(town.ledger, number, "resume")


def test_a_second_person_approves(town):
    order = Order(PUBLISHER, "publish", 1, 0, b"{}")
    number = jobs.create(town.ledger, "cancel", {}, [order], by="甲", reason="誤り", approval=True)
    assert town.job(number).status == "approval"
    assert jobs.to_publish(town.ledger, "publish", 10) == []
    with pytest.raises(UsageError, match="asked for by"):
        jobs.approve(town.ledger, number, "甲")
    jobs.approve(town.ledger, number, "乙")
    assert (town.job(number).status, town.job(number).approved_by) == ("running", "乙")
    assert len(jobs.to_publish(town.ledger, "publish", 10)) == 1
    with pytest.raises(UsageError, match="nothing to approve"):
        jobs.approve(town.ledger, number, "丙")
    with pytest.raises(NotFound):
        jobs.get(town.ledger, 999)


@pytest.mark.parametrize(("number", "when"), [(1, "before"), (2, "after"), (4, "after"), (5, "before")])
def test_a_replay_survives_kill_9_without_doubling(tmp_path, ledger_url, number, when):
    world = World(tmp_path / "city", ledger_url, SYSTEMS)
    for first in range(0, EVENTS, 1500):
        world.report(*(world.moved(ADDRESS, str(n)) for n in range(first, first + 1500)))
    world.deliver()
    foreman = Foreman(world.ledger, world.city, world.rules, world.book)
    plan = foreman.replay(DeliveryFilter(systems=("suido",)))
    job = start(world.ledger, plan, by="甲")
    command = [sys.executable, "-m", "tests.integration.jobs.victim", str(world.folder), ledger_url, str(number), when]
    victim = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert victim.returncode == -signal.SIGKILL, victim.stderr.decode()
    with world.ledger.write() as connection:
        connection.execute(sa.text("UPDATE receiver SET until = 0"))
    world.deliver()
    keys = Counter(each["deliverykey"] for each in world.told("suido"))
    assert set(keys.values()) == {1}
    assert len(keys) == 2 * EVENTS
    assert len(world.told("zei")) == EVENTS
    found = jobs.get(world.ledger, job)
    assert (found.status, found.delivered, found.results) == ("done", {"delivered": EVENTS}, {"queued": EVENTS})
    world.close()
