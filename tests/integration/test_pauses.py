"""What operators hold back, on both databases."""

import pytest

from hub.errors import NotFound, UsageError
from hub.ledger import pauses
from hub.ledger.desk import now_ms
from tests.services.clock import later

KNOWN = ("kokuho.main", "zei.main", "zei.desk")


def test_a_pause_holds_until_it_is_resumed(ledger):
    made = pauses.pause(ledger, "kokuho", reason="更新作業", by="保険課")
    assert pauses.current(ledger, KNOWN) == {"kokuho.main": made}
    assert pauses.listing(ledger) == [made]
    assert (made.until, made.reason, made.by) == (None, "更新作業", "保険課")
    assert abs(made.at - now_ms()) < 60_000
    assert pauses.resume(ledger, "kokuho") == made
    assert pauses.current(ledger, KNOWN) == {}
    with pytest.raises(NotFound):
        pauses.resume(ledger, "kokuho")


def test_a_system_holds_each_of_its_receivers_and_the_longer_pause_counts(ledger):
    short = pauses.pause(ledger, "zei.desk", reason="a", by="x", until=now_ms() + 60_000)
    system = pauses.pause(ledger, "zei", reason="b", by="x", until=now_ms() + 120_000)
    assert pauses.current(ledger, KNOWN) == {"zei.main": system, "zei.desk": system}
    endless = pauses.pause(ledger, "zei.desk", reason="c", by="x")
    assert pauses.current(ledger, KNOWN) == {"zei.main": system, "zei.desk": endless}
    assert short not in pauses.listing(ledger), "a newer pause of the same key takes its place"
    pauses.resume(ledger, "zei")
    assert pauses.current(ledger, KNOWN) == {"zei.desk": endless}


def test_a_pause_ends_by_itself(ledger, monkeypatch):
    pauses.pause(ledger, "zei.main", reason="a", by="x", until=now_ms() + 60_000)
    later(monkeypatch, 61_000)
    assert pauses.current(ledger, KNOWN) == {}
    assert pauses.listing(ledger) == []
    with pytest.raises(NotFound):
        pauses.resume(ledger, "zei.main")


def test_an_end_that_has_passed_is_refused(ledger):
    with pytest.raises(UsageError):
        pauses.pause(ledger, "zei", reason="a", by="x", until=now_ms() - 1)
    assert pauses.listing(ledger) == []
