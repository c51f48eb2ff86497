from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.errors import UsageError
from hub.stages import times

TOKYO = ZoneInfo("Asia/Tokyo")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def ms(text):
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("500", 500), ("2.5", 2.5), ("5m", 300), ("2h", 7200), ("1d", 86400), (" 1 h ", 3600)],
)
def test_durations(text, seconds):
    assert times.seconds(text) == seconds


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (1, "1 second"), (0.5, "0.5 seconds"), (90, "90 seconds"), (60, "1 minute"), (5400, "90 minutes"),
        (93600, "26 hours"), (86400, "1 day"), (172800, "2 days"),
    ],
)  # fmt: skip
def test_a_duration_is_said_in_the_largest_unit_that_takes_it_whole(length, said):
    assert times.spoken(length) == said


@pytest.mark.parametrize("text", ["", "soon", "5 weeks", "-5s", "1e3", "５s"])
def test_what_is_no_duration_is_refused_with_the_mend(text):
    with pytest.raises(UsageError) as caught:
        times.seconds(text)
    assert "30s" in caught.value.mend


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20", "2026-11-20T00:00:00+09:00"),
        ("2026-11-20T09:00:00", "2026-11-20T09:00:00+09:00"),
        ("2026-11-20T09:00:00Z", "2026-11-20T09:00:00+00:00"),
        ("2h", "2026-11-23T10:00:00+00:00"),
        ("3d ago", "2026-11-20T12:00:00+00:00"),
    ],
)
def test_since_is_the_first_moment_meant(text, moment):
    assert times.since(text, TOKYO, NOW) == ms(moment)


def test_until_a_date_means_the_whole_day():
    assert times.until("2026-11-20", TOKYO, NOW) == ms("2026-11-21T00:00:00+09:00")
    assert times.until("2026-11-20T09:00:00+09:00", TOKYO, NOW) == ms("2026-11-20T09:00:00+09:00")


def test_no_time_is_no_bound():
    assert times.since(None, TOKYO) is None
    assert times.until(None, TOKYO) is None


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "20261120T", "2 weeks"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        times.since(text, TOKYO)
