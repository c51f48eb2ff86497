"""Simple expressions, evaluated without CEL: a path, a text, a list or call of such, a text compared or sought.

These are most of what mappings and rules say. Their meaning is CEL's own; whatever is not recognised is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hub.routing.tokens import Token, literal
from hub.routing.values import PLAIN, Missing, Path, find, plain

if TYPE_CHECKING:
    from hub.routing.outline import Outline

Step = Callable[[Mapping[str, Any]], Any]

_WORDS = {"true": True, "false": False}


class _NotSimple(Exception):  # noqa: N818 - the way out of the parser
    """The expression is more than this module reads."""


def direct(outline: Outline, functions: Mapping[str, Callable[..., Any]]) -> Step | None:
    """Return the expression as a Python function of its scope, or None when it is not simple.

    The function raises Missing, and ValueError for values expressions cannot hold.
    """
    parser = _Parser(outline, functions)
    try:
        return parser.whole()
    except _NotSimple:
        return None


class _Parser:
    def __init__(self, outline: Outline, functions: Mapping[str, Callable[..., Any]]) -> None:
        self.tokens = [token for token in outline.tokens if token.kind != "space"]
        self.roots = {path[0] for path in (*outline.variables.values(), *outline.presence.values())}
        self.functions = functions
        self.index = 0

    def whole(self) -> Step:
        left = self.operand()
        if self.peek().text in {"==", "!="}:
            sign = self.next().text
            texts = self.tokens[0].kind == "string" or self.peek().kind == "string"
            left = _comparison(left, self.operand(), equal=sign == "==") if texts else _give_up()
        elif self.peek().text == "in" and self.tokens[0].kind == "string" and self.peek(1).text in self.roots:
            self.next()
            left = _membership(str(literal(self.tokens[0].text)), self.path(self.next()))
        if self.index < len(self.tokens):
            raise _NotSimple
        return left

    def peek(self, ahead: int = 0) -> Token:
        index = self.index + ahead
        return self.tokens[index] if index < len(self.tokens) else Token("end", "", 0)

    def next(self) -> Token:
        token = self.peek()
        self.index += 1
        return token

    def operand(self) -> Step:
        token = self.next()
        if token.kind == "string":
            value = literal(token.text)
            return _constant(value) if value is not None else _give_up()
        if token.kind == "number" and token.text.isdigit() and len(token.text) < 19:
            return _constant(int(token.text))
        if token.text == "[":
            return _list(self.values("]"))
        if token.kind == "name" and token.text in _WORDS:
            return _constant(_WORDS[token.text])
        if token.kind == "name" and self.peek().text == "(":
            return self.call(token)
        if token.kind == "name" and token.text in self.roots:
            return _value(self.path(token))
        raise _NotSimple

    def values(self, closing: str) -> list[Step]:
        steps: list[Step] = []
        while self.peek().text != closing:
            steps.append(self.operand())
            if self.peek().text not in {",", closing}:
                raise _NotSimple
            if self.peek().text == ",":
                self.next()
        self.next()
        return steps

    def call(self, name: Token) -> Step:
        self.next()
        if name.text == "has" and self.peek().text in self.roots:
            path = self.path(self.next())
            return _presence(path) if self.next().text == ")" else _give_up()
        if name.text not in self.functions or name.text == "local_id":  # its resident may go without saying
            raise _NotSimple
        return _call(self.functions[name.text], self.values(")"))

    def path(self, root: Token) -> Path:
        path = [root.text]
        while self.peek().text in {".", "["}:
            sign, member = self.next(), self.next()
            text = member.text if sign.text == "." and member.kind == "name" else None
            if sign.text == "[" and member.kind == "string" and self.next().text == "]":
                text = literal(member.text)
            if text is None or self.peek().text == "(":
                raise _NotSimple
            path.append(text)
        return tuple(path)


def _give_up() -> Step:
    raise _NotSimple


def _constant(value: Any) -> Step:
    return lambda _: value


def _value(path: Path) -> Step:
    def value_of(scope: Mapping[str, Any]) -> Any:
        value = find(scope, path)
        if value is None:
            raise Missing(path)
        return value if type(value) in PLAIN else plain(value)

    return value_of


def _membership(text: str, path: Path) -> Step:
    def holds(scope: Mapping[str, Any]) -> bool:
        value = find(scope, path)
        if value is None:
            raise Missing(path)
        if not isinstance(value, (Mapping, list, tuple)):
            raise ValueError("is neither a list nor a map, so nothing is `in` it")  # noqa: TRY004 - see `direct`
        return text in value

    return holds


def _presence(path: Path) -> Step:
    return lambda scope: find(scope, path) is not None


def _list(steps: list[Step]) -> Step:
    return lambda scope: [step(scope) for step in steps]


def _call(function: Callable[..., Any], steps: list[Step]) -> Step:
    return lambda scope: function(*[step(scope) for step in steps])


def _comparison(left: Step, right: Step, *, equal: bool) -> Step:
    return lambda scope: (left(scope) == right(scope)) is equal
