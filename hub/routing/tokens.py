"""An expression's text as tokens, and errors that point into it."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches

from hub.errors import HubError

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*)
  | (?P<string>(?:[rR][bB]?|[bB][rR]?)?(?:\"\"\"|'''|"|'))
  | (?P<number>0[xX][0-9a-fA-F]+[uU]?|(?:[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+)(?:[eE][+-]?[0-9]+)?[uU]?)
  | (?P<name>[^\W\d]\w*)
  | (?P<sign>&&|\|\||==|!=|<=|>=|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_MEMBER = re.compile(r"\w+")
_ESCAPES = re.compile(r"\\(?:([abfnrtv\\'\"`?])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class ExpressionError(HubError):
    """An expression that cannot be compiled; `line` and `column` (1-based) are within its own text."""

    def __init__(self, message: str, *, line: int = 1, column: int = 1, mend: str = "", place: str = "") -> None:
        super().__init__(message, place=place, mend=mend, code="expression")
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text: its kind (`space string number name sign`), the text itself, and where it begins."""

    kind: str
    text: str
    at: int


def error_at(text: str, offset: int, message: str, mend: str = "") -> ExpressionError:
    """Return an error that points at an offset of the text."""
    before = text[:offset]
    return ExpressionError(
        message, line=before.count("\n") + 1, column=offset - (before.rfind("\n") + 1) + 1, mend=mend
    )


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return the mend for an unknown name: the nearest known one, else all of them."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return "known: " + ", ".join(sorted(known)) if known else ""


def tokens_of(text: str) -> list[Token]:
    """Return the tokens of an expression; their texts joined are the expression. Raises ExpressionError."""
    tokens: list[Token] = []
    at = 0
    operand = False  # a dot after an operand is a member, never the start of a number
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None  # noqa: S101 - `sign` takes any character
        kind, end = str(match.lastgroup), match.end()
        if kind == "number" and operand and match.group().startswith("."):
            kind, end = "sign", at + 1
        elif kind == "string":
            end = _string_end(text, at, match.group())
        elif kind != "space" and tokens and _after_dot(tokens) and (member := _MEMBER.match(text, at)):
            kind, end = "name", member.end()
        tokens.append(Token(kind, text[at:end], at))
        if kind != "space":
            operand = kind in {"name", "string", "number"} or text[at:end] in {")", "]", "}"}
        at = end
    return tokens


def _after_dot(tokens: list[Token]) -> bool:
    for token in reversed(tokens):
        if token.kind != "space":
            return token.text == "."
    return False


def _string_end(text: str, at: int, opening: str) -> int:
    quote = opening.lstrip("rRbB")
    raw = "r" in opening.lower()[: len(opening) - len(quote)]
    position = at + len(opening)
    while position < len(text):
        if text.startswith(quote, position):
            return position + len(quote)
        if text[position] == "\n" and len(quote) == 1:
            break
        position += 2 if text[position] == "\\" and not raw else 1
    raise error_at(text, at, "a text is not closed", f"add the closing {quote}")


def literal(token: str) -> str | None:
    """Return the value of a text literal; None for bytes."""
    body = token.lstrip("rRbB")
    prefix = token[: len(token) - len(body)].lower()
    if "b" in prefix:
        return None
    width = 3 if body[:3] in {'"""', "'''"} else 1
    inner = body[width:-width]
    return inner if "r" in prefix else _ESCAPES.sub(_unescape, inner)


def _unescape(match: re.Match[str]) -> str:
    simple, hex2, hex4, hex8, octal = match.groups()
    if simple is not None:
        return _SIMPLE.get(simple, simple)
    return chr(int(octal, 8) if octal else int(hex2 or hex4 or hex8, 16))


def quoted(text: str) -> str:
    """Return a text as a CEL literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
