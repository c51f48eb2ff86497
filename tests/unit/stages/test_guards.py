"""A guard says in words how a batch breaks it, and nothing of one that does not."""

from collections import Counter

import pytest

from hub.ledger.batches import Arrival
from hub.settings.models import Guard
from hub.stages.guards import breaches


def arrival(rows: int, **events: int) -> Arrival:
    return Arrival("juki", "sabun", "B1", rows=rows, events=Counter({f"resident.{k}": n for k, n in events.items()}))


@pytest.mark.parametrize(
    ("rows", "said"), [(9, ["9 rows, fewer than 10"]), (10, []), (20, []), (21, ["21 rows, more than 20"])]
)
def test_rows_are_bounded_on_both_sides(rows, said):
    assert breaches(Guard(rows=(10, 20)), arrival(rows), []) == said


@pytest.mark.parametrize(("rows", "held"), [(79, True), (80, False), (120, False), (121, True), (0, True)])
def test_the_size_is_compared_with_the_median_of_earlier_ones(rows, held):
    assert bool(breaches(Guard(change="20%"), arrival(rows), [100, 5000, 1, 100, 101])) is held


def test_a_fraction_of_a_percent_counts():
    assert breaches(Guard(change="0.5%"), arrival(1005), [1000]) == []
    (said,) = breaches(Guard(change="0.5%"), arrival(1006), [1000])
    assert said == "1006 rows, more than 0.5% away from the usual 1000 (median of the last 1)"


def test_a_first_batch_is_compared_with_nothing():
    assert breaches(Guard(change="20%"), arrival(5), []) == []


def test_after_empty_ones_anything_is_unusual():
    assert breaches(Guard(change="20%"), arrival(0), [0, 0]) == []
    assert breaches(Guard(change="20%"), arrival(1), [0, 0])


def test_events_are_counted_by_type():
    guard = Guard(per_event={"resident.died": 60, "resident.moved": 5})
    assert breaches(guard, arrival(100, died=60, moved=5), []) == []
    assert breaches(guard, arrival(100, died=61, moved=6, born=99), []) == [
        "61 resident.died, more than 60",
        "6 resident.moved, more than 5",
    ]


def test_every_breach_is_said():
    guard = Guard(rows=(10, 20), change="20%", per_event={"resident.died": 0})
    assert len(breaches(guard, arrival(5, died=1), [15])) == 3
