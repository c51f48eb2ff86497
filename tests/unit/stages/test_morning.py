"""What needs a person is counted whole, however much of it there is; that the hub is not at work comes first."""

from datetime import datetime

import pytest
import sqlalchemy as sa

from hub.errors import Transient
from hub.ledger import attendance, batches, jobs, quarantine, sources
from hub.ledger.batches import Arrival
from hub.ledger.desk import Desk, now_ms
from hub.ledger.quarantine import Entry
from hub.ledger.tables import meta, receiver
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


HOUR = 3_600_000
SILENT = {"bootstrap": "127.0.0.1:1", "managed": True, "since": 1_760_000_000_000}
LEFT = {"juki.main": {"count": 2, "names": ["in/a.csv"], "since": 1_760_000_000_000}}


def worked(ledger, ago, *stages, kafka=None):
    """Let stages have been at work so many milliseconds ago."""
    attendance.note(ledger, stages, kafka)
    noted = {each.stage: each.at for each in attendance.listing(ledger) if each.stage in stages}
    with ledger.write() as connection:
        for stage, at in noted.items():
            earlier = sa.func.replace(meta.c.value, str(at), str(at - ago))
            connection.execute(sa.update(meta).where(meta.c.key == f"at-work:{stage}").values(value=earlier))


def leased(ledger, ago):
    """Let a receiver's lease have run out so many milliseconds ago, or be held yet."""
    Desk(ledger).register(["kokuho.main"])
    with ledger.write() as connection:
        connection.execute(sa.update(receiver).values(owner="1:a", until=now_ms() - ago))


def told(ledger, left=None):
    return [(item["kind"], item["why"], item["do"]) for item in morning(ledger, left)]


def test_a_hub_that_never_was_at_work_alarms_nobody_but_files_that_lie_there_do(ledger):
    assert told(ledger) == []
    assert told(ledger, LEFT) == [("left", "in/a.csv, …", "hub drain")]


def test_a_hub_that_works_some_times_a_day_is_not_missed_before_a_day_is_over(ledger):
    worked(ledger, 25 * HOUR, *attendance.STAGES)
    assert told(ledger) == []
    refuse(ledger, "main", 1, at=1_000)
    worked(ledger, 27 * HOUR, *attendance.STAGES)
    (row, other) = morning(ledger)
    assert (row["kind"], row["why"], row["do"]) == ("at-rest", "intake, dispatch, delivery", "hub drain")
    assert abs(now_ms() - 27 * HOUR - datetime.fromisoformat(row["since"]).timestamp() * 1000) < 60_000
    assert other["kind"] == "quarantine", "what is older comes after it all the same"


def test_a_stage_that_alone_is_at_rest_is_named(ledger):
    worked(ledger, 0, "dispatch", "delivery")
    worked(ledger, 27 * HOUR, "intake")
    leased(ledger, -5_000)
    assert told(ledger) == [("at-rest", "intake", "hub drain")]


@pytest.mark.parametrize(
    ("ago", "expected"),
    [(-5_000, []), (60_000, []), (HOUR, [("at-rest", "broken-off", "hub drain")])],
    ids=["it works", "it may be started again", "nobody did"],
)
def test_a_hub_that_was_killed_is_missed_as_soon_as_nobody_has_started_it_again(ledger, ago, expected):
    worked(ledger, ago + 20_000, *attendance.STAGES)
    leased(ledger, ago)
    assert told(ledger) == expected


def test_a_lease_that_was_left_is_no_matter_once_the_hub_was_at_work_again(ledger):
    leased(ledger, 5 * HOUR)
    worked(ledger, HOUR, *attendance.STAGES)
    assert told(ledger) == []


@pytest.mark.parametrize(("managed", "do"), [(True, "hub kafka start"), (False, "hub kafka status")])
def test_a_kafka_that_does_not_answer_a_hub_at_work_is_told_first_and_once(ledger, managed, do):
    refuse(ledger, "main", 1, at=1_000)
    worked(ledger, 0, *attendance.STAGES, kafka={**SILENT, "managed": managed})
    (row, other) = morning(ledger)
    assert (row["kind"], row["why"], row["do"], row["since"][:10]) == ("kafka", "127.0.0.1:1", do, "2025-10-09")
    assert other["kind"] == "quarantine"
    worked(ledger, HOUR, *attendance.STAGES, kafka=SILENT)
    assert [kind for kind, _, _ in told(ledger)] == ["quarantine"], "no hub runs: it needs none"


def test_files_of_a_source_that_waits_for_a_person_are_not_told_twice(ledger):
    worked(ledger, 0, *attendance.STAGES)
    assert told(ledger, LEFT) == [("left", "in/a.csv, …", "hub source list")]
    sources.set_fault(ledger, "juki", "main", Transient("no", code="unreadable"))
    assert [kind for kind, _, _ in told(ledger, LEFT)] == ["source"]
    sources.set_fault(ledger, "juki", "main", None)
    with ledger.write() as connection:
        batches.hold(connection, Arrival("juki", "main", "B", "in/x", 1), 1_000, reason="too many", spool={})
    assert [kind for kind, _, _ in told(ledger, LEFT)] == ["batch"]


def test_a_job_that_waits_for_a_second_person_is_told_until_it_is_approved(ledger):
    asked = {"by": "甲", "reason": "誤り", "totals": {"counts": {"cancel": 2, "hold": 1}}}
    jobs.create(ledger, "replay", {}, [], **asked)
    number = jobs.create(ledger, "cancel", {}, [], **asked, approval=True)
    (item,) = morning(ledger)
    assert (item["kind"], item["name"], item["count"], item["why"]) == ("approval", str(number), 3, "cancel")
    assert item["do"] == f"hub jobs show {number}"
    assert item["since"]
    jobs.approve(ledger, number, "乙")
    assert morning(ledger) == []
