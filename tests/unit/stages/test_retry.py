"""When a failed delivery is tried again; chance and the clock are passed in."""

import datetime as dt
import random

import pytest

from hub.settings.models import Retry
from hub.stages.retry import Schedule

NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


class Fixed(random.Random):
    """Chance that always falls at the same share of the range."""

    def __init__(self, share):
        super().__init__()
        self.share = share

    def uniform(self, a, b):
        return a + (b - a) * self.share


MIDDLE = Fixed(0.5)


def seconds(schedule, attempt, retry_after=None, rng=MIDDLE, *, others_succeed=False):
    due = schedule.due(attempt, NOW, retry_after, rng, others_succeed=others_succeed)
    return None if due is None else pytest.approx((due - NOW).total_seconds())


def test_the_delays_in_turn_then_the_last_one_for_ever():
    schedule = Schedule.of(Retry())
    assert [seconds(schedule, attempt) for attempt in (1, 2, 3, 4, 5, 6, 7, 1000)] == [
        5, 60, 300, 1800, 7200, 14400, 14400, 14400,
    ]  # fmt: skip


def test_what_failed_together_does_not_come_back_together():
    schedule = Schedule.of(Retry(delays=(100.0,), then=1000.0))
    assert (seconds(schedule, 1, rng=Fixed(0)), seconds(schedule, 1, rng=Fixed(1))) == (90, 110)
    rng = random.Random(7)  # noqa: S311
    spread = {schedule.due(2, NOW, None, rng, others_succeed=True) for _ in range(100)}
    assert len(spread) == 100
    assert all(900 <= (due - NOW).total_seconds() <= 1100 for due in spread)


def test_a_system_is_left_alone_as_long_as_it_asks():
    schedule = Schedule.of(Retry())
    assert seconds(schedule, 6, 30.0, Fixed(0)) == 30
    assert seconds(schedule, 1, 600.0, Fixed(0)) == 600
    assert seconds(schedule, 1, 600.0, Fixed(1)) == 660
    assert seconds(schedule, 4, 0.0, Fixed(0)) == 5, "never at once"
    assert seconds(schedule, 1, 1e9, Fixed(0)) == 86_400


def test_nothing_is_given_up_by_itself():
    assert seconds(Schedule.of(Retry()), 10_000, others_succeed=True) == 14400


def test_given_up_after_so_many_attempts_but_only_while_others_get_through():
    schedule = Schedule.of(Retry(give_up=3))
    assert seconds(schedule, 2, others_succeed=True) == 60
    assert seconds(schedule, 3, others_succeed=True) is None
    assert seconds(schedule, 3, others_succeed=False) == 300
    assert seconds(schedule, 9, others_succeed=False) == 14400
    assert seconds(schedule, 9, 30.0, others_succeed=True) is None


def test_without_delays_the_last_one_counts_from_the_start():
    assert seconds(Schedule.of(Retry(delays=(), then=60.0)), 1) == 60
