"""Comparisons under lint: a value is compared with one that it can be."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hub.routing.plan import ROOTS
from hub.routing.shapes import Choice, Shape, Unknown, is_day, meant
from hub.routing.tokens import Token, literal, tokens_of

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes, Text
    from hub.routing.values import Path

Shapes = Callable[["Path"], Sequence[Shape | Unknown]]
"""Says what may stand at a path: one shape for each event type it may be of (Unknown is noted elsewhere)."""

_EQUAL = {"==", "!="}
_SIGNS = _EQUAL | {"<", "<=", ">", ">="}
_ENDS = {"(", ")", "[", "]", "{", "}", ",", "&&", "||", "?", ":"}
_DAY = re.compile(r"([0-9]{4})[-/.年]?([0-9]{1,2})[-/.月]?([0-9]{1,2})日?")
_BEGINNING = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")  # texts compare: a year, a month, any 31st
_SHOWN = {"date": "a date", "text": "a text", "number": "a number", "flag": "true or false", "list": "a list"}


class Comparison(NamedTuple):
    """A path compared with a value that is written there: `kind` is `text`, `number` or `flag`."""

    path: Path
    sign: str
    token: Token
    kind: str

    @property
    def value(self) -> str:
        """Return the value as it is shown."""
        return f'"{literal(self.token.text)}"' if self.kind == "text" else self.token.text


class Misfit(NamedTuple):
    """Why a comparison can never hold, and its mend."""

    message: str
    mend: str


def check(notes: Notes, text: Text, shapes: Shapes) -> None:
    """Note every comparison of an expression whose two sides can never be equal, or cannot be put in order."""
    for each in comparisons(text.text):
        found = [_misfit(each, shape) for shape in shapes(each.path) if not isinstance(shape, Unknown)]
        wrong = [misfit for misfit in found if misfit is not None]
        if wrong and len(wrong) == len(found):
            place = notes.place_at(text, each.token.at)
            notes.error(place, f"{text.what}: {wrong[0].message}", wrong[0].mend, "never")


def comparisons(text: str) -> Iterator[Comparison]:
    """Yield the comparisons of a whole path with a whole literal, in their order."""
    tokens = [token for token in tokens_of(text) if token.kind != "space"]
    for at, token in enumerate(tokens):
        if token.kind != "sign" or token.text not in _SIGNS:
            continue
        left, right = _before(tokens, at), _after(tokens, at + 1)
        path, value = (_path(left), _kind(right)) if _path(left) else (_path(right), _kind(left))
        if path is not None and value is not None:
            yield Comparison(path, token.text, (right if _path(left) else left)[-1], value)


def _before(tokens: list[Token], end: int) -> list[Token]:
    start = end
    while start > 0 and not _ends(tokens, start - 1):
        start -= 1
    return tokens[start:end]


def _after(tokens: list[Token], start: int) -> list[Token]:
    end = start
    while end < len(tokens) and not _ends(tokens, end):
        end += 1
    return tokens[start:end]


def _ends(tokens: list[Token], at: int) -> bool:
    """Say whether an operand ends at a token; a text in brackets, as of `facts["…"]`, belongs to it."""
    if tokens[at].text in {"[", "]"} and tokens[at].kind == "sign":
        opening = at if tokens[at].text == "[" else at - 2
        inside = tokens[opening : opening + 3]
        member = [each.text for each in inside[::2]] == ["[", "]"] and inside[1].kind == "string"
        return not (member and opening > 0 and tokens[opening - 1].kind == "name")
    return tokens[at].kind == "sign" and tokens[at].text in _ENDS


def _path(tokens: list[Token]) -> Path | None:
    """Return the path that the tokens are, `data.new_address["town"]` say; None for anything else."""
    if not tokens or tokens[0].kind != "name" or tokens[0].text not in ROOTS:
        return None
    path, rest = [tokens[0].text], tokens[1:]
    while rest:
        if rest[0].text == "." and len(rest) > 1 and rest[1].kind == "name":
            path.append(rest[1].text)
            rest = rest[2:]
        elif rest[0].text == "[" and len(rest) > 2 and (name := literal(rest[1].text)) is not None:
            path.append(name)
            rest = rest[3:]
        else:
            return None
    return tuple(path)


def _kind(tokens: list[Token]) -> str | None:
    """Return what the literal is that the tokens are; None for anything else."""
    if len(tokens) == 2 and tokens[0].text == "-" and tokens[1].kind == "number":
        return "number"
    if len(tokens) != 1:
        return None
    token = tokens[0]
    if token.kind == "string":
        return "text" if literal(token.text) is not None else None
    if token.text in {"true", "false"}:
        return "flag"
    return "number" if token.kind == "number" else None


def _misfit(each: Comparison, shape: Shape) -> Misfit | None:
    """Return why a comparison can never hold where its path has this shape; None where it may."""
    if shape == "open":
        return None
    shown = f"`{'.'.join(each.path)}`"
    if isinstance(shape, Choice):
        return _of_choice(each, shape, shown) if each.kind == "text" else _other(each, shown, "text")
    if isinstance(shape, Mapping):
        parts = ", ".join(f"`{name}`" for name in shape if name != "*")
        return Misfit(f"{shown} has parts and is never {each.value}", f"compare one of {parts}" if parts else "")
    if shape == "date" and each.kind == "text":
        return _of_date(each, shown)
    return None if each.kind == ("text" if shape == "date" else shape) else _other(each, shown, shape)


def _other(each: Comparison, shown: str, shape: str) -> Misfit:
    mends = {
        "date": 'write a date in quotes: "2026-04-01"',
        "text": f'write it in quotes: "{each.token.text}"',
        "number": "write a number, without quotes",
        "flag": f"write {shown.strip('`')} by itself, or !{shown.strip('`')}",
        "list": f"write … in {shown.strip('`')}, or size({shown.strip('`')})",
    }
    said = "cannot be compared with" if each.sign not in _EQUAL else "is never"
    return Misfit(f"{shown} is {_SHOWN[shape]} and {said} {each.value}", mends[shape])


def _of_choice(each: Comparison, shape: Choice, shown: str) -> Misfit | None:
    value = str(literal(each.token.text))
    if not value or value in shape.values or each.sign not in _EQUAL:
        return None
    return Misfit(f"{shown} is never {each.value}", meant(value, shape.values))


def _of_date(each: Comparison, shown: str) -> Misfit | None:
    value = str(literal(each.token.text))
    if not value:
        return None  # whether there is any: careful, not wrong
    if is_day(value) or (each.sign not in _EQUAL and _BEGINNING.fullmatch(value)):
        return None
    mend = "dates are written YYYY-MM-DD"
    parts = _DAY.fullmatch(value)
    if parts and is_day(right := f"{parts[1]}-{parts[2]:0>2}-{parts[3]:0>2}"):
        mend = f'write "{right}"'
    return Misfit(f"{shown} is a date, and {each.value} is none", mend)
