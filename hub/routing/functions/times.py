"""Functions on times: the day that a text says in the city's time zone, and CEL's parts of a time in any zone.

Without a zone, a part is that of the offset the time was written with. Source of the parts:
https://github.com/google/cel-spec/blob/master/doc/langdef.md#timestamps
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.routing.functions.dates import iso

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_OF_A_TIME: Mapping[str, Callable[[datetime], int]] = {
    "getFullYear": lambda time: time.year,
    "getMonth": lambda time: time.month - 1,
    "getDate": lambda time: time.day,
    "getDayOfMonth": lambda time: time.day - 1,
    "getDayOfWeek": lambda time: time.isoweekday() % 7,
    "getDayOfYear": lambda time: time.timetuple().tm_yday - 1,
    "getHours": lambda time: time.hour,
    "getMinutes": lambda time: time.minute,
    "getSeconds": lambda time: time.second,
    "getMilliseconds": lambda time: time.microsecond // 1000,
}
_OF_A_DURATION: Mapping[str, timedelta] = {
    "getHours": timedelta(hours=1),
    "getMinutes": timedelta(minutes=1),
    "getSeconds": timedelta(seconds=1),
    "getMilliseconds": timedelta(milliseconds=1),
}


def date_in(zone: str) -> Callable[..., str | None]:
    """Return the function `date` of a city in a time zone."""
    city = ZoneInfo(zone)

    def date(time: Any) -> str | None:
        """Return the day (`YYYY-MM-DD`) of a time in the city's zone; a date stays, an empty text gives null.

        A time without an offset is the city's own. Raises ValueError for what is neither.
        """
        if isinstance(time, str) and not time.strip():
            return None
        found = time if isinstance(time, datetime) else _time(time)
        if found is None:
            return iso(time).isoformat()
        return (found if found.tzinfo is None else found.astimezone(city)).date().isoformat()

    return date


def _time(text: Any) -> datetime | None:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(f"{text!r} is a time that does not exist") from None


def _part(name: str) -> Callable[..., int]:
    def part(time: Any, zone: str = "") -> int:
        if isinstance(time, timedelta) and name in _OF_A_DURATION and not zone:
            return int(time / _OF_A_DURATION[name])
        if not isinstance(time, datetime):
            raise ValueError(f"needs a time, as timestamp() reads it, not {time!r}")  # noqa: TRY004 - see functions
        return _OF_A_TIME[name](time.astimezone(_zone(zone)) if zone else time)

    return part


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"there is no time zone {name!r}; write Asia/Tokyo, say") from None


PARTS: Mapping[str, Callable[..., int]] = {name: _part(name) for name in _OF_A_TIME}
