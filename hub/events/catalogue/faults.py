"""Saying what is wrong with an event's data: the field, what it is, and the mend. Values are never quoted."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hub.errors import Malformed
from hub.events.catalogue.base import EventType, Field
from hub.events.personal import MEND

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHOWN = 5
_JSON_NAMES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
}


def malformed(type_: EventType, fault: ValidationError) -> Malformed:
    """Return the fault as Malformed (`data`), naming every field up to five; the mend is the first field's."""
    by_place = {_find(type_.fields, error["loc"])[1]: error for error in fault.errors(include_url=False)}
    said = [_said(type_, error) for error in list(by_place.values())[:SHOWN]]
    more = [f"and {len(by_place) - SHOWN} more"] if len(by_place) > SHOWN else []
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
    """Return what is wrong with one field, and its mend."""
    field, place, siblings = _find(type_.fields, error["loc"])
    meaning = f"give {field.en}" if field else ""
    kind, given, plain = error["type"], error.get("input"), error["msg"]
    said = {
        "missing": ("is missing", f"add {place}" + (f": {field.en}" if field else "")),
        "extra_forbidden": (f"is not a field of {type_.name}", did_you_mean(place.rpartition(".")[2], siblings)),
        "string_type": (f"must be text, not {json_name(given)}", _in_quotes(given) or meaning),
        "string_too_short": ("is empty", meaning),
        "string_pattern_mismatch": ("is not written right", meaning),
        "model_type": (f"must be an object, not {json_name(given)}", _parts(field)),
        "dict_type": (f"must be an object, not {json_name(given)}", "give an object"),
        "date_shape": (plain, "write a real day as YYYY-MM-DD"),
        "date_real": (plain, "write a real day as YYYY-MM-DD"),
        "personal_number": (plain, MEND),
        "target": (plain, "give event_id, or source and identity, or subject and sequence"),
    }
    words, mend = said.get(kind, (plain.replace("Input should be", "must be"), meaning))
    return f"{place} {words}", mend


def _in_quotes(given: Any) -> str:
    return "write it in quotes" if isinstance(given, int | float) else ""


def _parts(field: Field | None) -> str:
    return "give an object of " + ", ".join(field.fields) if field and field.fields else "give an object"


def _find(fields: Mapping[str, Field], loc: tuple[int | str, ...]) -> tuple[Field | None, str, Mapping[str, Field]]:
    """Return the field at the place (None: no such field), the place in words, and the fields beside it.

    Steps that name a member of a union, not a field, are left out; items of lists count from 1.
    """
    found: Field | None = None
    place, beside, inner = "data", fields, fields
    for number, step in enumerate(loc):
        if isinstance(step, int):
            place += f".{step + 1}"
        elif step in inner:
            found, beside, inner = inner[step], inner, inner[step].fields
            place += f".{step}"
        elif number == len(loc) - 1 and inner:
            return None, f"{place}.{step[:60]}", inner
    return found, place, beside
