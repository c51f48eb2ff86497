"""Times and durations as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?P<number>[0-9]+(\.[0-9]+)?)\s*(?P<unit>[smhd]?)")
_AGO = re.compile(r"(?P<duration>[0-9.]+\s*[smhd])(\s*ago)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MEND = "write 2026-11-20, 2026-11-20T09:00:00+09:00, 2h or 3d ({})"


def moment(milliseconds: int) -> str:
    """Return a time of the ledger as RFC 3339 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dated(said: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the ledger says with its times, which are milliseconds there, as text."""
    times = {name: moment(said[name]) for name in ("since", "until") if said and said.get(name)}
    return {**said, **times} if said else None


def seconds(text: str) -> float:
    """Return a duration such as `30s`, `5m`, `2h`, `1d` or `2.5` in seconds. Raises `UsageError`."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"not a duration: {text}", mend="write 30s, 5m, 2h or 1d")
    return float(match["number"]) * _UNITS[match["unit"] or "s"]


def spoken(length: float) -> str:
    """Return a duration in seconds as it is said, in the largest unit that takes it whole: `26 hours`, `1 second`."""
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, each = next((unit, each) for unit, each in units if each == 1 or (length >= each and length % each == 0))
    return f"{length / each:g} {unit}{'' if length == each else 's'}"


def since(text: str | None, zone: ZoneInfo, now: datetime | None = None) -> int | None:
    """Return the first moment meant, in milliseconds since 1970.

    RFC 3339, a date in the city's zone, or how long ago (`2h`, `3d ago`). Raises `UsageError`.
    """
    return None if text is None else _milliseconds(_moment(text.strip(), zone, now or datetime.now(UTC)))


def until(text: str | None, zone: ZoneInfo, now: datetime | None = None) -> int | None:
    """Return the moment before which is meant, in milliseconds; a date means the whole day."""
    if text is None:
        return None
    found = _moment(text.strip(), zone, now or datetime.now(UTC))
    return _milliseconds(found + timedelta(days=1) if _DATE.fullmatch(text.strip()) else found)


def ahead(text: str | None, zone: ZoneInfo, now: datetime | None = None) -> int | None:
    """Return a moment to come, in milliseconds: RFC 3339, a date (its beginning), or in how long (`2h`)."""
    if text is None:
        return None
    current = now or datetime.now(UTC)
    length = _AGO.fullmatch(text.strip())
    if length:
        return _milliseconds(current + timedelta(seconds=seconds(length["duration"])))
    return _milliseconds(_moment(text.strip(), zone, current, "from now"))


def _moment(text: str, zone: ZoneInfo, now: datetime, side: str = "ago") -> datetime:
    ago = _AGO.fullmatch(text)
    if ago:
        return now - timedelta(seconds=seconds(ago["duration"]))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"not a time: {text}", mend=_MEND.format(side)) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
