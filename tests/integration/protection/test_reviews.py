"""What waits for a person is shown whole, but of a protected resident without what tells where they are."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import sqlalchemy as sa

from hub.ledger import reviews
from hub.ledger.engine import Ledger
from hub.ledger.tables import protection
from hub.stages.reviewing import shown
from tests.integration.semantics.world import World

OLD, NEW, NAME = "大日町1-1", "京阪本通2-5-5", "氏名かな"
EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/systems/juki",
    "type": "jp.lg.example.resident.moved.v1",
    "subject": "1000003",
    "time": "2026-04-01T00:00:00+09:00",
    "data": {"name": NAME, "new_address": {"text": NEW}, "effective_on": "2026-04-01"},
}


def _put(ledger: Ledger, subject: str) -> int:
    payload = {"change": "changed", "changed": ["住所"], "row": {"住所": NEW}, "was": {"住所": OLD}, "place": "a.csv:2"}
    draft = reviews.Draft(
        standing="snapshot:1",
        kind="snapshot",
        system="juki",
        source="zenken",
        subject=subject,
        summary="changed: 住所",
        payload={**payload, "known": {"row": {"住所": NEW}}, "before": 1, "extract": 1},
        events=(orjson.dumps(EVENT).decode(),),
        batch_id="b",
        status="waiting",
    )
    with ledger.write() as connection:
        reviews.put(connection, [draft], 1)
    (item,), _ = reviews.listing(ledger)
    return item.no


def test_everybody_elses_rows_and_events_are_shown(ledger: Ledger) -> None:
    _, found = shown(ledger, _put(ledger, "1000003"))
    assert (found["row"], found["was"]) == ({"住所": NEW}, {"住所": OLD})
    assert found["would_publish"] == [EVENT]
    assert not found.keys() & {"known", "before", "extract"}, "these are the hub's own"


@pytest.mark.parametrize("subject", ["1000003", ""])
def test_of_a_protected_resident_neither_row_nor_event_tells_where_they_are(ledger: Ledger, subject: str) -> None:
    number = _put(ledger, subject)
    with ledger.write() as connection:
        row = {"subject": "1000003", "declarer": "1000003", "kind": "dv", "active": 1}
        connection.execute(sa.insert(protection).values(row))
    _, found = shown(ledger, number)
    text = orjson.dumps(found).decode()
    assert OLD not in text
    assert NEW not in text
    assert found["changed"] == ["住所"]
    assert found["would_publish"][0]["data"]["name"] == NAME


def test_what_is_known_of_a_protected_resident_does_not_tell_where_they_are(
    ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    world = World(tmp_path / "city", ledger_url, {"zei": "subscribes: []"})
    known = {"name": NAME, "old_address": {"text": "?"}, "new_address": {"text": OLD}, "household_no": "77"}
    world.report(world.event("resident.moved", "1000003", **known))
    number = _put(ledger, "1000003")
    _, found = shown(ledger, number)
    assert found["facts"] == {"name": NAME, "address": {"text": OLD}, "household_no": "77"}
    with ledger.write() as connection:
        row = {"subject": "1000003", "declarer": "1000003", "kind": "dv", "active": 1}
        connection.execute(sa.insert(protection).values(row))
    _, found = shown(ledger, number)
    assert found["facts"] == {"name": NAME}
    world.ledger.close()


def test_of_whom_nothing_was_reported_it_is_said(ledger: Ledger) -> None:
    assert shown(ledger, _put(ledger, "1000003"))[1]["facts"] is None
