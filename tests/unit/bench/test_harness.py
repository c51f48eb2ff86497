"""What the benches make of their figures."""

import pytest

from bench.flow import number_in, percentile, waits
from bench.harness import Goal, Limit, Results, outcome
from bench.hubs import start_of
from bench.meter import Sample, interpolated
from bench.report import figures, filled


@pytest.fixture
def results():
    made = Results()
    for rate, floor in ((30.0, 10.0), (24.0, 12.0), (50.0, 10.0)):
        made.add("hub", {"deliveries/s": rate})
        made.add("floor", {"deliveries/s": floor})
    return made


def test_spread_is_median_least_most(results):
    assert results.spread("hub")["deliveries/s"] == (30.0, 24.0, 50.0)


def test_a_ratio_is_the_median_of_the_runs_own(results):
    told = outcome(results, Goal("over the floor", "deliveries/s", "hub", "floor", least=3.0))
    assert (told["value"], told["met"]) == (3.0, True)


def test_a_goal_that_is_missed_or_has_not_taken_part(results):
    assert outcome(results, Limit("rate", "hub", "deliveries/s", most=29))["met"] is False
    assert outcome(results, Limit("rate", "other", "deliveries/s", most=29))["value"] is None


def test_the_clock_starts_behind_the_warm_events():
    polls = [(100, 10), (200, 40), (300, 50)]
    assert start_of(polls, 10) == (200, 90)
    assert start_of(polls, 5) == (200, 90)
    assert start_of(polls, 60) == (100, 100)  # too little would be left


def test_cpu_between_samples_is_interpolated():
    samples = [Sample(1.0, {"hub": 2.0}, {}), Sample(2.0, {"hub": 4.0}, {})]
    assert interpolated(samples, 1.5) == {"hub": 3.0}
    assert interpolated(samples, 0.0) == {"hub": 2.0}
    assert interpolated(samples, 9.0) == {"hub": 4.0}


def test_percentiles_are_nearest_rank():
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, part) for part in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]


def test_waits_are_sorted_milliseconds_over_all_files():
    assert waits({1: 10.0, 2: 20.0}, [{1: 10.5, 2: 20.1}, {2: 19.9}]) == pytest.approx([0.0, 100.0, 500.0])


def test_the_number_of_a_line_is_read_without_decoding_it():
    assert number_in(b'{"specversion":"1.0","id":"e0000042","data":{}}') == 42


def test_the_report_replaces_only_what_was_measured(results):
    result = {
        "bench": "fan-out",
        "began": "2026-01-01T00:00:00+00:00",
        "sizes": {"quick": False, "runs": 3, "events": 50_000},
        "machine": {"cores": 2, "processor": "P", "memory_gb": 8, "python": "3.11"},
        "summary": {name: results.spread(name) for name in results.runs},
        "goals": [outcome(results, Goal("over", "deliveries/s", "hub", "floor", least=3.5))],
    }
    page = "a\n<!-- figures: fan-out -->\nold\n<!-- end -->\n<!-- figures: rules -->\nkept\n<!-- end -->\n"
    told = filled(page, {"fan-out": result})
    assert "old" not in told
    assert "kept" in told
    assert filled(told, {"fan-out": result}) == told
    assert "| hub | 30 [24 – 50] |" in told
    assert "| over | at least 3.5 | 3.00 ✗ |" in figures(result)
