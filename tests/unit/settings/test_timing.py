"""Calendars, windows, maintenance and alerts as they are written, and what is said of wrong ones."""

import datetime as dt
import re
from pathlib import Path

import jpholiday
import pytest

from hub.routing.lint import check
from hub.settings.calendars import CITY_CALENDAR
from hub.settings.load import load_city
from hub.settings.secret import Secret

date = dt.date.fromisoformat
HEAD = "system: a\nreceives:\n  adapter: csv\n  path: out/\n"


@pytest.fixture
def calendar(load):
    return lambda text: load({"calendars/city.yaml": text}).calendars["city"]


# --- calendars --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "is_open"),
    [
        ("2026-11-20", True),  # a Friday
        ("2026-11-21", False),  # Saturday
        ("2026-11-23", False),  # 勤労感謝の日
        ("2026-05-06", False),  # 振替休日 of May 3
        ("2026-09-22", False),  # 国民の休日 between two holidays
        ("2027-03-22", False),  # 振替休日 of 春分の日
        ("2019-05-01", False),  # the enthronement, a holiday of that year alone
        ("2026-12-28", True),
        ("2026-12-29", False),
        ("2026-12-31", False),
        ("2027-01-01", False),
        ("2027-01-03", False),
        ("2027-01-04", True),
        ("2024-02-29", True),
    ],
)
def test_the_city_is_closed_as_japanese_city_halls_are(day, is_open):
    assert CITY_CALENDAR.is_open(date(day)) is is_open


def test_a_golden_year_of_the_city():
    closed = [day for n in range(365) if not CITY_CALENDAR.is_open(day := date("2026-01-01") + dt.timedelta(days=n))]
    weekends = {day for day in closed if day.weekday() >= 5}
    assert len(weekends) == 104
    assert [f"{day:%m-%d}" for day in closed if day not in weekends] == [
        "01-01", "01-02", "01-12", "02-11", "02-23", "03-20", "04-29", "05-04", "05-05", "05-06", "07-20", "08-11",
        "09-21", "09-22", "09-23", "10-12", "11-03", "11-23", "12-29", "12-30", "12-31",
    ]  # fmt: skip


def test_a_day_is_rolled_off_closed_days():
    golden_week = date("2026-05-02")
    assert CITY_CALENDAR.next_open(golden_week) == date("2026-05-07")
    assert CITY_CALENDAR.previous_open(golden_week) == date("2026-05-01")
    assert CITY_CALENDAR.next_open(date("2026-05-07")) == date("2026-05-07")
    assert CITY_CALENDAR.roll(golden_week, "next-open") == date("2026-05-07")
    assert CITY_CALENDAR.roll(golden_week, "previous-open") == date("2026-05-01")
    assert CITY_CALENDAR.roll(golden_week, "none") == golden_week


def test_a_city_without_calendars_has_its_own(load):
    assert load({}).calendars == {"city": CITY_CALENDAR}


def test_a_written_calendar_speaks_for_itself(calendar):
    found = calendar(
        "title: 窓口\nclosed:\n  weekdays: mon\n  dates: [2026-11-20, {from: 12-29, until: 01-03}, {from: 2026-08-12,"
        " until: 2026-08-14}]\nopen: [2026-12-29, {from: 2026-08-13, until: 2026-08-13}]\n"
    )
    days = {day: found.is_open(date(day)) for day in ("2026-11-16", "2026-11-20", "2026-11-21", "2026-11-23")}
    assert days == {"2026-11-16": False, "2026-11-20": False, "2026-11-21": True, "2026-11-23": False}
    assert [found.is_open(date(f"2026-08-{day}")) for day in (12, 13, 14)] == [False, True, False]
    assert [found.is_open(date(day)) for day in ("2026-12-29", "2026-12-30", "2027-01-03", "2027-12-29")] == [
        True, False, False, False,
    ]  # fmt: skip
    assert found.title == {"ja": "窓口"}


def test_a_list_is_the_closed_dates(calendar):
    found = calendar('closed: [2026-12-28, "02-29"]')
    assert not found.is_open(date("2026-12-28"))
    assert not found.is_open(date("2028-02-29"))
    assert found.is_open(date("2026-12-29"))


def test_a_calendar_that_is_never_open_ends(calendar):
    found = calendar("closed: {weekdays: [mon, tue, wed, thu, fri, sat, sun]}")
    assert found.next_open(date("2026-01-01")) is None
    assert found.roll(date("2026-01-01"), "next-open") == date("2026-01-01")


def test_holidays_are_the_librarys():
    assert CITY_CALENDAR.closed.holidays == "japan"
    years = [day for year in range(2020, 2035) for day, _ in jpholiday.year_holidays(year)]
    assert not any(CITY_CALENDAR.is_open(day) for day in years)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("closed: {weekdays: [sunday]}", "1:21: `weekdays`: `sunday` is no day of the week (write one of: mon"),
        ("closed: {dates: [2026-02-30]}", "1:18: `dates`: `2026-02-30` is no day (write 2026-12-29, or"),
        ("closed: [{from: 12-29}]", "1:10: `dates`: days need `from` and `until`"),
        ("closed: [{from: 12-29, till: 01-03}]", "1:10: `dates`: days have no key `till`"),
        ("closed: [{from: 12-29, until: 2027-01-03}]", "1:10: `dates`: `from` and `until` are both MM-DD or both"),
        ("open: {from: 2027-01-03, until: 2026-12-29}", "1:7: `open`: `until` lies before `from`"),
        ("closed: {holidays: jp}", "1:20: `holidays` cannot be `jp` (write one of: japan, none)"),
        ("close: []", "1:1: a calendar has no key `close` (did you mean `closed`?)"),
        ("[]", "1:1: a calendar's file must be a mapping"),
    ],
)
def test_a_wrong_calendar_is_named_with_its_mend(problems, text, problem):
    (found,) = problems({"calendars/city.yaml": text})
    assert found.startswith(f"calendars/city.yaml:{problem}")


ANSWERED = """  acknowledged:
    from: {adapter: csv, path: in/*.csv}
    match: {no: int(row.no)}
    by: {at: "09:00", calendar: desk}"""


def test_a_calendar_that_is_not_there_is_named(problems):
    found = problems({"hub.yaml": "calendar: hall", "systems/a.yaml": HEAD + "  window: {calendar: ward}\n" + ANSWERED})
    assert found == [
        "hub.yaml:1:11: there is no calendar `hall` (write calendars/hall.yaml; there is: city)",
        "systems/a.yaml:5:22: there is no calendar `ward` (write calendars/ward.yaml; there is: city)",
        "systems/a.yaml:9:33: there is no calendar `desk` (write calendars/desk.yaml; there is: city)",
    ]


# --- windows and maintenance ------------------------------------------------------------------------------------------


@pytest.fixture
def receiver(load):
    return lambda line: load({"systems/a.yaml": HEAD + "  " + line}).systems["a"].receives["main"]


def test_a_window_with_closes_alone_collects(receiver):
    window = receiver('window: {closes: "19:00", calendar: city}').window
    assert (window.collects, window.lead) == (True, 300)
    assert receiver('window: {closes: "19:00", lead: 1h}').window.lead == 3600
    assert not receiver('window: {opens: "08:30", closes: "19:00"}').window.collects


def test_maintenance_is_one_or_a_list(receiver):
    (one,) = receiver('maintenance: {weekday: sun, nth: 3, from: "02:00", until: "05:00", note: 定期保守}').maintenance
    assert (one.weekday, one.nth, one.from_, one.until, one.note) == (("sun",), (3,), "02:00", "05:00", "定期保守")
    two = receiver(
        "maintenance: [{from: 2026-12-29 22:00, until: 2027-01-03T08:00}, {day: [1, last]},"
        " {from: 12-29, until: 01-03}]"
    ).maintenance
    assert [(each.from_, each.until, each.day) for each in two] == [
        ("2026-12-29 22:00", "2027-01-03 08:00", ()),
        (None, None, (1, "last")),
        ("12-29", "01-03", ()),
    ]
    assert receiver("max_rows: 5").maintenance == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('window: {opens: "24:00"}', "5:19: a window cannot open at 24:00"),
        ('window: {opens: "08:00", closes: "08:00"}', "5:36: a window cannot close when it opens"),
        ('window: {opens: "08:00", lead: 5m}', "5:28: `lead` is for a window that has `closes` alone"),
        ('window: {closes: "7pm"}', '5:20: `closes` cannot be `7pm` (write it like "19:00")'),
        ('window: {closes: "19:00", lead: 0s}', "5:35: `lead` cannot be `0.0`"),
        ("maintenance: {weekday: sun, day: 1}", "5:31: either `weekday` or `day`"),
        ("maintenance: {nth: 3, day: 1}", "5:17: `nth` goes with `weekday`"),
        ("maintenance: {weekday: sun, nth: 6}", "5:36: `nth` cannot be `6`"),
        ("maintenance: {day: 32}", "5:22: `day`: `32` is no day of the month (write 1 to 31, or last)"),
        (
            'maintenance: {weekday: sun, from: "25:00"}',
            '5:37: `from`: `25:00` is no time of day (write it like "02:00")',
        ),
        ('maintenance: {weekday: sun, from: "2:00", until: "2:00"}', "5:37: `from`: `2:00` is no time of day"),
        ('maintenance: {day: 1, from: "02:00", until: "02:00"}', "5:47: it ends when it begins"),
        ("maintenance: {from: 2026-12-29}", "5:16: an entry of `maintenance` says no time, or not its end"),
        ("maintenance: {from: 2026-12-29, until: 01-03}", "5:42: `from` and `until` are both of every year"),
        ("maintenance: {from: 2026-12-29 09:00, until: 2026-12-29 08:00}", "5:48: `until` lies before `from`"),
        (
            "maintenance: {from: 2026-02-29, until: 2026-03-01}",
            "5:23: `from`: `2026-02-29` is no day (write 2026-12-29",
        ),
        ("maintenance: sunday", "5:16: `maintenance` must be a list"),
        ("maintenance: [sunday]", "5:17: an entry of `maintenance` must be a mapping"),
        ("maintenance: {wekday: sun}", "5:17: an entry of `maintenance` has no key `wekday` (did you mean `weekday`?)"),
    ],
)
def test_wrong_hours_are_named_with_their_mend(problems, line, problem):
    found = problems({"systems/a.yaml": HEAD + "  " + line})
    assert found[0].startswith(f"systems/a.yaml:{problem}"), found


# --- alerts -----------------------------------------------------------------------------------------------------------


def test_alerts_in_their_short_and_long_forms(load):
    alerts = load(
        {
            "hub.yaml": "alerts:\n  webhook: env:HOOK\n"
            "  chat: [https://chat/a, {url: env:HOOK, headers: {X-Key: env:HOOK}}]\n"
            "  mail: {host: mail.local, from: hub@city, to: joho@city, password: env:HOOK}\n  breaker_after: 1h\n"
        },
        {"HOOK": "https://hook/geheim"},
    ).alerts
    assert [hook.url for hook in alerts.webhook] == ["https://hook/geheim"]
    assert [hook.url for hook in alerts.chat] == ["https://chat/a", "https://hook/geheim"]
    assert (alerts.mail[0].to, alerts.mail[0].security, alerts.breaker_after) == (("joho@city",), "starttls", 3600)
    assert isinstance(alerts.mail[0].password, Secret)
    assert "geheim" not in repr(alerts)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("alerts: [a]", "1:9: `alerts` must be a mapping"),
        ("alerts: {webhok: a}", "1:10: `alerts` has no key `webhok` (did you mean `webhook`?)"),
        ("alerts: {webhook: hook}", "1:19: `url` cannot be `hook`"),
        ("alerts: {mail: {host: a, to: a@b}}", "1:16: `mail` needs `from`"),
        (
            "alerts: {mail: {host: a, from: a@b, to: nobody}}",
            "1:41: `to`: `nobody` is no mail address (write name@host)",
        ),
        ("alerts: {quiet: 5}", "1:17: `quiet`: `5` has no unit of time"),
    ],
)
def test_wrong_alerts_are_named_with_their_mend(problems, text, problem):
    (found,) = problems({"hub.yaml": text})
    assert found.startswith(f"hub.yaml:{problem}")


def test_the_page_says_the_default_calendar(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "reference" / "hours.md").read_text("utf-8")
    text = page.partition("```yaml\n# calendars/city.yaml\n")[2].partition("```")[0]
    (tmp_path / "calendars").mkdir()
    (tmp_path / "hub.yaml").write_text("city: test\n")
    (tmp_path / "calendars" / "city.yaml").write_text(text, "utf-8")
    written = load_city(tmp_path, environ={}).calendars["city"]
    assert written.model_dump() == CITY_CALENDAR.model_dump()


def test_the_examples_of_the_pages_load(tmp_path):
    folder = Path(__file__).parents[3] / "docs" / "reference"
    (tmp_path / "hub.yaml").write_text("city: test\n")
    environ = dict.fromkeys(("CHAT_WEBHOOK", "MONITOR_TOKEN"), "https://chat/x")
    for page in ("hours.md", "alerts.md"):
        for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", (folder / page).read_text("utf-8"), re.DOTALL):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
    city = load_city(tmp_path, environ=environ)
    assert len(city.systems["juki"].receives["main"].maintenance) == 6
    assert city.systems["kaigo"].receives["nightly"].window.collects
    assert (len(city.alerts.chat), len(city.alerts.webhook), len(city.alerts.mail)) == (1, 1, 1)


def test_secrets_of_alerts_do_not_stand_in_the_file(load):
    text = (
        "alerts:\n  webhook: {url: 'https://u:pw@hook/a', headers: {Authorization: Bearer x}}\n"
        "  chat: env:CHAT\n  mail: {host: m, from: a@b, to: a@b, password: env:CHAT}\n"
    )
    found = [each for each in check(load({"hub.yaml": text}, {"CHAT": "https://u:pw@chat/"})) if each.code == "secret"]
    assert [each.place for each in found] == ["hub.yaml:2:12"] * 2
