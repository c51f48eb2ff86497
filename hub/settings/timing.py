"""How days and times are read: calendars/*.yaml, and `window` and `maintenance` of a receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from hub.settings.calendars import (
    CITY_CALENDAR,
    MOMENT,
    WEEKDAYS,
    Calendar,
    ClosedDays,
    DayRange,
    Maintenance,
    Window,
    check_day,
    is_yearly,
)
from hub.settings.reader import Reader, meant, written
from hub.settings.shapes import WORD, Shape, Wrong, duration, one_or_more, says, title, word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.settings.models import City, System
    from hub.settings.yaml import Node

ENTRY = "an entry of `maintenance`"
DAY_MEND = 'write 2026-12-29, or "12-29" for every year'
MOMENT_MEND = DAY_MEND + ', and a time if it is not the whole day: "2026-12-29 22:00"'
CLOCK_MEND = 'write it like "02:00"'
LAST_MONTH_DAY = 31


def read_calendars(reader: Reader, nodes: Iterable[tuple[str, Node | None]]) -> dict[str, Calendar]:
    """Return the calendars by name; `city` is there even if nobody wrote it."""
    found = {name: read_calendar(reader, node) for name, node in nodes if node is not None}
    return {"city": CITY_CALENDAR, **{name: calendar or Calendar() for name, calendar in found.items()}}


def read_calendar(reader: Reader, node: Node) -> Calendar | None:
    """Return a calendar, or None with the problems noted. A list as `closed` is its `dates`."""
    if not reader.mapping(node, "a calendar's file"):
        return None
    dates = one_or_more(day_range)
    shapes: dict[str, Shape] = {"weekdays": one_or_more(weekday), "dates": dates}
    closed = node.items.get("closed")
    if closed is not None and closed.value is not None and not isinstance(closed.value, dict):
        closed = closed.under("dates")
    apart = {"closed": closed and reader.build(ClosedDays, closed, "`closed`", shapes)}
    head = node.without(apart)
    return reader.build(Calendar, head, "a calendar", {"title": title, "open": dates}, written=node, **written(apart))


def check_calendars(
    reader: Reader, city: City, systems: Mapping[str, System], calendars: Mapping[str, Calendar]
) -> None:
    """Note every calendar that is named somewhere but not there."""
    if city.calendar not in calendars:
        _absent(reader, city.place_of("calendar"), city.calendar, calendars)
    for system in systems.values():
        for receiver in system.receives.values():
            by = receiver.acknowledged.by if receiver.acknowledged is not None else None
            for named in (receiver.window, by):
                if named is not None and named.calendar is not None and named.calendar not in calendars:
                    _absent(reader, named.place_of("calendar"), named.calendar, calendars)


def _absent(reader: Reader, place: str, name: str, calendars: Mapping[str, Calendar]) -> None:
    mend = f"write calendars/{name}.yaml; there is: " + ", ".join(sorted(calendars))
    reader.note(place, f"there is no calendar `{name}`", mend, code="calendar-unknown")


def read_window(reader: Reader, node: Node | None) -> Window | None:
    """Return a receiver's window, None when it is not written or wrong."""
    window = reader.nested(Window, node, {"lead": duration})
    if node is None or window is None:
        return window
    if window.opens == "24:00":
        reader.note(node.place_of("opens"), "a window cannot open at 24:00", 'write "00:00"')
    if window.opens is not None and window.opens == window.closes:
        reader.note(node.place_of("closes"), "a window cannot close when it opens", "leave both out: it is always open")
    if "lead" in node.items and not window.collects:
        mend = "leave `opens` out, or `lead`"
        reader.note(node.key_place("lead"), "`lead` is for a window that has `closes` alone", mend)
    return window


def read_maintenance(reader: Reader, node: Node | None) -> tuple[Maintenance, ...] | None:
    """Return the times in which a receiver is closed, None when nothing is written."""
    if node is None:
        return None
    if node.value is None:
        reader.note(node.place, "`maintenance` has no value", "give it one, or remove the line")
    entries = [maintenance(reader, part) for part in reader.entries(node, "`maintenance`")]
    return tuple(filter(None, entries))


def maintenance(reader: Reader, node: Node) -> Maintenance | None:
    """Return one such time, or None with the problems noted."""
    if not reader.mapping(node, ENTRY):
        return None
    recurs = "weekday" in node.items or "day" in node.items
    point: Shape = clock if recurs else moment
    shapes: dict[str, Shape] = {
        "weekday": one_or_more(weekday),
        "day": one_or_more(month_day),
        "from": point,
        "until": point,
        "note": word,
        "nth": lambda part: part.value if isinstance(part.value, list) else [part.value],
    }
    built = reader.build(Maintenance, node, ENTRY, shapes)
    if built is not None:
        check_maintenance(reader, node, built)
    return built


def check_maintenance(reader: Reader, node: Node, built: Maintenance) -> None:
    """Note what cannot stand together."""
    if built.weekday and built.day:
        reader.note(node.key_place("day"), "either `weekday` or `day`", "write two entries")
    if built.nth and not built.weekday:
        reader.note(node.key_place("nth"), "`nth` goes with `weekday`", "write {weekday: sun, nth: 3}")
    if built.recurs:
        if built.from_ is not None and built.from_ == built.until:
            reader.note(node.place_of("until"), "it ends when it begins", "leave both out: it is the whole day")
        return
    if built.from_ is None or built.until is None:
        mend = 'write {weekday: sun, from: "02:00", until: "05:00"} or {from: 2026-12-29, until: 2027-01-03}'
        reader.note(node.place, f"{ENTRY} says no time, or not its end", mend)
        return
    yearly = [is_yearly(text.split(" ")[0]) for text in (built.from_, built.until)]
    if yearly[0] != yearly[1]:
        reader.note(node.place_of("until"), "`from` and `until` are both of every year, or both of one", MOMENT_MEND)
    elif not yearly[0] and _end(built.until) <= built.from_:
        reader.note(node.place_of("until"), "`until` lies before `from`", "change one of them")


def _end(until: str) -> str:
    return until if " " in until else f"{until} 24:00"


@says({"enum": list(WEEKDAYS)})
def weekday(node: Node) -> str:
    """Return a day of the week."""
    if node.value not in WEEKDAYS:
        raise Wrong(node, f"`{node.value}` is no day of the week", "write one of: " + ", ".join(WEEKDAYS))
    return str(node.value)


@says({"anyOf": [{"const": "last"}, {"type": "integer", "minimum": 1, "maximum": LAST_MONTH_DAY}]})
def month_day(node: Node) -> int | str:
    """Return a day of the month, or `last`."""
    if node.value != "last" and not (type(node.value) is int and 1 <= node.value <= LAST_MONTH_DAY):
        raise Wrong(node, f"`{node.value}` is no day of the month", "write 1 to 31, or last")
    return node.value  # type: ignore[no-any-return]


def day(node: Node) -> str:
    """Return a date, or a day of every year."""
    try:
        check_day(word(node))
    except Wrong:
        raise
    except ValueError:
        raise Wrong(node, f"`{node.value}` is no day", DAY_MEND) from None
    return str(node.value)


@says({"type": ["string", "object"]})
def day_range(node: Node) -> DayRange:
    """Return days: one, or {from: …, until: …}."""
    if isinstance(node.value, dict):
        for key in node.keys:
            if key not in ("from", "until"):
                raise Wrong(node, f"days have no key `{key}`", meant(key, ["from", "until"]))
        if len(node.items) < 2:
            raise Wrong(node, "days need `from` and `until`", 'write {from: "12-29", until: "01-03"}')
        first, last = day(node.items["from"]), day(node.items["until"])
    else:
        first = last = day(node)
    try:
        return DayRange.model_validate({"from": first, "until": last, "place": node.place})
    except ValidationError as error:
        raise Wrong(node, str(error.errors()[0]["ctx"]["error"]), DAY_MEND) from None


@says(WORD)
def clock(node: Node) -> str:
    """Return a time of day."""
    match = MOMENT.fullmatch(f"01-01 {node.value}")
    if match is None or not _is_clock(match["time"]):
        raise Wrong(node, f"`{node.value}` is no time of day", CLOCK_MEND)
    return str(node.value)


@says(WORD)
def moment(node: Node) -> str:
    """Return a day with or without a time, `YYYY-MM-DD HH:MM`."""
    match = MOMENT.fullmatch(word(node))
    try:
        check_day(match["day"] if match else "")
    except ValueError:
        match = None
    if match is None or (match["time"] is not None and not _is_clock(match["time"])):
        raise Wrong(node, f"`{node.value}` is no day", MOMENT_MEND)
    return str(node.value).replace("T", " ")


def _is_clock(text: str) -> bool:
    hours, minutes = int(text[:2]), int(text[3:])
    return (hours < 24 and minutes < 60) or text == "24:00"
