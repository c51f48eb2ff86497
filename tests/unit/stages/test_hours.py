"""When a receiver is open, at moments passed in."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from hub.settings.load import load_city
from hub.stages.hours import Closed, Hours, Open

TOKYO = ZoneInfo("Asia/Tokyo")


def at(text, zone=TOKYO):
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone)


@pytest.fixture
def hours(tmp_path):
    def hours(line):
        (tmp_path / "systems").mkdir()
        (tmp_path / "hub.yaml").write_text("city: test\n")
        (tmp_path / "systems" / "a.yaml").write_text(f"system: a\nreceives:\n  adapter: csv\n  path: o/\n  {line}\n")
        city = load_city(tmp_path, environ={})
        return Hours.of(city.systems["a"].receives["main"], city)

    return hours


def states(hours, *moments):
    """Return for each moment `open`, or why and until when it is closed."""
    found = [hours.state(at(moment)) for moment in moments]
    return [
        "open" if isinstance(each, Open) else f"{each.reason} {each.until:%m-%d %H:%M}" if each.until else each.reason
        for each in found
    ]


def test_without_hours_it_is_always_open(hours):
    found = hours("enabled: true")
    assert found.always
    assert found.state(at("2026-01-01 03:00")) == Open()
    assert found.next_close(at("2026-01-01 03:00")) is None


def test_a_time_of_day_on_open_days(hours):
    found = hours('window: {opens: "08:30", closes: "17:15", calendar: city}')
    assert states(
        found,
        "2026-11-20 08:29",  # Friday
        "2026-11-20 08:30",
        "2026-11-20 17:14",
        "2026-11-20 17:15",  # then a Saturday, a Sunday and 勤労感謝の日
        "2026-12-28 18:00",  # 仕事納め
    ) == ["window 11-20 08:30", "open", "open", "window 11-24 08:30", "window 01-04 08:30"]
    assert found.state(at("2026-11-20 09:00")) == Open(at("2026-11-20 17:15"))
    assert found.next_close(at("2026-11-20 09:00")) == at("2026-11-20 17:15")
    assert found.next_close(at("2026-11-20 17:15")) == at("2026-11-24 17:15")


def test_moments_come_in_any_zone(hours):
    found = hours('window: {opens: "08:30", closes: "17:15"}')
    assert isinstance(found.state(dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC)), Open)
    closed = found.state(dt.datetime(2026, 11, 19, 23, 29, tzinfo=dt.UTC))
    assert closed.until == dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC)
    assert closed.until.tzinfo == TOKYO


def test_a_window_over_midnight_belongs_to_the_day_it_opens(hours):
    found = hours('window: {opens: "20:00", closes: "06:00", calendar: city}')
    assert states(found, "2026-11-20 23:00", "2026-11-21 05:59", "2026-11-21 06:00", "2026-11-24 03:00") == [
        "open",
        "open",
        "window 11-24 20:00",
        "window 11-24 20:00",
    ]


def test_without_its_other_end_a_window_is_open_to_midnight_or_all_day(hours):
    assert states(hours('window: {opens: "22:00"}'), "2026-11-20 21:59", "2026-11-20 23:59", "2026-11-21 00:00") == [
        "window 11-20 22:00",
        "open",
        "window 11-21 22:00",
    ]


def test_a_calendar_alone_is_open_day_and_night(hours):
    found = hours("window: {calendar: city}")
    assert states(found, "2026-11-19 00:00", "2026-11-20 23:59", "2026-11-21 00:00") == [
        "open",
        "open",
        "window 11-24 00:00",
    ]
    assert found.next_close(at("2026-11-18 12:00")) == at("2026-11-21 00:00")


def test_a_collecting_window_hands_over_before_it_closes(hours):
    found = hours('window: {closes: "19:00", calendar: city}')
    assert states(
        found, "2026-11-19 19:00", "2026-11-20 18:54", "2026-11-20 18:55", "2026-11-20 18:59", "2026-11-20 19:00"
    ) == ["window 11-20 18:55", "window 11-20 18:55", "open", "open", "window 11-24 18:55"]
    assert found.next_close(at("2026-11-20 18:59")) == at("2026-11-20 19:00")
    assert found.next_close(at("2026-11-20 19:00")) == at("2026-11-24 19:00")


def test_a_lead_may_begin_the_day_before(hours):
    found = hours('window: {closes: "00:03", lead: 10m, calendar: city}')
    assert states(found, "2026-11-19 23:52", "2026-11-19 23:53", "2026-11-20 00:02", "2026-11-20 00:03") == [
        "window 11-19 23:53",
        "open",
        "open",
        "window 11-23 23:53",
    ]


def test_closing_hands_over_whatever_the_window_says_but_not_in_maintenance(hours):
    found = hours('window: {closes: "19:00", calendar: city}\n  maintenance: {weekday: sun, until: "05:00"}')
    assert isinstance(found.state(at("2026-11-20 10:00")), Closed)
    assert found.state(at("2026-11-20 10:00"), closing=True) == Open()
    assert found.state(at("2026-11-22 04:00"), closing=True) == Closed("maintenance", at("2026-11-22 05:00"))


def test_weekly_and_monthly_maintenance(hours):
    found = hours(
        'maintenance: [{weekday: sun, from: "02:00", until: "05:00"}, {weekday: wed, nth: [1, 3]},'
        ' {day: [1, last], from: "22:00", until: "04:00"}]'
    )
    assert states(
        found,
        "2026-11-22 01:59",  # Sunday
        "2026-11-22 02:00",
        "2026-11-22 05:00",
        "2026-11-18 00:00",  # third Wednesday
        "2026-11-11 12:00",  # second
        "2026-11-01 23:00",  # the 1st, which is a Sunday
        "2026-11-02 03:59",
        "2026-11-30 22:00",  # the last
        "2027-02-28 22:00",
        "2026-11-29 22:00",
    ) == [
        "open",
        "maintenance 11-22 05:00",
        "open",
        "maintenance 11-19 00:00",
        "open",
        "maintenance 11-02 04:00",
        "maintenance 11-02 04:00",
        "maintenance 12-01 04:00",
        "maintenance 03-01 04:00",
        "open",
    ]


def test_dated_maintenance_once_and_every_year(hours):
    found = hours(
        "maintenance: [{from: 2026-11-21 18:00, until: 2026-11-24 08:00}, {from: 12-29, until: 01-03, note: 年末年始},"
        " {from: 02-29, until: 02-29}]"
    )
    assert states(
        found,
        "2026-11-21 17:59",
        "2026-11-21 18:00",
        "2026-11-24 08:00",
        "2027-11-22 00:00",
        "2026-12-28 23:59",
        "2026-12-29 00:00",
        "2027-01-03 23:59",
        "2027-01-04 00:00",
        "2030-01-02 12:00",
        "2028-02-29 12:00",
        "2028-02-28 12:00",
    ) == [
        "open",
        "maintenance 11-24 08:00",
        "open",
        "open",
        "open",
        "maintenance 01-04 00:00",
        "maintenance 01-04 00:00",
        "open",
        "maintenance 01-04 00:00",
        "maintenance 03-01 00:00",
        "open",
    ]
    assert found.state(at("2027-01-01 00:00")) == Closed("maintenance", at("2027-01-04 00:00"), "年末年始")


def test_until_is_when_it_is_really_open_again(hours):
    found = hours(
        'window: {opens: "08:30", closes: "17:15", calendar: city}\n'
        '  maintenance: [{from: 2026-11-20 16:00, until: 2026-11-20 18:00, note: 更新}, {day: 24, until: "10:00"}]'
    )
    assert found.state(at("2026-11-20 16:30")) == Closed("maintenance", at("2026-11-24 10:00"), "更新")
    assert found.state(at("2026-11-20 18:00")) == Closed("window", at("2026-11-24 10:00"))


def test_what_never_opens_says_so(hours):
    found = hours("maintenance: {weekday: [mon, tue, wed, thu, fri, sat, sun]}")
    assert found.state(at("2026-11-20 12:00")) == Closed("maintenance", None)


def test_a_calendar_without_an_open_day_never_opens(tmp_path, hours):
    (tmp_path / "calendars").mkdir()
    (tmp_path / "calendars" / "none.yaml").write_text("closed: {weekdays: [mon, tue, wed, thu, fri, sat, sun]}")
    found = hours('window: {closes: "19:00", calendar: none}')
    assert found.state(at("2026-11-20 12:00")) == Closed("window", None)
    assert found.next_close(at("2026-11-20 12:00")) is None


def test_a_year_minute_by_minute_agrees_with_the_next_opening(hours):
    """Whatever `until` says is the first quarter of an hour at which it is open."""
    found = hours(
        'window: {opens: "08:30", closes: "17:15", calendar: city}\n  maintenance: {weekday: wed, until: "12:00"}'
    )
    moment, step = at("2026-12-20 00:00"), dt.timedelta(minutes=15)
    promised = None
    for _ in range(4 * 24 * 25):
        state = found.state(moment)
        if isinstance(state, Closed):
            assert promised in {None, state.until}
            promised = state.until
        else:
            assert promised in {None, moment}
            promised = None
        moment += step
