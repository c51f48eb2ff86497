"""Batches are counted over their readings, held, decided once, and walked by cursor."""

from collections import Counter

import pytest

from hub.errors import AmbiguousId, NotFound, UsageError
from hub.ledger import batches
from hub.ledger.batches import Arrival

TOKEN = {"folder": "f", "file": "a.jsonl"}


def arrival(id_="B1", rows=3, *, system="juki", source="sabun", whole=True, **events):
    counts = Counter({f"resident.{name}": count for name, count in events.items()})
    return Arrival(system, source, id_, f"in/{id_}", rows, counts, rows - counts.total(), whole)


def record(ledger, *arrivals, at=1000):
    with ledger.write() as connection:
        batches.record(connection, arrivals, at)


def hold(ledger, one, *, at=1000, reason="too many", token=TOKEN):
    with ledger.write() as connection:
        return batches.hold(connection, one, at, reason=reason, spool=token)


def test_what_comes_in_parts_is_one_batch(ledger):
    record(ledger, arrival(rows=3, whole=False, died=2, moved=1), at=1000)
    assert batches.show(ledger, "B1").status == "open"
    record(ledger, arrival(rows=2, died=1), at=2000)
    item = batches.show(ledger, "B1")
    assert (item.rows, item.events, item.quarantined, item.status) == (
        5,
        {"resident.died": 3, "resident.moved": 1},
        1,
        "done",
    )
    assert (item.first_seen, item.last_seen, item.label) == (1000, 2000, "in/B1")


def test_read_again_it_counts_the_last_reading_only(ledger):
    record(ledger, arrival(rows=3, died=3))
    record(ledger, arrival(rows=2, whole=False, died=2), at=2000)
    record(ledger, arrival(rows=2, died=2), at=3000)
    item = batches.show(ledger, "B1")
    assert (item.rows, item.events, item.first_seen, item.last_seen) == (4, {"resident.died": 4}, 1000, 3000)


def test_the_end_of_a_finished_batch_seen_once_more_changes_no_count(ledger):
    record(ledger, arrival(rows=3, died=3))
    record(ledger, arrival(rows=0))
    assert (batches.show(ledger, "B1").rows, batches.show(ledger, "B1").status) == (3, "done")


def test_many_batches_at_once(ledger):
    many = [arrival(f"B{n}", rows=1, died=1) for n in range(1000)]
    record(ledger, *many)
    record(ledger, *many)
    items, _ = batches.listing(ledger, limit=2000)
    assert {item.rows for item in items} == {1}
    assert len(items) == 1000


def test_a_held_batch_waits_until_it_is_released_and_published(ledger):
    assert hold(ledger, arrival(rows=3, died=3))
    assert batches.unpublished(ledger, "juki", "sabun") == "B1"
    assert batches.unpublished(ledger, "juki", "other") is None
    assert batches.released(ledger) == []
    item = batches.release(ledger, "B1", who="keiko", why="a merger of towns")
    assert (item.status, item.decided_by, item.note, item.reason) == (
        "released",
        "keiko",
        "a merger of towns",
        "too many",
    )
    assert item.decided_at
    assert batches.unpublished(ledger, "juki", "sabun") == "B1"
    assert batches.spooled(ledger) == {"a.jsonl"}
    with ledger.write() as connection:
        assert batches.published(connection, item.no, refused={"resident.died": 1})
        assert not batches.published(connection, item.no, refused={"resident.died": 1})
    done = batches.show(ledger, "B1")
    assert (done.status, done.events, done.quarantined, done.spool) == ("done", {"resident.died": 2}, 1, None)
    assert batches.unpublished(ledger, "juki", "sabun") is None
    assert batches.release(ledger, "B1", who="keiko", why="again").note == "a merger of towns"


def test_a_rejected_batch_is_decided_for_good(ledger):
    hold(ledger, arrival())
    assert batches.reject(ledger, "B1", who="keiko", why="a test file").status == "rejected"
    assert batches.reject(ledger, "B1", who="ken", why="me too").decided_by == "keiko"
    assert batches.unpublished(ledger, "juki", "sabun") is None
    with pytest.raises(UsageError, match="rejected"):
        batches.release(ledger, "B1", who="ken", why="no")


def test_only_what_is_held_can_be_decided(ledger):
    record(ledger, arrival())
    for decide in (batches.release, batches.reject):
        with pytest.raises(UsageError, match="B1 is done"):
            decide(ledger, "B1", who="keiko", why="")
        with pytest.raises(NotFound):
            decide(ledger, "B2", who="keiko", why="")


def test_a_batch_that_waits_is_not_replaced_by_another_reading(ledger):
    assert hold(ledger, arrival(rows=3))
    assert not hold(ledger, arrival(rows=9), token={"folder": "f", "file": "b.jsonl"})
    record(ledger, arrival(rows=9))
    assert (batches.show(ledger, "B1").rows, batches.show(ledger, "B1").status) == (3, "held")
    assert hold(ledger, arrival(rows=3)), "the same transaction, written twice after a lost answer"


def test_what_was_rejected_and_comes_again_is_held_again_and_says_so(ledger):
    hold(ledger, arrival())
    batches.reject(ledger, "B1", who="keiko", why="a test file")
    hold(ledger, arrival(), reason="too many")
    item = batches.show(ledger, "B1")
    assert (item.status, item.decided_by) == ("held", None)
    assert item.reason == "too many; rejected before by keiko: a test file"


def test_a_released_batch_whose_records_are_gone_is_held_again(ledger):
    hold(ledger, arrival())
    item = batches.release(ledger, "B1", who="keiko", why="")
    batches.hold_again(ledger, item.no, "its file is gone")
    assert (batches.show(ledger, "B1").status, batches.show(ledger, "B1").reason) == ("held", "its file is gone")
    assert batches.reject(ledger, "B1", who="keiko", why="").status == "rejected"


def test_sizes_are_those_of_finished_batches_of_the_source(ledger):
    record(ledger, arrival("A", rows=1), arrival("B", rows=2), arrival("C", rows=3, whole=False))
    record(ledger, arrival("E", rows=5, source="other"))
    hold(ledger, arrival("D", rows=4))
    batches.miss(ledger, "juki", "sabun", day="2026-11-20", reason="late", at=1000)
    with ledger.write() as connection:
        batches.come(connection, "juki", "sabun")
    assert batches.sizes(ledger, "juki", "sabun", besides="X", limit=10) == [2, 1]
    assert batches.sizes(ledger, "juki", "sabun", besides="B", limit=10) == [1]
    assert batches.sizes(ledger, "juki", "sabun", besides="X", limit=1) == [2]


def test_what_is_missing_is_entered_once_and_closed_when_it_comes(ledger):
    for at in (1000, 2000):
        batches.miss(ledger, "juki", "sabun", day="2026-11-20", reason="late", at=at)
    (item,), _ = batches.listing(ledger, statuses=["missing"])
    assert (item.first_seen, item.reason, item.rows) == (1000, "late", 0)
    assert not batches.arrived(ledger, "juki", "sabun", 0)
    record(ledger, arrival(), at=3000)
    assert batches.arrived(ledger, "juki", "sabun", 3000)
    assert not batches.arrived(ledger, "juki", "sabun", 3001)
    with ledger.write() as connection:
        batches.come(connection, "juki", "sabun")
    assert (batches.show(ledger, item.id).status, batches.show(ledger, item.id).note) == ("done", "it came later")


def test_a_person_may_take_note_of_what_is_missing(ledger):
    batches.miss(ledger, "juki", "sabun", day="2026-11-20", reason="late", at=1000)
    assert batches.reject(ledger, "missing/2026-11-20", who="keiko", why="no file today").status == "rejected"


def test_an_id_of_several_sources_needs_its_source(ledger):
    record(ledger, arrival("a/b.csv"))
    record(ledger, arrival("a/b.csv", source="zenken"))
    record(ledger, arrival("a/b.csv", system="koseki"))
    with pytest.raises(AmbiguousId) as raised:
        batches.show(ledger, "a/b.csv")
    assert raised.value.candidates == ["juki.sabun/a/b.csv", "juki.zenken/a/b.csv", "koseki.sabun/a/b.csv"]
    assert batches.show(ledger, "koseki/a/b.csv").system == "koseki"
    assert batches.show(ledger, "juki.zenken/a/b.csv").source == "zenken"
    with pytest.raises(AmbiguousId):
        batches.show(ledger, "juki/a/b.csv")


def test_the_list_is_walked_by_cursor_and_filtered(ledger):
    for n in range(30):
        record(ledger, arrival(f"B{n}", system=("juki", "koseki")[n % 2]), at=n)
    seen, cursor = [], None
    while True:
        items, cursor = batches.listing(ledger, systems=["juki"], since=4, until=26, limit=4, cursor=cursor)
        seen += [item.first_seen for item in items]
        if cursor is None:
            break
    assert seen == list(range(24, 3, -2))
    assert batches.listing(ledger, statuses=["held"]) == ([], None)
    for wrong in ({"cursor": "x"}, {"statuses": ["hold"]}):
        with pytest.raises(UsageError):
            batches.listing(ledger, **wrong)


def test_text_no_database_takes_is_kept_readable(ledger):
    record(ledger, arrival("a\ud800\x00"))
    record(ledger, arrival("a\ud800\x00"))
    assert batches.listing(ledger)[0][0].id == "a\\ud800\\u0000"
    assert batches.find(ledger, "juki", "sabun", "a\ud800\x00").rows == 3
