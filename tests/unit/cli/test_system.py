"""`hub system`: what is held back, by whom and why."""

import json

import sqlalchemy as sa

from hub.ledger import tables
from hub.ledger.desk import Desk
from hub.settings.load import load_city


def row(hub, city, system, monkeypatch, lang="C"):
    monkeypatch.setenv("LANG", lang)
    found = hub("system", "list", "--city", city).stdout.splitlines()
    return [line for line in found if line.split(" ")[0] == system]


def receiver(hub, city, system):
    items = json.loads(hub("system", "list", "--json", "--city", city).stdout)["items"]
    return next(each for each in items if each["system"] == system)["receivers"][0]


def first(city):
    return load_city(city, environ={}).receivers()[0]


def test_a_pause_is_shown_with_who_when_and_why_though_nothing_has_run_yet(hub, city, monkeypatch):
    system = first(city).system
    assert hub("system", "pause", system, "--reason", "入替作業", "--by", "情報課", "--city", city).exit_code == 0
    assert receiver(hub, city, system)["held"] == {"reason": "paused", "until": None, "note": "入替作業"}
    (shown,) = row(hub, city, system, monkeypatch)
    assert "paused" in shown
    assert "入替作業 (情報課, since 20" in shown
    (shown,) = row(hub, city, system, monkeypatch, "ja_JP.UTF-8")
    assert "一時停止" in shown


def test_an_open_breaker_is_shown_beside_what_else_holds_the_receiver(hub, city, ledger, monkeypatch):
    one = first(city)
    Desk(ledger).register([one.key])
    state = json.dumps({"breaker": {"since": 1_795_000_000_000, "error": "503", "code": "http-503"}})
    with ledger.write() as connection:
        connection.execute(sa.update(tables.receiver).values(state=state))
    assert receiver(hub, city, one.system)["breaker"] == {"since": "2026-11-18T11:06:40.000Z", "code": "http-503"}
    (shown,) = row(hub, city, one.system, monkeypatch)
    assert "breaker" in shown
    assert "http-503" in shown
    (shown,) = row(hub, city, one.system, monkeypatch, "ja_JP.UTF-8")
    assert "相手が断りました" in shown
    (shown,) = (line for line in hub("status", "--city", city).stdout.splitlines() if line.startswith(one.key))
    assert "2026-11-18 20:06:40+09:00 から: 相手が断りました" in shown
    hub("system", "pause", one.key, "--reason", "点検", "--city", city)
    assert len(row(hub, city, one.system, monkeypatch)) == 2
