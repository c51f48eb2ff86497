"""What needs a person is counted whole, however much of it there is."""

from hub.ledger import batches, quarantine
from hub.ledger.batches import Arrival
from hub.ledger.quarantine import Entry
from hub.stages import morning as stage
from hub.stages.morning import morning


def refuse(ledger, source, count, *, at, code="column"):
    entries = [
        Entry("intake", "juki", source, f"a.csv:{n}", code, "wrong", b"%s %d" % (source.encode(), n))
        for n in range(count)
    ]
    with ledger.write() as connection:
        quarantine.record(connection, entries, at)


def test_quarantine_is_counted_whole_and_hides_no_other_source(ledger):
    refuse(ledger, "old", 2, at=1_000)
    refuse(ledger, "main", 1500, at=2_000)
    refuse(ledger, "main", 1600, at=3_000, code="csv-quote")
    found = [(item["name"], item["count"], item["why"], item["since"][17:19]) for item in morning(ledger)]
    assert found == [("old", 2, "column", "01"), ("main", 3100, "column, csv-quote", "02")]


def test_what_is_closed_is_not_counted(ledger):
    refuse(ledger, "main", 2, at=1_000)
    quarantine.resolve(ledger, 1, "discarded")
    assert [item["count"] for item in morning(ledger)] == [1]


def test_held_batches_are_all_there(ledger, monkeypatch):
    monkeypatch.setattr(stage, "PAGE", 2)
    for n in range(5):
        with ledger.write() as connection:
            batches.hold(
                connection, Arrival("juki", "main", f"B{n}", "in/x", 1), 1_000 + n, reason="too many", spool={}
            )
    assert len(morning(ledger)) == 5
