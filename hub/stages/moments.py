"""Moments as legacy systems write them, compared as far as both are exact: `20261120` and `2026-11-20 01:10`.

A moment is the digits of year, month, day, and where given hour, minute, second, in the city's time. A date says
nothing of the order within its day: then neither is older.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, tzinfo
from typing import Any

from hub.errors import Malformed

_MOMENT = re.compile(
    r"(?<!\d)((?:19|20|21)\d{2})\D{0,2}(\d{2})\D{0,2}(\d{2})"
    r"(?:\D{0,2}([01]\d|2[0-3])\D{0,2}([0-5]\d)(?:\D{0,2}([0-5]\d))?)?(?!\d)",
    re.ASCII,
)
_MILLISECONDS = 17  # digits
_MONTHS = 12


def moment_of(value: Any) -> str:
    """Return the first moment in a text as its digits. Raises `Malformed`: `as-of`."""
    for found in _MOMENT.finditer(str(value)):
        year, month, day = map(int, found.groups()[:3])
        if 1 <= month <= _MONTHS and 1 <= day <= monthrange(year, month)[1]:
            return "".join(part for part in found.groups() if part)
    mend = "let `as_of` give a text such as 2026-11-20T01:10, 20261120 or 202611200110"
    raise Malformed("`as_of` gives no date", mend=mend, code="as-of")


def moment_in(label: str) -> str:
    """Return the moment that the name of a file tells, nothing when it tells none."""
    try:
        return moment_of(name_of(label))
    except Malformed:
        return ""


def name_of(label: str) -> str:
    """Return a file's name without its folders."""
    return label.rpartition("/")[2]


def moment_at(time: datetime, zone: tzinfo) -> str:
    """Return a moment of a clock, to the millisecond."""
    return f"{time.astimezone(zone):%Y%m%d%H%M%S%f}"[:_MILLISECONDS]


def moment_at_ms(milliseconds: int, zone: tzinfo) -> str:
    """Return the moment of milliseconds since 1970, nothing for 0."""
    return moment_at(datetime.fromtimestamp(milliseconds / 1000, UTC), zone) if milliseconds else ""


def older(one: str, other: str) -> bool:
    """Say whether one moment is certainly before the other; one that is not known is before nothing."""
    length = min(len(one), len(other))
    return one[:length] < other[:length]


def date_of(moment: str) -> str:
    """Return a moment's day as `YYYY-MM-DD`."""
    return f"{moment[:4]}-{moment[4:6]}-{moment[6:8]}"
