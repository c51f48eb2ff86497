"""Is another system's report the same fact again? Pure: the report, the resident's current event, the ranks.

A report of the same source is never a repeat, an echo or a conflict: a new id is a new event (contract.md). Of another
source it speaks of the same occurrence when its effective date is the current event's, or when the type happens once in
a life. Then equal values repeat it, further values enrich it, other values contradict it; anything else is a new event.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

ONCE = frozenset({"resident.died", "resident.born"})
_DATES = frozenset({"notified_on"})  # each office notes when it was told: no contradiction


_KEYS = {  # what tells two events of a type apart that a resident may have side by side
    "insurance": ("scheme",),
    "benefit": ("benefit",),
    "contract": ("contract",),
    "tax": ("tax", "year"),
    "application": ("application_no",),
    "form": ("document",),
    "guardian": ("guardian",),
    "household": ("kind",),
}


def kind_of(type_: str, data: Mapping[str, Any]) -> str:
    """Return under what a resident's current event of a type is kept: the type, and its key where it has one."""
    prefix, keys = _parts(type_)
    return ":".join((prefix, *[str(data.get(key, "")) for key in keys])) if keys else prefix


@lru_cache(512)
def _parts(type_: str) -> tuple[str, tuple[str, ...]]:
    keys = ("kind",) if type_.startswith("resident.protection-") else _KEYS.get(type_.partition(".")[0], ())
    return f"type:{type_}", keys


def family_of(type_: str) -> str:
    """Return the family whose history numbers run together: protection runs apart from the rest of the register."""
    return "protection" if type_.startswith("resident.protection-") else type_.partition(".")[0]


def newer(known: Any, given: Any) -> bool:
    """Say whether a history number known before is newer than the one given; numbers as text are numbers."""
    try:
        return int(known) > int(given)
    except (TypeError, ValueError):
        return str(known) > str(given)


@dataclass(frozen=True, slots=True)
class Judgement:
    """`kind` is new, repeats, echoes, enriches or contradicts; `fields` are what is added or what differs."""

    kind: str
    fields: tuple[str, ...] = ()
    merged: Mapping[str, Any] = field(default_factory=dict)  # of an enrichment: the current values with those added


NEW = Judgement("new")


def judge(type_: str, said: Mapping[str, Any], current: Mapping[str, Any] | None, *, told: bool) -> Judgement:
    """Compare a report with the resident's current event of the type, another source's; `told`: it was told."""
    if current is None:
        return NEW
    if type_ not in ONCE and said.get("effective_on") != current.get("effective_on"):
        return NEW
    added = tuple(name for name in said if said[name] is not None and current.get(name) is None)
    differing = tuple(
        name
        for name, value in said.items()
        if value is not None and current.get(name) is not None and value != current[name] and name not in _DATES
    )
    if differing:
        return Judgement("contradicts", differing)
    if [name for name in added if name not in _DATES]:
        return Judgement("enriches", added, {**current, **{name: said[name] for name in added}})
    return Judgement("echoes" if told else "repeats")


def rank(authority: Mapping[str, Sequence[str]], type_: str, system: str) -> int:
    """Return a system's rank for a type, 0 the highest; systems that are not named share the lowest.

    `authority` is hub.yaml's: the exact type first, then the pattern that fits (`resident.*`).
    """
    order = authority.get(type_)
    if order is None:
        order = next((each for pattern, each in authority.items() if fnmatch.fnmatchcase(type_, pattern)), ())
    return order.index(system) if system in order else len(order)
