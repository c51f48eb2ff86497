"""What events say of a resident, in the shape rules see: `facts.resident`, `facts.insurance` and so on.

Pure: `delta` reads one event, `merge` lays it over what was known. A None in a delta means: no longer known or no
longer so; `merge` takes the key away. Source of the shape: contract.md, Event types.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Facts = dict[str, Any]


class _Entry(NamedTuple):
    """An event that opens or closes an entry of a group, keyed by one of its fields; `kept` fields go along."""

    group: str
    key: str
    active: bool
    kept: tuple[str, ...]


_PERSON = {"name": "name", "kana": "kana", "birth_date": "birth_date", "sex": "sex"}
_HOME = {"address": "address", "household_no": "household_no", "relationship": "relationship"}
_MOVE = {**_PERSON, **_HOME, "address": "new_address"}
_HERE = {"status": "resident", "alive": True}

_RESIDENT: Mapping[str, Mapping[str, str]] = {  # event type → fact of the resident → the field that says it
    "resident.moved": _MOVE,
    "resident.moved-in": _MOVE,
    "resident.moved-out": {**_PERSON, "address": "new_address"},
    "resident.address-renumbered": {"name": "name", "address": "new_address", "household_no": "household_no"},
    "resident.born": {**_PERSON, **_HOME},
    "resident.died": {**_PERSON, **_HOME},
    "resident.name-changed": {**_PERSON, **_HOME},
    "resident.married": _PERSON,
    "resident.divorced": _PERSON,
    "household.changed": {"household_no": "to_household", "relationship": "relationship"},
}
_STATED: Mapping[str, Facts] = {  # event type → what it says by itself
    "resident.moved": {"resident": _HERE},
    "resident.moved-in": {"resident": _HERE},
    "resident.born": {"resident": _HERE},
    "resident.moved-out": {"resident": {"status": "moved-out"}},
    "resident.died": {"resident": {"status": "dead", "alive": False}},
    "resident.protection-started": {"protected": True},
    "resident.protection-ended": {"protected": False},
}
_CLEARING: Mapping[str, Mapping[str, str]] = {  # as _RESIDENT, but an absent field takes the fact away
    "resident.mailing-changed": {"mailing_address": "mailing_address"},
}
_TELLS: Mapping[str, str] = {  # event type → the fact of the resident that it is about
    "resident.moved": "address",
    "resident.moved-in": "address",
    "resident.moved-out": "address",
    "resident.address-renumbered": "address",
    "resident.mailing-changed": "mailing_address",
    "resident.name-changed": "name",
    "household.changed": "household_no",
}
_ENTRIES: Mapping[str, _Entry] = {
    "insurance.enrolled": _Entry("insurance", "scheme", active=True, kept=("certificate_no", "kind")),
    "insurance.left": _Entry("insurance", "scheme", active=False, kept=("certificate_no", "kind")),
    "benefit.granted": _Entry("benefits", "benefit", active=True, kept=("certificate_no",)),
    "benefit.ended": _Entry("benefits", "benefit", active=False, kept=("certificate_no",)),
    "contract.opened": _Entry("contracts", "contract", active=True, kept=("contract_no",)),
    "contract.closed": _Entry("contracts", "contract", active=False, kept=("contract_no",)),
}
_NONE: Mapping[str, str] = {}
_KEYED_TWICE = frozenset({"insurance", "benefits", "contracts"})
_GROUPS = frozenset({"resident", "household"}) | _KEYED_TWICE


def empty() -> Facts:
    """Return the facts of a resident nothing is known of: every group is there."""
    return {"resident": {}, "insurance": {}, "benefits": {}, "contracts": {}, "household": {}, "protected": False}


def delta(name: str, data: Mapping[str, Any], wanted: frozenset[str] | None = None) -> Facts:
    """Return what one event of the (short) type says, only the groups it touches; {} for a type that says nothing.

    Values are the event's own, not copies. An entry opened again loses its old end: its `until` is None unless the
    event gives one. Facts of the resident that the event's fields say can be limited to those `wanted`.
    """
    said: Facts = {}
    resident: Facts = {}
    for fact, field in _said_by(name, wanted):
        if (value := data.get(field)) is not None:
            resident[fact] = value
    if name in _CLEARING:
        resident.update((fact, data.get(field)) for fact, field in _CLEARING[name].items())
    if name in _STATED:
        stated = _STATED[name]
        said.update(stated)
        resident.update(stated.get("resident", _NONE))
    if resident:
        said["resident"] = resident
    if name in _ENTRIES:
        entry = _ENTRIES[name]
        said[entry.group] = {data[entry.key]: _entry(entry, data)}
    return said


@lru_cache(maxsize=1_000)
def _said_by(name: str, wanted: frozenset[str] | None) -> Sequence[tuple[str, str]]:
    """Return the facts of the resident, of those wanted, that the type's fields say, with these fields."""
    said = _RESIDENT.get(name, _NONE).items()
    return tuple([(fact, field) for fact, field in said if wanted is None or fact in wanted])


def _entry(entry: _Entry, data: Mapping[str, Any]) -> Facts:
    kept = {field: data[field] for field in entry.kept if data.get(field) is not None}
    if entry.active:
        return {"since": data["effective_on"], "until": data.get("until"), "active": True, **kept}
    return {"until": data.get("until") or data["effective_on"], "active": False, **kept}


def restated(name: str, facts: Mapping[str, Any], data: Mapping[str, Any]) -> Facts:
    """Return what an event of the type would say if it told the facts as they stand now; the inverse of `delta`.

    `data` is the event's own: its key (`scheme`, `benefit`, `contract`) names the entry, and fields that no fact keeps
    are left out. What is not known now is absent.
    """
    resident = facts.get("resident") or {}
    known = {**_RESIDENT.get(name, {}), **_CLEARING.get(name, {})}
    said = {field: resident[fact] for fact, field in known.items() if resident.get(fact) is not None}
    entry = _ENTRIES.get(name)
    if entry is None:
        return said
    stands = (facts.get(entry.group) or {}).get(data.get(entry.key)) or {}
    if not stands.get("active"):
        return {entry.key: data.get(entry.key)}
    kept = {field: stands[field] for field in (*entry.kept, "until") if stands.get(field) is not None}
    return {entry.key: data.get(entry.key), "effective_on": stands.get("since"), **kept}


def holds(name: str, facts: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Say whether what an event of the type tells before all else is so, by the facts as they stand now.

    What no fact keeps holds, and a death does: later reports of the dead do not undo it. `data` is the event's own.
    """
    if name in _ENTRIES:
        entry = _ENTRIES[name]
        stands = (facts.get(entry.group) or {}).get(data.get(entry.key)) or {}
        return bool(stands.get("active")) is entry.active
    if (fact := _TELLS.get(name)) is None:
        return True
    field = {**_RESIDENT.get(name, {}), **_CLEARING.get(name, {})}[fact]
    return bool((facts.get("resident") or {}).get(fact) == data.get(field))


def merge(base: Mapping[str, Any], said: Mapping[str, Any]) -> Facts:
    """Return `base` with a delta laid over it; `base` is left as it is, parts not touched are shared.

    The resident and each entry merge by key, an address is replaced whole, None takes a key away.
    """
    merged = dict(base)
    for group, value in said.items():
        if value is None:
            merged.pop(group, None)
        elif group in _GROUPS:
            merged[group] = _laid(merged.get(group) or {}, value, twice=group in _KEYED_TWICE)
        else:
            merged[group] = value
    return merged


def _laid(under: Mapping[str, Any], over: Mapping[str, Any], *, twice: bool) -> Facts:
    laid = dict(under)
    for key, value in over.items():
        if value is None:
            laid.pop(key, None)
        else:
            laid[key] = _laid(laid.get(key) or {}, value, twice=False) if twice else value
    return laid


def household_of(facts: Mapping[str, Any]) -> str | None:
    """Return the resident's household number, None if it is not known."""
    number: str | None = (facts.get("resident") or {}).get("household_no")
    return number
