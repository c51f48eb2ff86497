"""Fields as an AI-OCR has read them, and which of them are sure enough to go on without a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson
from pydantic import Field

from hub.adapters.contract import AdapterSettings, Row
from hub.errors import Malformed, UsageError

SURE = 100  # what a person has looked at


class SureSettings(AdapterSettings):
    """How sure a field must be."""

    threshold: float = Field(
        default=90, ge=0, le=100, description="How sure the reader must be of a field, 0 to 100; below it is unsure."
    )
    thresholds: dict[str, float] = Field(default={}, description="The same for single fields, by name.")
    optional: list[str] = Field(default=[], description="Fields that may be unsure: they go along as they were read.")
    blind: Literal["unsure", "sure"] = Field(
        default="unsure", description="What a field is of which the reader does not say how sure it is."
    )
    unsure: Literal["review", "quarantine", "pass"] = Field(
        default="review",
        description="What becomes of a document with unsure fields: its event waits in `hub review`, where a person"
        " looks at it beside the paper; it waits in quarantine; or it goes on, and the row's `unsure` names them.",
    )


def document(settings: SureSettings, name: str, fields: Sequence[Mapping[str, Any]], place: str) -> Row:
    """Return a document as a row: `document`, `fields`, `items` (name → value) and `unsure` (names).

    The row's bytes are the document as JSON. With unsure fields it is in doubt, or an error row (`unsure`): a person
    looks at the paper, mends `value`, and sets `confidence` to 100, as `confirmed` does.
    """
    unsure = [str(each["name"]) for each in fields if _is_unsure(settings, each)]
    values = {
        "document": name,
        "fields": [dict(each) for each in fields],
        "items": {str(each["name"]): each["value"] for each in fields},
        "unsure": unsure,
    }
    raw = orjson.dumps({"document": name, "fields": values["fields"]})
    if unsure and settings.unsure == "quarantine":
        mend = f"look at the paper, mend `value` and set `confidence` to {SURE}: hub quarantine fix NO FILE"
        message = f"the reader is not sure of {', '.join(unsure)}"
        return Row({}, place, raw, Malformed(message, place=place, mend=mend, code="unsure"))
    doubt = f"unsure: {', '.join(unsure)}" if unsure and settings.unsure == "review" else ""
    return Row(values, place, raw, doubt=doubt)


def confirmed(raw: bytes, values: Mapping[str, str], place: str) -> bytes:
    """Return a document whose every field a person has looked at, with other values where they say so.

    Raises `Malformed` (`json`) for bytes that are no document, `UsageError` for a field that it does not have.
    """
    name, fields = _parsed(raw, place)
    if unknown := sorted(set(values) - {each["name"] for each in fields}):
        known = ", ".join(each["name"] for each in fields)
        raise UsageError(f"the document has no field {', '.join(unknown)}", mend=f"one of {known}")
    sure = [field(each["name"], values.get(each["name"], each["value"]), SURE) for each in fields]
    return orjson.dumps({"document": name, "fields": sure})


def again(settings: SureSettings, raw: bytes, place: str) -> Row:
    """Return a document that a person has mended; raises `Malformed` (`json`) for bytes that are none."""
    return document(settings, *_parsed(raw, place), place)


def _parsed(raw: bytes, place: str) -> tuple[str, list[dict[str, Any]]]:
    try:
        given = orjson.loads(raw)
        fields = [_field(each) for each in given["fields"]]
        name = given["document"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Malformed("not a document: an object with `document` and `fields`", place=place, code="json") from None
    if not isinstance(name, str):
        raise Malformed("`document` is a text", place=place, code="json")
    return name, fields


def field(name: str, value: str, confidence: float | None) -> dict[str, Any]:
    """Return one field; without a confidence it has none."""
    found: dict[str, Any] = {"name": name, "value": value}
    return found if confidence is None else {**found, "confidence": confidence}


def _field(given: Mapping[str, Any]) -> dict[str, Any]:
    confidence = given.get("confidence")
    if not isinstance(given["name"], str) or not isinstance(given["value"], str):
        raise TypeError
    if confidence is not None and (isinstance(confidence, bool) or not isinstance(confidence, int | float)):
        raise TypeError
    return field(given["name"], given["value"], confidence)


def _is_unsure(settings: SureSettings, each: Mapping[str, Any]) -> bool:
    name = each["name"]
    if name in settings.optional:
        return False
    confidence = each.get("confidence")
    if confidence is None:
        return settings.blind == "unsure"
    return bool(confidence < settings.thresholds.get(name, settings.threshold))
