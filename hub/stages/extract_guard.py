"""When a full extract is not believed: it is empty, has shrunk, is cut short, is set back, or changes too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from hub.settings.models import Guard

MOST = "5%"  # of the known rows may be missing, changed or new, where no guard says how many
FEW = 20  # differences that need no share, where no guard says


@dataclass(slots=True)
class Found:
    """What was found in an extract: rows, those that differ by kind, and what speaks against it.

    `set_back` rows have an older history number than is known; `illegible` could not be read; `torn` says that the
    last line is cut off.
    """

    rows: int = 0
    known: int = 0
    differ: dict[str, int] = field(default_factory=lambda: {"changed": 0, "new": 0, "missing": 0})
    events: dict[str, int] = field(default_factory=dict)
    set_back: int = 0
    illegible: int = 0
    torn: bool = False


def reasons(found: Found, guard: Guard | None, *, silent_new: bool) -> list[str]:
    """Return in words why a person must look at an extract first; nothing when it can be believed.

    `silent_new` says that rows that are new make nothing: they need no limit.
    """
    if not found.rows:
        return ["the extract is empty"]
    told = []
    if found.torn:
        told.append("the extract ends in the middle of a line")
    if found.set_back:
        told.append(
            f"{_rows(found.set_back)} with an older history number than is known: was the database behind it restored?"
        )
    most = (guard.change if guard is not None else None) or MOST
    few = 0 if guard is not None and guard.change is not None else FEW
    for change, number in found.differ.items():
        if change == "new" and silent_new:
            continue
        share = found.known * Decimal(most.removesuffix("%"))
        half = change == "missing" and number * 2 > found.known
        if half or (number > few and number * 100 > share):
            told.append(f"{_rows(number)} of {found.known} {change}, more than {'half' if half else most}")
    return told + _limits(found, guard)


def _limits(found: Found, guard: Guard | None) -> list[str]:
    if guard is None:
        return []
    told = []
    if guard.rows is not None and not guard.rows[0] <= found.rows <= guard.rows[1]:
        told.append(f"{_rows(found.rows)}, not between {guard.rows[0]} and {guard.rows[1]}")
    limits: Mapping[str, int] = guard.per_event
    told += [
        f"{found.events[name]} {name}, more than {most}"
        for name, most in limits.items()
        if found.events.get(name, 0) > most
    ]
    return told


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"
