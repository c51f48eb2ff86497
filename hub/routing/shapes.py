"""What expressions may find: the fields of event data and facts, as trees to look paths up in.

A branch is a mapping of names (`*` stands for any name); a leaf is `text`, `date`, the texts of a `Choice`, `number`,
`flag`, `list`, or `open` where anything may stand below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from difflib import get_close_matches
from typing import Any, NamedTuple

from hub.events.catalogue import TYPES, Address, Field
from hub.events.catalogue.base import fields_of


class Choice(NamedTuple):
    """A text that is one of a few."""

    values: tuple[str, ...]


Shape = str | Choice | Mapping[str, Any]

_LEAVES = {"list": "list", "json": "open", "flag": "flag", "count": "number", "date": "date"}


def shape_of(fields: Mapping[str, Field]) -> dict[str, Shape]:
    """Return the shape of catalogue fields."""
    return {name: _leaf_or_branch(field) for name, field in fields.items()}


def _leaf_or_branch(field: Field) -> Shape:
    if field.kind in _LEAVES:
        return _LEAVES[field.kind]
    if field.choices:
        return Choice(field.choices)
    return shape_of(field.fields) if field.fields else "text"


DATA: Mapping[str, Shape] = {name: shape_of(type_.fields) for name, type_ in TYPES.items()}

_ADDRESS = shape_of(fields_of(Address))
_ENTRY: dict[str, Shape] = {"since": "date", "until": "date", "active": "flag"}
_CERTIFIED: dict[str, Shape] = {**_ENTRY, "certificate_no": "text"}
FACTS: Mapping[str, Shape] = {
    "resident": {
        **dict.fromkeys(("name", "kana", "sex", "household_no", "relationship"), "text"),
        "birth_date": "date",
        "status": Choice(("resident", "moved-out", "dead")),
        "address": _ADDRESS,
        "mailing_address": _ADDRESS,
        "alive": "flag",
    },
    "insurance": {"*": {**_CERTIFIED, "kind": "text"}},
    "benefits": {"*": _CERTIFIED},
    "contracts": {"*": {**_ENTRY, "contract_no": "text"}},
    "household": {"no": "text", "head": "text", "size": "number", "members": "list"},
    "protected": "flag",
}
LOCATING_FACTS = (
    ("resident", "address"),
    ("resident", "mailing_address"),
    ("resident", "household_no"),
    ("household", "no"),
)


class Unknown(NamedTuple):
    """A path that leads nowhere: the name that is not known, what stands before it, and the names known there."""

    name: str
    before: tuple[str, ...]
    known: tuple[str, ...]


def look_up(shape: Shape, path: tuple[str, ...]) -> Shape | Unknown:
    """Return what stands at a path, or which of its names is not known."""
    for depth, name in enumerate(path):
        if shape == "open":
            return shape
        branch = shape if isinstance(shape, Mapping) else {}
        if name not in branch and "*" not in branch:
            return Unknown(name, path[:depth], tuple(branch))
        shape = branch[name] if name in branch else branch["*"]
    return shape


def is_locating(type_: str, path: tuple[str, ...]) -> bool:
    """Say whether a field of a type's data, or a part of it, tells where a person is."""
    fields: Mapping[str, Field] = TYPES[type_].fields if type_ in TYPES else {}
    for name in path:
        field = fields.get(name)
        if field is None:
            return False
        if field.locating:
            return True
        fields = field.fields
    return False


def is_day(text: str) -> bool:
    """Say whether a text is a date, written `YYYY-MM-DD`."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def meant(name: str, known: Iterable[str]) -> str:
    """Return the mend for an unknown name: the nearest known one, or all there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean `{near[0]}`?"
    return "there is " + ", ".join(names) if names else ""
