"""Days and times as a city's files say them: calendars of closed days, windows, maintenance.

The models know their own days (`Calendar.is_open`); when a receiver is open at a moment, `hub.stages.hours` tells.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hub.settings.model import Clock, Model, Text

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Roll = Literal["none", "next-open", "previous-open"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
YEARLY = re.compile(r"[0-9]{2}-[0-9]{2}", re.ASCII)
DATED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
MOMENT = re.compile(r"(?P<day>([0-9]{4}-)?[0-9]{2}-[0-9]{2})(?:[ T](?P<time>[0-9]{2}:[0-9]{2}))?", re.ASCII)
FARTHEST = 1100  # days looked ahead for an open one


class DayRange(Model):
    """Days from `from_` to `until`, both included: `YYYY-MM-DD`, or `MM-DD` for every year, also over the new year."""

    from_: str = Field(alias="from")
    until: str

    @model_validator(mode="after")
    def _whole(self) -> DayRange:
        yearly = [is_yearly(day) for day in (self.from_, self.until)]
        if yearly[0] != yearly[1]:
            raise ValueError("`from` and `until` are both MM-DD or both YYYY-MM-DD")
        if not yearly[0] and self.until < self.from_:
            raise ValueError("`until` lies before `from`")
        return self

    def holds(self, date: dt.date) -> bool:
        """Tell whether the date is one of them."""
        if not is_yearly(self.from_):
            return self.from_ <= date.isoformat() <= self.until
        day = f"{date:%m-%d}"
        if self.from_ <= self.until:
            return self.from_ <= day <= self.until
        return day >= self.from_ or day <= self.until


class ClosedDays(Model):
    """The days on which an office is closed."""

    weekdays: tuple[Weekday, ...] = ()
    holidays: Literal["japan", "none"] = "none"
    dates: tuple[DayRange, ...] = ()


class Calendar(Model):
    """The days on which an office is open: all that are not `closed`, and those in `open_` in any case."""

    title: Text = {}
    closed: ClosedDays = ClosedDays()
    open_: tuple[DayRange, ...] = Field(default=(), alias="open")

    def is_open(self, date: dt.date) -> bool:
        """Tell whether the office is open on a day."""
        if any(days.holds(date) for days in self.open_):
            return True
        closed = self.closed
        return not (
            WEEKDAYS[date.weekday()] in closed.weekdays
            or any(days.holds(date) for days in closed.dates)
            or (closed.holidays == "japan" and is_japanese_holiday(date))
        )

    def next_open(self, date: dt.date) -> dt.date | None:
        """Return the first open day from this one on, itself included; None: there is none for three years."""
        return self._first(date + dt.timedelta(days=days) for days in range(FARTHEST))

    def previous_open(self, date: dt.date) -> dt.date | None:
        """Return the last open day up to this one, itself included; None: there is none for three years."""
        return self._first(date - dt.timedelta(days=days) for days in range(FARTHEST))

    def roll(self, date: dt.date, rule: Roll) -> dt.date:
        """Return a deadline that falls on this day, moved off closed days as `within.roll` says."""
        moved = {"none": None, "next-open": self.next_open, "previous-open": self.previous_open}[rule]
        return (moved(date) if moved else None) or date

    def _first(self, days: Iterable[dt.date]) -> dt.date | None:
        return next((day for day in days if self.is_open(day)), None)


class Window(Model):
    """When a receiver takes deliveries: `opens`/`closes` are `HH:MM` in the city's time zone.

    With `opens` it takes them from then on. With `closes` alone they are collected, and handed over in the `lead`
    (seconds) before it.
    """

    opens: Clock | None = None
    closes: Clock | None = None
    calendar: str | None = None
    lead: Annotated[float, Field(gt=0, le=86400)] = 300.0

    @property
    def collects(self) -> bool:
        """Tell whether deliveries are collected until the window's end instead of going at once."""
        return self.closes is not None and self.opens is None


class Maintenance(Model):
    """A time in which a receiver is closed as planned.

    With `weekday` (of these, with `nth`, only the first, second …) or `day` of the month, `from_` and `until` are
    `HH:MM`; without, they are `YYYY-MM-DD` or, for every year, `MM-DD`, each with or without ` HH:MM`.
    """

    weekday: tuple[Weekday, ...] = ()
    nth: tuple[Annotated[int, Field(ge=1, le=5)], ...] = ()
    day: tuple[Annotated[int, Field(ge=1, le=31)] | Literal["last"], ...] = ()
    from_: str | None = Field(default=None, alias="from")
    until: str | None = None
    note: str = ""

    @property
    def recurs(self) -> bool:
        """Tell whether it comes back every week or month."""
        return bool(self.weekday or self.day)

    def meets(self, date: dt.date) -> bool:
        """Tell whether a weekly or monthly one begins on this day."""
        if self.weekday and WEEKDAYS[date.weekday()] not in self.weekday:
            return False
        if self.nth and (date.day - 1) // 7 + 1 not in self.nth:
            return False
        last = (date + dt.timedelta(days=1)).day == 1
        return not self.day or date.day in self.day or (last and "last" in self.day)


def is_yearly(day: str) -> bool:
    """Tell whether a day is one of every year, `MM-DD`."""
    return YEARLY.fullmatch(day) is not None


def check_day(text: str) -> None:
    """Raise `ValueError` for a text that is neither `YYYY-MM-DD` nor `MM-DD` of a day that exists."""
    if YEARLY.fullmatch(text):
        dt.date.fromisoformat(f"2024-{text}")  # a leap year: 02-29 is a day of every year that has it
    elif DATED.fullmatch(text):
        dt.date.fromisoformat(text)
    else:
        raise ValueError(text)


@lru_cache(maxsize=4096)
def is_japanese_holiday(date: dt.date) -> bool:
    """Tell whether a day is a public holiday in Japan (国民の祝日に関する法律), 振替休日 and 国民の休日 included."""
    import jpholiday  # noqa: PLC0415 - slow to import, and cities without windows never ask

    return bool(jpholiday.is_holiday(date))


CITY_CALENDAR = Calendar(
    title={"ja": "市役所の開庁日", "en": "Days the city hall is open"},
    closed=ClosedDays(
        weekdays=("sat", "sun"), holidays="japan", dates=(DayRange.model_validate({"from": "12-29", "until": "01-03"}),)
    ),
)
