"""What an event type is: a pydantic model, and what its fields say about themselves.

Models check and never change: no coercion, no defaults handed on, unknown fields refused. Data stays as received.
"""

import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from math import isfinite
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, GetJsonSchemaHandler, StringConstraints
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError

from hub.events.personal import is_personal_number

PERSONAL_NUMBER = PydanticCustomError("personal_number", "holds a My Number or a resident record code")


class EventData(BaseModel):
    """The base of every part of `data`: strict, frozen, unknown fields refused."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


@dataclass(frozen=True)
class Says:
    """What a field says to people: its names in Japanese and English, its kind, whether it locates a person.

    `kind` is one of `text`, `name`, `kana`, `date`, `address`, `number` (of a person, household or paper),
    `municipality`, `postal_code`, `choice`, `flag`, `count`, `list`, `json`.
    `format` is the JSON Schema format of a text that the model checks in Python.
    """

    ja: str
    en: str
    kind: str = "text"
    locating: bool = False
    format: str = ""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Add title (Japanese), description (English) and the mark to the field's JSON Schema."""
        marks: dict[str, Any] = {"title": self.ja, "description": self.en}
        if self.format:
            marks["format"] = self.format
        if self.locating:
            marks["x-locating"] = True
        return {**handler(schema), **marks}


def _real_date(text: str) -> str:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        raise PydanticCustomError("date_shape", "must be a date written YYYY-MM-DD")
    try:
        date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("date_real", "is not a day of the calendar") from None
    return text


def _sound(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        raise PydanticCustomError("not_finite", "holds a number that JSON cannot carry (NaN or infinity)")
    if isinstance(value, dict):
        for name, part in value.items():
            if is_personal_number(name):
                raise PERSONAL_NUMBER
            _sound(part)
    elif isinstance(value, list):
        for part in value:
            _sound(part)
    return value


Required = Annotated[str, StringConstraints(min_length=1)]
RealDate = Annotated[str, AfterValidator(_real_date)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_sound)]
JsonList = Annotated[list[Any], AfterValidator(_sound)]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an event type, as rules, forms and lint see it.

    `locating`: it tells where the person is, and is cut for protected residents (contract.md, Event types).
    `kind` is as in `Says`; `fields` are the parts of an address or of the objects in a list, `choices` the values a
    `choice` may have, else both are empty.
    """

    name: str
    optional: bool
    locating: bool
    ja: str
    en: str
    kind: str
    fields: "Mapping[str, Field]" = field(default_factory=dict)
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class EventType:
    """A type of event in its current version: its name (short), its model and its names for people."""

    name: str
    version: int
    model: type[EventData]
    ja: str
    en: str

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """Return the fields of `data` by name, in written order."""
        return fields_of(self.model)

    @cached_property
    def check(self) -> Callable[[Any], Any]:
        """Return the model's own check: it raises pydantic's ValidationError."""
        return self.model.__pydantic_validator__.validate_python


def fields_of(model: type[EventData], *, within_locating: bool = False) -> Mapping[str, Field]:
    """Return what a model's fields say; the parts of a locating field locate too.

    Raises TypeError for a field that says nothing of itself.
    """
    found = {}
    for name, info in model.model_fields.items():
        says = _says(info)
        if says is None:
            raise TypeError(f"{model.__name__}.{name} has no description")
        locating = says.locating or within_locating
        part = next(_classes(info.annotation), None)
        parts = fields_of(part, within_locating=locating) if part else {}
        choices = tuple(_choices(info.annotation))
        found[name] = Field(name, not info.is_required(), locating, says.ja, says.en, says.kind, parts, choices)
    return types.MappingProxyType(found)


def _says(info: FieldInfo) -> Says | None:
    own = [item for item in info.metadata if isinstance(item, Says)]
    inner = [item for item in _metadata(info.annotation) if isinstance(item, Says)]
    return next(iter(own[::-1] + inner[::-1]), None)


def _metadata(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _metadata(part)


def _choices(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif get_origin(annotation) is Annotated:
        yield from _choices(annotation.__origin__)
    elif get_origin(annotation) in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _choices(part)


def _classes(annotation: Any) -> Iterator[type[EventData]]:
    if isinstance(annotation, type) and issubclass(annotation, EventData):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _classes(annotation.__origin__)
    elif get_origin(annotation) in (Union, types.UnionType, list):
        for part in get_args(annotation):
            yield from _classes(part)
