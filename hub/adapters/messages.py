"""Texts for people, made of deliveries: of each only what the receiver's settings permit.

A template has up to three parts, separated by lines of `---`: what stands above, what stands for each delivery, and
what stands below; a template of one part is the part for each delivery. Between `{` and `}` stands an expression, or
one of `count`, `types` (how many of each type) and `link`. What is absent is left empty.

Of a delivery's `data`, and its `subject`, a template sees only what `fields` permits: nothing else is there when its
expressions are evaluated. So a message holds by itself types, counts, the event's id and link.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationInfo, field_validator, model_validator

from hub.adapters.contract import AdapterSettings, Batch, Delivery, Expressions, Site
from hub.errors import ConfigurationError, Problem

EXPRESSION = re.compile(r"\{([^{}]*)\}")
NAMED = re.compile(r"\bdata(?:\.([a-z_]+)|\[\s*[\"']([^\"']+)[\"']\s*\])")
SUBJECT = re.compile(r"(?<![.\w\"'])subject\b|\bevent\.subject\b")
SPECIAL = ("count", "types", "link")
FOLDER = "templates"
PLAIN = "{count}\n---\n{event.type} {event.id} {link}"
KEPT = ("specversion", "id", "source", "type", "time", "deliverykey", "action", "corrects", "sequence", "batchid")

Part = Callable[[Sequence[Delivery], Batch], str]
Spot = Callable[[str], str]
NOTHING: Mapping[str, Part] = {}


class MessageSettings(AdapterSettings):
    """What a message says, and what it may hold of a resident."""

    template: str | None = Field(
        default=None,
        pattern="^[A-Za-z0-9._-]+$",
        description="A file of the city, `templates/<template>.txt`, in UTF-8.",
    )
    text: str | None = Field(
        default=None,
        min_length=1,
        description="The template itself. Without either: how many, and each delivery's type, event id and link.",
    )
    fields: list[str] = Field(
        default=[],
        description="What a message may hold of a resident: fields of the rules' `send`, and `subject`, the resident's"
        " number. Nothing without it. A template that names another is refused.",
    )
    link: str | None = Field(
        default=None,
        description="An address for `{link}`, in which `{expression}` is replaced, such as"
        " `https://hub.example/events/{event.id}`.",
    )

    @field_validator("text")
    @classmethod
    def _parts(cls, text: str | None, _info: ValidationInfo) -> str | None:
        if text is not None and len(_split(text)) > 3:
            raise ValueError("a template has at most three parts, separated by lines of ---")
        return text

    def texts(self) -> tuple[str | None, ...]:
        """Return the texts in which expressions stand."""
        return self.text, self.link

    @model_validator(mode="after")
    def _one_template(self) -> MessageSettings:
        if self.template is not None and self.text is not None:
            raise ValueError("give either `template` or `text`")
        for text in self.texts():
            if text is not None and (named := unpermitted(text, self.fields)):
                raise ValueError(f"it names {named}; add it to `fields` if a message may hold it")
        return self


def unpermitted(text: str, fields: Sequence[str]) -> str:
    """Return the first field of a resident that a template names and `fields` does not permit, or nothing."""
    for expression in EXPRESSION.findall(text):
        for found in NAMED.finditer(expression):
            if (name := found[1] or found[2]) not in fields:
                return f"data.{name}"
        if SUBJECT.search(expression) and "subject" not in fields:
            return "subject"
    return ""


class Template:
    """Makes the text of several deliveries."""

    def __init__(self, settings: MessageSettings, site: Site, port: Expressions) -> None:
        self._fields = frozenset(settings.fields)
        written, spot = _written(settings, site)
        parts = _split(written)
        head, each, foot = {1: ("", parts[0], ""), 2: (*parts, ""), 3: tuple(parts)}[len(parts)]
        self._link = compiled(settings.link or "", port, {})
        special: dict[str, Part] = {
            "count": lambda deliveries, _: str(len(deliveries)),
            "types": lambda deliveries, _: _types(deliveries),
            "link": self._link,
        }
        self._head, self._each, self._foot = (compiled(part, port, special, spot) for part in (head, each, foot))

    def text(self, deliveries: Sequence[Delivery], batch: Batch) -> str:
        """Return the message about these deliveries. Raises `Malformed` for an expression that fails."""
        seen = [permitted(delivery, self._fields) for delivery in deliveries]
        lines = [self._head(seen, batch), *(self._each([one], batch) for one in seen), self._foot(seen, batch)]
        return "\n".join(line for line in lines if line)


def permitted(delivery: Delivery, fields: frozenset[str]) -> Delivery:
    """Return a delivery with what may be told of the resident, and nothing else."""
    event, subject = delivery.event, delivery.subject if "subject" in fields else ""
    data = _cut(delivery.data, fields)
    if isinstance(restored := delivery.data.get("restored"), dict):
        data["restored"] = _cut(restored, fields)
    body = {**{name: event[name] for name in KEPT if name in event}, "subject": subject, "data": data}
    rest = (delivery.event_id, delivery.type, subject, delivery.time, orjson.dumps(body), delivery.action)
    return Delivery(delivery.key, delivery.no, *rest)


def _cut(data: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name in fields}


def _written(settings: MessageSettings, site: Site) -> tuple[str, Spot]:
    """Return the template's text, and what says where an expression stands in its file.

    Raises ConfigurationError for a file that is not there or says too much.
    """
    if settings.template is None:
        return settings.text or PLAIN, _nowhere
    path = site.folder / FOLDER / f"{settings.template}.txt"
    place = str(path.relative_to(site.folder))
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise _wrong(place, f"the template cannot be read: {reason}", "write it, in UTF-8") from None
    if len(_split(text)) > 3:
        raise _wrong(place, "a template has at most three parts", "separate them by lines of ---")
    if named := unpermitted(text, settings.fields):
        raise _wrong(place, f"the template names {named}", "add it to the receiver's `fields` if a message may hold it")

    def spot(expression: str) -> str:
        before = text.partition(f"{{{expression}}}")[0] + "{"
        return f"{place}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"

    return text, spot


def _nowhere(_: str) -> str:
    """Say that an expression stands among the settings."""
    return ""


def _wrong(place: str, message: str, mend: str) -> ConfigurationError:
    return ConfigurationError([Problem(Path(place).as_posix(), message, mend, code="template")])


def _split(text: str) -> list[str]:
    return [part.strip("\n") for part in re.split(r"(?m)^---[ \t]*$", text)]


def compiled(text: str, port: Expressions, special: Mapping[str, Part] = NOTHING, spot: Spot = _nowhere) -> Part:
    """Return what makes one part of a template into text; expressions see the first of its deliveries.

    `spot` says where an expression stands that is not among the settings.
    """
    parts: list[str | Part] = []
    for index, part in enumerate(EXPRESSION.split(text)):
        parts.append(part if index % 2 == 0 else special.get(part.strip()) or _value(port.compile(part, spot(part))))
    return lambda deliveries, batch: "".join(p if isinstance(p, str) else p(deliveries, batch) for p in parts)


def _value(expression: Callable[[Delivery, Batch], Any]) -> Part:
    def shown(deliveries: Sequence[Delivery], batch: Batch) -> str:
        value = expression(deliveries[0], batch)
        return "" if value is None else value if isinstance(value, str) else orjson.dumps(value).decode()

    return shown


def _types(deliveries: Sequence[Delivery]) -> str:
    counted = Counter(delivery.type for delivery in deliveries)
    return ", ".join(f"{name} {count}" for name, count in counted.items())
