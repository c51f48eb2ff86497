"""Saying what is wrong with an event's data: the field, what it is, and the mend. Values are never quoted."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hub.errors import Malformed
from hub.events.catalogue.base import EventType, Field

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN = 5
_JSON_NAMES = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


def malformed(type_: EventType, fault: ValidationError) -> Malformed:
    """Return the fault as Malformed (`data`), naming every field up to five; the mend is the first field's."""
    errors = fault.errors(include_url=False)
    said = [_said(type_, error) for error in errors[:SHOWN]]
    more = [f"and {len(errors) - SHOWN} more"] if len(errors) > SHOWN else []
    message = f"{type_.name} v{type_.version}: " + "; ".join([text for text, _ in said] + more)
    return Malformed(message, code="data", mend=said[0][1])


def did_you_mean(word: str, known: Mapping[str, Any]) -> str:
    """Return `did you mean X?`, or the first words there are."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else "known are " + ", ".join(sorted(known))


def json_name(value: Any) -> str:
    """Return what people call the value's JSON type."""
    return "null" if value is None else _JSON_NAMES.get(type(value), type(value).__name__)


def _said(type_: EventType, error: "ErrorDetails") -> tuple[str, str]:
    found, place, siblings = _find(type_.fields, error["loc"])
    place = ".".join(["data", *place])
    kind, given = error["type"], error.get("input")
    if kind == "missing":
        return f"{place} is missing", f"add {place}" + (f": {found.en}" if found else "")
    if kind == "extra_forbidden":
        return f"{place} is not a field of {type_.name}", did_you_mean(str(error["loc"][-1]), siblings)
    if kind == "string_type":
        quotes = "write it in quotes" if isinstance(given, (int, float)) else f"give {found.en if found else 'a text'}"
        return f"{place} must be text, not {json_name(given)}", quotes
    if kind in ("model_type", "dict_type"):
        parts = ", ".join(found.fields) if found else ""
        return f"{place} must be an object, not {json_name(given)}", f"give an object of {parts or 'its values'}"
    if kind == "string_too_short":
        return f"{place} is empty", f"give {found.en}" if found else "give a text"
    if kind in ("date_shape", "date_real"):
        return f"{place} {error['msg']}", "write a real day as YYYY-MM-DD"
    if kind == "string_pattern_mismatch":
        return f"{place} is not written right", f"give {found.en}" if found else f"match {error['ctx']['pattern']}"
    if kind == "target":
        return f"data {error['msg']}", "give event_id, or source and identity, or subject and sequence"
    mend = f"give {found.en}" if found else ""
    return f"{place}: {error['msg'][0].lower()}{error['msg'][1:]}", mend


def _find(fields: Mapping[str, Field], loc: tuple[int | str, ...]) -> tuple[Field | None, list[str], Mapping[str, Field]]:
    """Return the field at the place, the place in words, and the fields beside it.

    Steps that name a member of a union, not a field, are left out.
    """
    found: Field | None = None
    place: list[str] = []
    beside = fields
    for number, step in enumerate(loc):
        inner = beside if found is None else found.fields
        if isinstance(step, int):
            place.append(str(step + 1))
        elif step in inner:
            found, beside = inner[step], inner
            place.append(step)
        elif number == len(loc) - 1 and (found is None or inner):
            return None, [*place, step[:60]], inner
    return found, place, beside
