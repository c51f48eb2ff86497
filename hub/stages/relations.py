"""What one event is to others, as answers tell it: what it repeats, corrects or cancels, and what did that to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]
CHANGING = frozenset({"cancels", "corrects", "enriches", "contradicts"})  # of relations between events
UNCHANGED: Json = dict.fromkeys(("corrects", "amends", "corrected_by", "amended"))
NO_RELATIONS: Json = {
    **dict.fromkeys(("duplicate_of", "replaces", "replaced_by", "identifies", "identified_by")),
    **UNCHANGED,
}


def related(relations: Iterable[tuple[str, str, bool]]) -> Json:
    """Return what an event repeats, what it corrects or cancels, and what did that to it last (`NO_RELATIONS`).

    `relations` are `(kind, other event, whether this one acts on it)`, the oldest first. In which way is in `amends`
    and `amended` (`CHANGING`). An event about the wrong person `replaced_by` one about the right person; that one
    `replaces` it.
    """
    found = dict(NO_RELATIONS)
    for kind, other, acting in relations:
        if kind == "replaces":
            found["replaces" if acting else "replaced_by"] = other
        elif kind == "identifies":
            found["identifies" if acting else "identified_by"] = other
        elif not acting:
            if kind in CHANGING:
                found["corrected_by"], found["amended"] = other, kind
        elif kind in CHANGING:
            found["corrects"], found["amends"] = other, kind
        else:
            found["duplicate_of"] = other
    return found


def changes(relations: Iterable[tuple[str, str, bool]]) -> Json:
    """Return of that what lists say: what the event corrects or cancels, and what did that to it last."""
    found = related(relations)
    return {name: found[name] for name in UNCHANGED}
