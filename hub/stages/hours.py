"""When a receiver is open: its window, its calendar and its planned maintenance, at a moment that is passed in.

A window with `opens` is a time of day in which deliveries go at once. A window with `closes` alone collects: deliveries
wait for the `lead` before it closes, and then all that is there is handed over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from zoneinfo import ZoneInfo

from hub.settings.models import Calendar, City, Maintenance, Receiver, Window

DAY = dt.timedelta(days=1)
FARTHEST = 1100  # days looked ahead for an opening
MERGED = dt.timedelta(days=31)  # beyond this nobody asks whether the next day is open as well
CHAIN = 400  # planned closures that may follow each other without a gap
YEARLY_LENGTH = len("12-29")


@dataclass(frozen=True, slots=True)
class Open:
    """The receiver takes deliveries. `until` is when its window closes; None: it has none, or none that closes soon."""

    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Closed:
    """The receiver is closed as planned. `until` is when it is next open, None: never; `note` is the owner's."""

    reason: Literal["window", "maintenance"]
    until: dt.datetime | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Span:
    start: dt.datetime
    end: dt.datetime


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of one receiver. Moments are passed in with their zone and come back in the city's."""

    timezone: dt.tzinfo
    window: Window | None = None
    calendar: Calendar | None = None
    maintenance: tuple[Maintenance, ...] = ()

    @classmethod
    def of(cls, receiver: Receiver, city: City) -> Hours:
        """Return the hours a receiver's settings say."""
        window = receiver.window
        calendar = city.calendars[window.calendar] if window is not None and window.calendar is not None else None
        return cls(ZoneInfo(city.timezone), window, calendar, receiver.maintenance)

    @property
    def always(self) -> bool:
        """Tell whether there is neither a window nor maintenance."""
        return self.window is None and not self.maintenance

    def state(self, now: dt.datetime, *, closing: bool = False) -> Open | Closed:
        """Tell whether the receiver is open. Maintenance is named before the window where both close it.

        `closing` hands over what windows hold, whatever the time (`hub drain --close-windows`); maintenance goes on.
        """
        if self.always:
            return Open()
        moment = self._local(now)
        first: Closed | None = None
        for _ in range(CHAIN):
            found = self._at(moment, closing=closing)
            if isinstance(found, Open):
                return Closed(first.reason, self._aware(moment), first.note) if first else found
            first = first or found
            if found.until is None:
                break
            moment = found.until
        return Closed(first.reason, None, first.note) if first else Open()

    def next_close(self, now: dt.datetime) -> dt.datetime | None:
        """Return when the window next closes: the time by which a collecting receiver's files must lie there.

        None: there is no window, or it does not open for three years.
        """
        opening = self._opening(self._local(now))
        return self._aware(opening.end) if opening is not None else None

    def _at(self, moment: dt.datetime, *, closing: bool) -> Open | Closed:
        """Return what holds at one local moment alone; a closure's `until` is local and its own end."""
        kept = [(span.end, each.note) for each in self.maintenance for span in _spans(each, moment)]
        if kept:
            end, note = max(kept)
            return Closed("maintenance", end, note)
        if self.window is None or closing:
            return Open()
        opening = self._opening(moment)
        if opening is None:
            return Closed("window", None)
        if moment < opening.start:
            return Closed("window", opening.start)
        return Open(self._aware(opening.end))

    def _opening(self, moment: dt.datetime) -> _Span | None:
        """Return the opening that holds the moment, or the next one; days that follow without a gap are one opening."""
        found: _Span | None = None
        for span in self._openings(moment):
            if span.end <= moment:
                continue
            if found is not None and span.start > found.end:
                break
            found = _Span(found.start if found else span.start, span.end)
            if found.end - moment > MERGED:
                break
        return found

    def _openings(self, moment: dt.datetime) -> Iterator[_Span]:
        if self.window is None:
            return
        closes = _minutes(self.window.closes or "24:00")
        opens = closes - self.window.lead / 60 if self.window.collects else _minutes(self.window.opens or "00:00")
        if closes <= opens:
            closes += 24 * 60
        day = dt.datetime.combine(moment.date(), dt.time.min) - DAY
        for _ in range(FARTHEST):
            if self.calendar is None or self.calendar.is_open(day.date()):
                yield _Span(day + dt.timedelta(minutes=opens), day + dt.timedelta(minutes=closes))
            day += DAY

    def _local(self, moment: dt.datetime) -> dt.datetime:
        return moment.astimezone(self.timezone).replace(tzinfo=None)

    def _aware(self, moment: dt.datetime) -> dt.datetime:
        return moment.replace(tzinfo=self.timezone)


def _spans(each: Maintenance, moment: dt.datetime) -> Iterator[_Span]:
    """Yield the times of one maintenance that hold the moment."""
    spans = _recurring(each, moment.date()) if each.recurs else _dated(each, moment.year)
    return (span for span in spans if span.start <= moment < span.end)


def _recurring(each: Maintenance, today: dt.date) -> Iterator[_Span]:
    start, end = _minutes(each.from_ or "00:00"), _minutes(each.until or "24:00")
    if end <= start:
        end += 24 * 60
    for date in (today - DAY, today):
        if each.meets(date):
            day = dt.datetime.combine(date, dt.time.min)
            yield _Span(day + dt.timedelta(minutes=start), day + dt.timedelta(minutes=end))


def _dated(each: Maintenance, year: int) -> Iterator[_Span]:
    start, end = each.from_ or "", each.until or ""
    if len(start.partition(" ")[0]) > YEARLY_LENGTH:
        yield _Span(_moment(start, "00:00"), _moment(end, "24:00"))
        return
    for begins in (year - 1, year):
        first, last = _moment(start, "00:00", begins), _moment(end, "24:00", begins)
        yield _Span(first, last if first < last else _moment(end, "24:00", begins + 1))


def _moment(text: str, time: str, year: int | None = None) -> dt.datetime:
    """Return a day with or without a time as a moment; `year` is for a day of every year."""
    day, _, said = text.partition(" ")
    date = dt.date.fromisoformat(day) if year is None else _of_year(day, year)
    return dt.datetime.combine(date, dt.time.min) + dt.timedelta(minutes=_minutes(said or time))


def _of_year(day: str, year: int) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{year:04}-{day}")
    except ValueError:
        return dt.date(year, 2, 28)  # 02-29 in a year without it


def _minutes(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:5])
