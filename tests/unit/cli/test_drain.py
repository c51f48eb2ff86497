"""What a drain says at its end: that all is delivered only where nothing waits for a person."""

import sqlite3
import time

import pytest

from hub.cli.drain import write

FOUND = {
    "clear": True,
    "read": {"rows": 1, "events": 1, "ignored": 0, "quarantined": 0},
    "awaiting_identity": 0,
    "unsure": 0,
    "events": 1,
    "duplicates": 0,
    "unmatched": 0,
    "quarantined": 0,
    "scheduled": 0,
    "left": {},
    "behind": [],
    "dispatched": True,
    "died": 0,
    "faults": [],
    "held": {},
    "unread": {},
}


@pytest.mark.parametrize(
    ("waits", "said"),
    [
        ({"dead": 0, "quarantine": 0}, "everything is delivered"),
        ({"dead": 2, "quarantine": 0}, "nothing is left to deliver (2 dead letters, 0 in quarantine: hub morning)"),
        ({"dead": 0, "quarantine": 3}, "nothing is left to deliver (0 dead letters, 3 in quarantine: hub morning)"),
    ],
)
def test_all_is_delivered_only_where_nothing_waits_for_a_person(waits, said, capsys, monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    write({**FOUND, "open": waits})
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_a_locked_ledger_is_waited_for_no_longer_than_asked(hub, city, monkeypatch):
    monkeypatch.setenv("HUB_KAFKA", "127.0.0.1:1")
    (city / "var").mkdir(exist_ok=True)
    other = sqlite3.connect(city / "var" / "ledger.db")
    other.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    try:
        assert hub("drain", "--wait", "1s", "--city", city).exit_code == 3
    finally:
        other.close()
    assert time.monotonic() - begun < 20  # 30 seconds and more when the wait is not handed on
