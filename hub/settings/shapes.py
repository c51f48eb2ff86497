"""The shapes one value may be written in: durations, lists that may be one word, expressions that may be plain values.

Each function takes a node and returns what the model holds, or raises `Wrong` naming the place and the mend.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from hub.settings.secret import Secret
from hub.settings.yaml import Node

Shape = Callable[[Node], Any]
S = TypeVar("S", bound=Shape)

Schema = dict[str, Any]
_SCHEMAS: dict[Shape, Schema] = {}  # what each shape takes, as JSON Schema
WORD: Schema = {"type": "string"}
SCALAR: Schema = {"type": ["string", "number", "boolean"]}


def says(schema: Schema) -> Callable[[S], S]:
    """Return a decorator that notes what a shape takes, for the schema that editors use."""

    def note(shape: S) -> S:
        _SCHEMAS[shape] = schema
        return shape

    return note


def schema_of(shape: Shape) -> Schema:
    """Return what a shape takes, as JSON Schema (draft 7); {} where that is not said."""
    return _SCHEMAS.get(shape, {})


SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?%", re.ASCII)
DURATION = re.compile(r"(?:every\s+)?([0-9]+(?:\.[0-9]+)?)\s*([smhd])", re.ASCII)
DURATION_MEND = "write a number and s, m, h or d: 30s, 10m, 26h, 14d"
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


class Wrong(ValueError):  # noqa: N818 — an answer about one value
    """A value of the wrong shape; `others` are wrong in the same list or mapping."""

    def __init__(self, node: Node, message: str, mend: str = "") -> None:
        super().__init__(message)
        self.node = node
        self.mend = mend
        self.others: list[Wrong] = []


def seconds_of(text: str) -> float:
    """Return the seconds of a duration: `5s`, `1m`, `2h`, `14d`, `every 4h`; raise `ValueError`."""
    match = DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"`{text}` is not a duration; {DURATION_MEND}")
    return float(match[1]) * SECONDS[match[2]]


def in_seconds(value: Any) -> float:
    """Return the seconds an adapter's setting says: a number, a duration, or digits alone, as `env:NAME` gives them.

    Raises ValueError with the mend; a secret is not shown.
    """
    if type(value) in (int, float):
        return float(value)
    text = value.strip() if isinstance(value, str) else ""
    try:
        return seconds_of(f"{text}s" if NUMBER.fullmatch(text) else text)
    except ValueError:
        shown = "what it stands for" if isinstance(value, Secret) else f"`{value}`"
        raise ValueError(f"{shown} is not a duration; {DURATION_MEND}, or 30 for seconds") from None


@says({"type": "string", "pattern": r"^\s*(every\s+)?[0-9]+(\.[0-9]+)?\s*[smhd]\s*$"})
def duration(node: Node) -> float:
    """Return the seconds of a duration; a bare number is refused, since nobody could tell its unit."""
    if not isinstance(node.value, str):
        raise Wrong(node, f"`{node.value}` has no unit of time", DURATION_MEND)
    try:
        return seconds_of(node.value)
    except ValueError:
        raise Wrong(node, f"`{node.value}` is not a duration", DURATION_MEND) from None


@says({"type": "string", "pattern": r"^\s*(every\s+)?[0-9]+(\.[0-9]+)?\s*[smhd]\s*$"})
def days(node: Node) -> int:
    """Return the whole days of a duration such as `14d`."""
    whole, rest = divmod(duration(node), SECONDS["d"])
    if rest:
        raise Wrong(node, f"`{node.value}` is not a number of whole days", "write it in days: 14d")
    return int(whole)


@says({"type": ["number", "string"]})
def seconds(node: Node) -> Any:
    """Return seconds written as a number, or as a duration."""
    return node.value if type(node.value) in (int, float) else duration(node)


@says({"type": "boolean"})
def truth(node: Node) -> bool:
    """Return true or false; `yes`, `no`, `on`, `off` are text in YAML 1.2."""
    if not isinstance(node.value, bool):
        raise Wrong(node, f"`{node.value}` is neither true nor false", "write true or false")
    return node.value


def listed(of: Shape) -> Shape:
    """Return a shape for a list of `of`, in brackets or as lines."""

    def shape(node: Node) -> tuple[Any, ...]:
        if not isinstance(node.value, list):
            inside = json_of(node.value).translate(_HALF_WIDTH).strip("[]")
            raise Wrong(node, "this must be a list", f"write it in brackets: [{inside}]")
        return tuple(each(of, node).values())

    return says({"type": "array", "items": schema_of(of)})(shape)


def one_or_more(of: Shape) -> Shape:
    """Return a shape for one `of` or a list of them."""

    def shape(node: Node) -> tuple[Any, ...]:
        return listed(of)(node) if isinstance(node.value, list) else (of(node),)

    return says({"anyOf": [schema_of(of), {"type": "array", "items": schema_of(of)}]})(shape)


def mapped(of: Shape) -> Shape:
    """Return a shape for a mapping whose values are `of`."""

    def shape(node: Node) -> dict[str, Any]:
        if not isinstance(node.value, dict):
            raise Wrong(node, "this must be a mapping", "write `name: value` lines, or {name: value}")
        refuse_cut(node)
        return each(of, node)

    return says({"type": "object", "additionalProperties": schema_of(of)})(shape)


def refuse_cut(node: Node) -> None:
    """Refuse a mapping in braces in which a comma within an expression began a new key: `{a: f(x, y)}`."""
    before: Node | None = None
    for key, part in node.items.items():
        cut = before is not None and part.value is None and before.raw.count("(") > before.raw.count(")")
        if before is not None and cut:
            mend = f"put an expression that holds a comma in quotes: '{before.raw}, {key}'"
            raise Wrong(before, "the comma ends the expression here", mend)
        before = part


def each(of: Shape, node: Node) -> dict[str, Any]:
    """Return the parts of a list or mapping by their shape; raise one `Wrong` for all that are wrong."""
    made: dict[str, Any] = {}
    wrong: list[Wrong] = []
    for key, part in node.items.items():
        try:
            made[str(key)] = of(part)
        except Wrong as error:
            wrong.extend((error, *error.others))
    if wrong:
        wrong[0].others = wrong[1:]
        raise wrong[0]
    return made


@says(WORD)
def word(node: Node) -> str:
    """Return a text; numbers and truth values are refused with the mend."""
    if not isinstance(node.value, str):
        mend = f'put it in quotes: "{node.raw}"' if is_scalar(node.value) else "write one value, without brackets"
        raise Wrong(node, "this must be text", mend)
    return node.value


@says(SCALAR)
def expression(node: Node) -> str:
    """Return an expression as text; a plain number or truth value is the expression of itself."""
    if isinstance(node.value, str) and not node.value.strip():
        raise Wrong(node, "an expression is missing here", "write one, or remove the key")
    if isinstance(node.value, str):
        return node.value
    if node.value is None or not is_scalar(node.value):
        mend = "put an expression that begins with { or [ in quotes" if node.value is not None else "write one"
        raise Wrong(node, "this must be an expression", mend)
    return json_of(node.value)


@says({"anyOf": [WORD, {"type": "object", "additionalProperties": SCALAR}]})
def send_item(node: Node) -> str | dict[str, str]:
    """Return an item of `send`: a field's name, a dotted name, or {name: expression}."""
    return mapped(expression)(node) if isinstance(node.value, dict) else word(node)


@says({"anyOf": [WORD, {"type": "object", "additionalProperties": WORD}]})
def title(node: Node) -> dict[str, str]:
    """Return a title by language; a plain text is the Japanese one."""
    if isinstance(node.value, str):
        return {"ja": node.value}
    titles: dict[str, str] = mapped(word)(node)
    return titles


@says({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?%$"})
def percent(node: Node) -> str:
    """Return a share such as "5%"."""
    if not isinstance(node.value, str) or not PERCENT.fullmatch(node.value):
        raise Wrong(node, f"`{node.value}` is not a share", 'write "5%"')
    return node.value


@says(schema_of(percent))
def share(node: Node) -> str:
    """Return a share of at most all, "100%"."""
    text = percent(node)
    if float(text.removesuffix("%")) > 100:
        raise Wrong(node, f"`{text}` is more than all there is", 'write at most "100%", such as "5%"')
    return text


@says({"anyOf": [{"const": "never"}, {"type": "integer", "minimum": 1}]})
def attempts(node: Node) -> Any:
    """Return after how many attempts to give up, or `never`."""
    if node.value != "never" and not (type(node.value) is int and node.value > 0):
        raise Wrong(node, f"`{node.value}` is not a number of attempts", "write never, or a number such as 20")
    return node.value


@says({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2})
def count_range(node: Node) -> tuple[Any, ...]:
    """Return a pair [least, most]."""
    pair = tuple(node.value) if isinstance(node.value, list) else ()
    if len(pair) != 2 or not all(type(bound) is int for bound in pair) or pair[0] > pair[1]:
        raise Wrong(node, "this must be two numbers, the least and the most", "write [10, 5000]")
    return pair


def is_scalar(value: Any) -> bool:
    """Say whether a value is neither a list nor a mapping."""
    return not isinstance(value, dict | list)


_HALF_WIDTH = str.maketrans({"［": "[", "］": "]", "、": ", ", "，": ", "})


def json_of(value: Any) -> str:
    """Return a plain value as JSON, which CEL reads alike."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
