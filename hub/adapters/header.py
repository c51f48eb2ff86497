"""Whether a file's columns are those that its mapping reads: a wrong header is wrong once, not in every row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from hub.errors import Malformed

Needs = Sequence[Mapping[str, str]]
"""The kinds of event a row may become: the columns each reads of every row, with the mapping's places."""


def lacking(names: Collection[str], needs: Needs) -> Mapping[str, str]:
    """Return the columns, with places, for want of which not one row could become an event; empty when one could."""
    found = [{name: place for name, place in need.items() if name not in names} for need in needs]
    return found[0] if found and all(found) else {}


def refuse_lacking(names: Sequence[str], needs: Needs, *, code: str, mend: str = "", what: str = "the header") -> None:
    """Raise `Malformed` when every row would lack a column that its mapping reads."""
    if found := lacking(names, needs):
        shown = ", ".join(f"`{name}`" for name in found)
        there = ", ".join(name for name in names if name)
        raise Malformed(
            f"{what} has no column {shown}, which the mapping reads ({next(iter(found.values()))})",
            mend=mend or f"correct {what} or the mapping; columns: {there}",
            code=code,
        )
