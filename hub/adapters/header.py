"""Whether a file's columns are those that its mapping reads: a wrong header is wrong once, not in every row.

What a file has for its header may be the first person of one that has none: no error names it.
"""

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
        raise Malformed(
            f"{what} has no column {shown}, which the mapping reads ({next(iter(found.values()))})",
            mend=mend or f"correct {what} or the mapping; columns found: {len(names)}",
            code=code,
        )


def refuse_twice(names: Sequence[object], *, code: str) -> None:
    """Raise `Malformed` when two columns have one name."""
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        numbers = ", ".join(str(number) for number, name in enumerate(names, 1) if name == twice)
        raise Malformed(f"columns {numbers} of the header have the same name", code=code)
