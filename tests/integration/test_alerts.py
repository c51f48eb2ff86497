"""Alerts and dead letters on both databases, told to a real HTTP server and a real mail server."""

import asyncio
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
import sqlalchemy as sa

from hub.adapters.alerting import channels
from hub.errors import BrokerUnavailable
from hub.ledger import alerts, deadletters, pauses
from hub.ledger.desk import Desk, now_ms
from hub.ledger.engine import Ledger
from hub.ledger.status import DEAD_REJECTED, DELIVERED
from hub.ledger.tables import attempt, delivered, notice, outcome, position, receiver
from hub.settings.models import Alerts, Mail, Maintenance, Webhook
from hub.stages.alerts import Alarm
from hub.stages.deadletters import announce, announce_some
from hub.stages.hours import Hours
from tests.conformance.helpers import Server
from tests.integration.kafka.until import until
from tests.services.clock import later
from tests.services.mailbox import Mailbox

TOKYO = ZoneInfo("Asia/Tokyo")
PERSON = "守口 太郎 1000001"
MINUTE = 60_000


@pytest.fixture
def ledger(ledger):
    Desk(ledger).register(["kokuho.main", "zei.main"])
    with ledger.write() as connection:
        connection.execute(sa.insert(position).values(stream=1 << 12, next_offset=1000))
    return ledger


@pytest.fixture
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def mailbox():
    box = Mailbox()
    yield box
    box.stop()


@pytest.fixture
def settings(server, mailbox):
    base = f"http://127.0.0.1:{server.port}"
    return Alerts(
        webhook=(Webhook(url=f"{base}/hook", headers={"Authorization": "Bearer x"}),),
        chat=(Webhook(url=f"{base}/chat"),),
        mail=(Mail(host="127.0.0.1", port=mailbox.port, from_="hub@city", to=("a@city", "b@city"), security="none"),),
    )


def alarm(ledger, settings, maintenance: tuple[Maintenance, ...] = ()):
    hours = {key: Hours(TOKYO, maintenance=maintenance) for key in ("kokuho.main", "zei.main")}
    return Alarm(ledger, settings, channels(settings), hours, city="moriguchi")


def pos(offset):
    return (1 << 52) + offset


def number(connection, key):
    return connection.execute(sa.select(receiver.c.no).where(receiver.c.key == key)).scalar_one()


def die(ledger, offset, key="kokuho.main", code="http-422", kind="rejected", job=0):
    with ledger.write() as connection:
        no, now = number(connection, key), ledger.now(connection)
        row: dict[str, Any] = {"receiver": no, "pos": pos(offset), "job": job, "at": now}
        connection.execute(sa.insert(attempt).values(**row, n=1, kind=kind, code=code, message=PERSON))
        if kind == "rejected":
            connection.execute(sa.insert(outcome).values(**row, status=DEAD_REJECTED, no=offset, batch=1))
            cursor = orjson.dumps({str(1 << 12): pos(offset)}).decode()
            connection.execute(sa.update(receiver).where(receiver.c.no == no).values(cursor=cursor))


def deliver(ledger, offset, key="kokuho.main", job=0):
    with ledger.write() as connection:
        row = {"receiver": number(connection, key), "pos": pos(offset), "job": job, "at": ledger.now(connection)}
        connection.execute(sa.insert(outcome).values(**row, status=DELIVERED, no=offset, batch=1))


def deliver_together(ledger, *offsets, key="kokuho.main"):
    with ledger.write() as connection:
        row = {"receiver": number(connection, key), "first": pos(offsets[0]), "last": pos(offsets[-1]), "no": 1}
        members = orjson.dumps([offset - offsets[0] for offset in offsets]).decode()
        row |= {"at": ledger.now(connection), "batch": 1, "members": members}
        connection.execute(sa.insert(delivered).values(**row))


def stall(ledger, since, key="kokuho.main", **more):
    state = "{}" if since is None else orjson.dumps({"breaker": {"since": since, "error": PERSON, **more}}).decode()
    with ledger.write() as connection:
        connection.execute(sa.update(receiver).where(receiver.c.key == key).values(state=state))


def told(server, path="/hook"):
    return [orjson.loads(body) for _, at, _, body in server.requests if at == path]


def states(server):
    return [(each["alert"], each["receiver"], each["state"], each["class"], each["code"]) for each in told(server)]


# --- dead letters -----------------------------------------------------------------------------------------------------


async def test_the_first_dead_letter_is_told_on_every_way_and_the_next_ones_are_not(ledger, settings, server, mailbox):
    die(ledger, 7)
    die(ledger, 8, code="http-409")
    watch = alarm(ledger, settings)
    await watch.turn()
    die(ledger, 9)
    await watch.turn()
    (hook,) = told(server)
    assert {key: hook[key] for key in ("id", "alert", "state", "city", "system", "receiver", "class", "code")} == {
        "id": "1-raised", "alert": "dead", "state": "raised", "city": "moriguchi", "system": "kokuho",
        "receiver": "main", "class": "rejected", "code": "http-422",
    }  # fmt: skip
    assert hook["count"] == 2
    ((_, _, headers, _), *_) = [each for each in server.requests if each[1] == "/hook"]
    assert (headers["Authorization"], headers["Idempotency-Key"]) == ("Bearer x", "1-raised")
    assert told(server, "/chat") == [{"text": hook["text"]}]
    ((people, mail),) = mailbox.mails
    assert people == ["a@city", "b@city"]
    assert mail["Subject"] == "[hub moriguchi] kokuho.main: 配達が不達になりました"
    assert mail.get_content().splitlines() == hook["text"].splitlines()
    assert [(each.count, each.ended_at) for each in alerts.listing(ledger)] == [(3, None)]


async def test_nothing_of_a_resident_is_told(ledger, settings, server, mailbox):
    die(ledger, 7, code="守口 太郎")
    die(ledger, 7, key="zei.main", code="row-1000001")
    stall(ledger, now_ms() - 60 * MINUTE, code="row-1000001")
    await alarm(ledger, settings).turn()
    everything = b"".join(body for *_, body in server.requests).decode() + "".join(
        str(mail) for _, mail in mailbox.mails
    )
    assert len(told(server)) == 3
    assert [word for word in ("守口 太郎", "1000001") if word in everything] == []
    assert {each["code"] for each in told(server)} == {"other"}


async def test_each_receiver_has_its_own_alert(ledger, settings, server):
    die(ledger, 7)
    die(ledger, 7, key="zei.main", kind="exhausted", code="http-503")
    die(ledger, 8, key="zei.main", kind="transient", code="http-503")
    await alarm(ledger, settings).turn()
    assert sorted((each["system"], each["class"], each["count"]) for each in told(server)) == [
        ("kokuho", "rejected", 1),
        ("zei", "exhausted", 1),
    ]


async def test_a_receiver_has_recovered_when_it_is_quiet_and_delivers(ledger, settings, server, monkeypatch):
    watch = alarm(ledger, settings)
    die(ledger, 7)
    await watch.turn()
    deliver(ledger, 6)  # it was before the dead one
    later(monkeypatch, 31 * MINUTE)
    await watch.turn()
    assert len(told(server)) == 1, "quiet, but nothing was delivered since"
    deliver(ledger, 8)
    await watch.turn()
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "ended"]
    assert alerts.listing(ledger) == []
    die(ledger, 9)
    await watch.turn()
    assert [each["id"] for each in told(server)] == ["1-raised", "1-ended", "2-raised"]


async def test_a_receiver_has_recovered_too_when_it_delivers_many_at_once(ledger, settings, server, monkeypatch):
    watch = alarm(ledger, settings)
    die(ledger, 7)
    await watch.turn()
    deliver_together(ledger, 3, 6)
    deliver_together(ledger, 8, 9, key="zei.main")
    later(monkeypatch, 31 * MINUTE)
    await watch.turn()
    assert len(told(server)) == 1, "quiet, but nothing was delivered since"
    deliver_together(ledger, 8, 9)
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "ended"]


async def test_a_further_dead_letter_puts_recovery_off(ledger, settings, server, monkeypatch):
    watch = alarm(ledger, settings)
    die(ledger, 7)
    await watch.turn()
    later(monkeypatch, 20 * MINUTE)
    deliver(ledger, 8)
    die(ledger, 9)
    await watch.turn()
    later(monkeypatch, 20 * MINUTE)
    await watch.turn()
    assert len(told(server)) == 1
    later(monkeypatch, 11 * MINUTE)
    deliver(ledger, 10)
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "ended"]


async def test_a_dead_letter_sent_again_with_success_is_recovery_too(ledger, settings, server, monkeypatch):
    watch = alarm(ledger, settings)
    die(ledger, 7)
    await watch.turn()
    later(monkeypatch, 31 * MINUTE)
    deliver(ledger, 7, job=3)
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "ended"]


# --- breakers ---------------------------------------------------------------------------------------------------------


async def test_a_receiver_that_does_not_answer_is_told_after_a_while_and_when_it_is_back(ledger, settings, server):
    watch = alarm(ledger, settings)
    stall(ledger, now_ms() - 14 * MINUTE)
    await watch.turn()
    assert told(server) == []
    stall(ledger, now_ms() - 15 * MINUTE, code="http-503")
    await watch.turn()
    await watch.turn()
    assert states(server) == [("breaker", "main", "raised", "transient", "http-503")]
    stall(ledger, None)
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "ended"]


async def test_nobody_is_told_of_what_is_planned(ledger, settings, server):
    now = dt.datetime(2026, 11, 22, 4, 0, tzinfo=TOKYO)  # a Sunday
    sunday = Maintenance.model_validate({"weekday": ("sun",), "from": "02:00", "until": "05:00"})
    watch = alarm(ledger, settings, (sunday,))
    stall(ledger, int(now.timestamp() * 1000) - 60 * MINUTE)
    await watch.turn(now)
    await watch.turn(now + dt.timedelta(minutes=74))  # open again for a quarter of an hour less one minute
    assert told(server) == []
    await watch.turn(now + dt.timedelta(minutes=75))
    assert [each["code"] for each in told(server)] == ["breaker"]  # an older hub did not keep why
    stall(ledger, now_ms() - 60 * MINUTE, "zei.main")
    pauses.pause(ledger, "zei", reason="更新", by="税務課")
    await alarm(ledger, settings).turn()
    assert len(told(server)) == 1
    pauses.resume(ledger, "zei")
    await alarm(ledger, settings).turn()
    assert {each["system"] for each in told(server)} == {"kokuho", "zei"}


# --- sending ----------------------------------------------------------------------------------------------------------


async def test_a_message_that_fails_is_sent_later_and_over_a_restart(ledger, settings, server, mailbox, monkeypatch):
    server.answer = lambda _key: (503, {}, b"")
    mailbox.refuse = "451 later"
    die(ledger, 7)
    await alarm(ledger, settings).turn()
    assert sorted((channel, error, n) for _, channel, error, n in alerts.unsent(ledger)) == [
        ("chat", "http-503", 1),
        ("mail", "mail-451", 1),
        ("webhook", "http-503", 1),
    ]
    server.answer = lambda _key: (204, {}, b"")
    mailbox.refuse = ""
    await alarm(ledger, settings).turn()
    assert mailbox.mails == [], "not at once"
    later(monkeypatch, 6_000)
    await alarm(ledger, settings).turn()  # another process, which knows nothing but the ledger
    await alarm(ledger, settings).turn()
    assert (len(told(server)), len(told(server, "/chat")), len(mailbox.mails)) == (2, 2, 1)
    assert alerts.unsent(ledger) == []


async def test_an_end_is_told_after_its_beginning(ledger, settings, server, monkeypatch):
    server.answer = lambda _key: (503, {}, b"")
    stall(ledger, now_ms() - 60 * MINUTE)
    watch = alarm(ledger, Alerts(webhook=settings.webhook))
    await watch.turn()
    stall(ledger, None)
    server.answer = lambda _key: (204, {}, b"")
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised"]
    later(monkeypatch, 6_000)
    await watch.turn()
    await watch.turn()
    assert [each["state"] for each in told(server)] == ["raised", "raised", "ended"]


async def test_a_message_whose_sender_died_comes_back(ledger, settings, server, monkeypatch):
    die(ledger, 7)
    alerts.note_deaths(ledger, ["webhook"])
    assert len(alerts.claim(ledger, ["webhook"])) == 1
    assert alerts.claim(ledger, ["webhook"]) == []
    later(monkeypatch, alerts.CLAIM + 1)
    assert [each.attempts for each in alerts.claim(ledger, ["webhook"])] == [2]


async def test_a_server_that_is_away_is_waited_for(ledger, settings, server):
    server.stop()
    die(ledger, 7)
    await alarm(ledger, settings).turn()
    assert {(channel, error) for _, channel, error, _ in alerts.unsent(ledger)} == {
        ("webhook", "unreachable"),
        ("chat", "unreachable"),
    }
    server.start()


async def test_two_processes_raise_and_send_once(ledger_url, ledger, settings, server, mailbox):
    other = Ledger(ledger_url)
    for offset in range(20):
        die(ledger, offset)
    await asyncio.gather(*(alarm(each, settings).turn() for each in (ledger, other, ledger, other)))
    other.close()
    assert (len(told(server)), len(told(server, "/chat")), len(mailbox.mails)) == (1, 1, 1)
    assert [each.count for each in alerts.listing(ledger)] == [20]


async def test_without_a_way_to_people_alerts_are_kept_for_the_lists(ledger):
    die(ledger, 7)
    await alarm(ledger, Alerts()).turn()
    assert [(each.kind, each.receiver) for each in alerts.listing(ledger)] == [("dead", "kokuho.main")]
    with ledger.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(notice)).scalar_one() == 0


async def test_it_runs_until_it_is_stopped(ledger, settings, server):
    stop = asyncio.Event()
    running = asyncio.create_task(alarm(ledger, settings).run(stop, look=0.02))
    die(ledger, 7)
    await until(lambda: told(server))
    stop.set()
    await asyncio.wait_for(running, 10)


# --- dead letters on Kafka --------------------------------------------------------------------------------------------


class Topic:
    """A topic as the port shows it; it refuses the keys in `away`."""

    def __init__(self):
        self.records = []
        self.away = set()
        self.refused = 0

    async def publish(self, key, value):
        if key in self.away:
            self.refused += 1
            raise BrokerUnavailable("away")
        self.records.append((key, orjson.loads(value)))


async def test_a_dead_letter_is_announced_with_class_and_code_only(ledger):
    die(ledger, 7, code="http-422")
    die(ledger, 8, kind="transient")
    topic = Topic()
    assert await announce_some(ledger, topic.publish) == 1
    assert await announce_some(ledger, topic.publish) == 0
    ((key, value),) = topic.records
    assert key == b"kokuho.main"
    moment = dt.datetime.fromisoformat(value.pop("at"))
    assert abs(moment.timestamp() * 1000 - now_ms()) < MINUTE
    assert value == {"system": "kokuho", "receiver": "main", "no": 7, "class": "rejected", "code": "http-422"}


async def test_what_kafka_did_not_take_is_announced_later(ledger):
    die(ledger, 7)
    die(ledger, 7, key="zei.main")
    topic = Topic()
    topic.away = {b"zei.main"}
    with pytest.raises(BrokerUnavailable):
        await announce_some(ledger, topic.publish)
    assert [each.key for each in deadletters.unannounced(ledger)] == ["zei.main"]
    topic.away = set()
    await announce_some(ledger, topic.publish)
    assert [key for key, _ in topic.records] == [b"kokuho.main", b"zei.main"]


async def test_one_that_is_committed_late_is_announced_too(ledger):
    """Neither time nor position decides what has been announced, only the row itself."""
    topic = Topic()
    die(ledger, 900)
    await announce_some(ledger, topic.publish)
    die(ledger, 3)
    await announce_some(ledger, topic.publish)
    assert [value["no"] for _, value in topic.records] == [900, 3]


async def test_it_goes_on_until_stopped_and_waits_for_kafka(ledger):
    topic, stop = Topic(), asyncio.Event()
    topic.away = {b"kokuho.main"}
    die(ledger, 7)
    running = asyncio.create_task(announce(ledger, topic.publish, stop, look=0.02))
    await until(lambda: topic.refused >= 2)
    topic.away = set()
    await until(lambda: topic.records)
    stop.set()
    await asyncio.wait_for(running, 10)
