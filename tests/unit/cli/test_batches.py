"""`hub batches`: listed, shown, and decided with who and why."""

import json
from collections import Counter

import pytest

from hub.ledger import batches
from hub.ledger.batches import Arrival


@pytest.fixture
def ledger(ledger):
    with ledger.write() as connection:
        arrival = Arrival("juki", "sabun", "A.csv@1", "in/A.csv", 63, Counter({"resident.died": 61}), 2, whole=True)
        batches.hold(
            connection, arrival, 1_760_000_000_000, reason="61 resident.died, more than 60", spool={"file": "a"}
        )
        batches.record(connection, [Arrival("koseki", "main", "B.csv@1", rows=1, whole=True)], 1_760_000_001_000)
    return ledger


def test_what_is_held_is_listed_with_its_reason(hub, city, ledger):
    shown = json.loads(hub("batches", "list", "--status", "held", "--json", "--city", city).stdout)
    assert shown == {
        "items": [
            {
                "system": "juki",
                "source": "sabun",
                "id": "A.csv@1",
                "label": "in/A.csv",
                "first_seen": "2025-10-09T08:53:20.000Z",
                "last_seen": "2025-10-09T08:53:20.000Z",
                "rows": 63,
                "events": {"resident.died": 61},
                "quarantined": 2,
                "status": "held",
                "reason": "61 resident.died, more than 60",
                "decided_at": None,
                "decided_by": None,
                "note": None,
            }
        ],
        "next": None,
    }
    text = hub("batches", "list", "--city", city).stdout
    assert "61 resident.died, more than 60" in text
    assert "koseki.main" in text


def test_a_batch_is_shown(hub, city, ledger):
    assert json.loads(hub("batches", "show", "juki/A.csv@1", "--json", "--city", city).stdout)["rows"] == 63
    assert "61 resident.died" in hub("batches", "show", "A.csv@1", "--city", city).stdout
    assert hub("batches", "show", "C.csv@1", "--city", city).exit_code == 1


def test_a_batch_is_shown_in_the_citys_time(hub, city, ledger):
    assert "first_seen: 2025-10-09 17:53:20+09:00" in hub("batches", "show", "A.csv@1", "--city", city).stdout


@pytest.mark.parametrize(("verb", "status"), [("release", "released"), ("reject", "rejected")])
def test_a_person_decides_with_a_reason(hub, city, ledger, verb, status):
    assert hub("batches", verb, "A.csv@1", "--city", city).exit_code == 2, "a reason is needed"
    done = hub("batches", verb, "A.csv@1", "--reason", "looked at", "--by", "keiko", "--json", "--city", city)
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert (found["status"], found["decided_by"], found["note"]) == (status, "keiko", "looked at")
    assert found["decided_at"]
    assert status in hub("batches", verb, "A.csv@1", "--reason", "again", "--city", city).stdout
    assert hub("batches", verb, "B.csv@1", "--reason", "looked at", "--city", city).exit_code == 2


@pytest.mark.parametrize("verb", ["release", "reject"])
def test_a_trial_shows_the_batch_and_changes_nothing(hub, city, ledger, verb):
    words = ("batches", verb, "A.csv@1", "--reason", "looked at", "--dry-run", "--city", city)
    shown = hub(*words).stdout
    assert "reason: 61 resident.died, more than 60" in shown
    assert "nothing is done" in shown
    assert json.loads(hub(*words, "--json").stdout)["status"] == "held"
    assert batches.show(ledger, "A.csv@1").status == "held"
    other = ("batches", verb, "B.csv@1", "--reason", "looked at", "--dry-run", "--city", city)
    assert hub(*other).exit_code == 2, "what would be refused is refused"


def test_unknown_statuses_are_refused(hub, city, ledger):
    assert hub("batches", "list", "--status", "hold", "--city", city).exit_code == 2
