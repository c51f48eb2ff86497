from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.functions.times import PARTS, date_in

TIMES = st.datetimes(timezones=st.timezones())


@pytest.mark.parametrize(
    ("text", "tokyo", "new_york"),
    [
        ("2026-03-31T20:00:00Z", "2026-04-01", "2026-03-31"),
        ("2026-03-31t20:00:00.5z", "2026-04-01", "2026-03-31"),
        ("2026-04-01T09:00:00+09:00", "2026-04-01", "2026-03-31"),
        ("2026-04-01 09:00:00.123456+09", "2026-04-01", "2026-03-31"),
        ("2026-03-31T15:00Z", "2026-04-01", "2026-03-31"),
        ("2026-03-31T14:59:59Z", "2026-03-31", "2026-03-31"),
        ("2026-03-31T23:59", "2026-03-31", "2026-03-31"),
        ("2026-03-31", "2026-03-31", "2026-03-31"),
        (" ", None, None),
    ],
)
def test_a_time_is_of_the_citys_day(text: str, tokyo: str | None, new_york: str | None) -> None:
    assert date_in("Asia/Tokyo")(text) == tokyo
    assert date_in("America/New_York")(text) == new_york


@pytest.mark.parametrize(
    "value", ["20260401", "2026-04-01T", "2026-W14-3", "2026-04-01T24:30Z", "2026-02-30", 20260401]
)
def test_what_is_neither_is_refused(value: str | int) -> None:
    with pytest.raises(ValueError, match=str(value)):
        date_in("Asia/Tokyo")(value)


@given(TIMES)
def test_the_parts_of_a_time_are_its_own(time: datetime) -> None:
    part = {name: read(time) for name, read in PARTS.items()}
    assert (part["getFullYear"], part["getMonth"] + 1, part["getDayOfMonth"] + 1) == (time.year, time.month, time.day)
    assert (part["getHours"], part["getMinutes"], part["getSeconds"]) == (time.hour, time.minute, time.second)
    assert date(time.year, 1, 1) + timedelta(days=part["getDayOfYear"]) == time.date()
    assert f"{part['getDayOfWeek']}" == f"{time:%w}"
    assert part["getDate"] == time.day


def test_the_parts_are_told_in_any_zone_and_of_durations() -> None:
    time = datetime(2025, 12, 31, 20, tzinfo=UTC)
    assert [PARTS[name](time, "Asia/Tokyo") for name in ("getFullYear", "getMonth", "getDayOfYear")] == [2026, 0, 0]
    assert [PARTS[name](timedelta(minutes=-90)) for name in ("getHours", "getMinutes")] == [-1, -90]
    with pytest.raises(ValueError, match="needs a time"):
        PARTS["getDate"](timedelta(hours=1))
    with pytest.raises(ValueError, match="needs a time"):
        PARTS["getHours"](timedelta(hours=1), "Asia/Tokyo")
