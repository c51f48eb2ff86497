"""Simple expressions, evaluated without CEL: paths, literals, lists, calls, comparisons, and `&&`, `||`, `!` of these.

They are most of what mappings and rules say, and take a fraction of the time. Their meaning is CEL's own: what is not
recognised is left to it when compiled, and values of unexpected kinds when evaluated (`Unusual`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from hub.routing.outline import Outline
from hub.routing.tokens import Token, literal
from hub.routing.values import PLAIN, Missing, Path, find, plain

Step = Callable[[Mapping[str, Any]], Any]

_WORDS = {"true": True, "false": False}
_ORDERED = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_RELATIONS = {"==", "!=", "in", *_ORDERED}
_COMPARABLE = frozenset({str, int, float})


class Unusual(Exception):  # noqa: N818 - the way out to CEL
    """The values are of kinds whose meaning is CEL's to say."""


class _NotSimple(Exception):  # noqa: N818 - the way out of the parser
    """The expression is more than this module reads."""


def direct(outline: Outline, functions: Mapping[str, Callable[..., Any]]) -> Step | None:
    """Return the expression as a Python function of its scope, or None when it is not simple.

    The function raises Missing, Unusual, and ValueError for values expressions cannot hold.
    """
    parser = _Parser(outline, functions)
    logic = any(token.text in {"&&", "||"} for token in parser.tokens)
    if logic and (outline.presence or outline.calls):
        return None  # here it matters that what follows a decided `&&` or `||` is not evaluated
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

    def peek(self, ahead: int = 0) -> Token:
        index = self.index + ahead
        return self.tokens[index] if index < len(self.tokens) else Token("end", "", 0)

    def next(self) -> Token:
        token = self.peek()
        self.index += 1
        return token

    def expect(self, text: str) -> None:
        if self.next().text != text:
            raise _NotSimple

    def whole(self) -> Step:
        step = self.logic("||")
        if self.index < len(self.tokens):
            raise _NotSimple
        return step

    def logic(self, sign: str) -> Step:
        steps = [self.part(sign)]
        while self.peek().text == sign and self.peek().kind == "sign":
            self.next()
            steps.append(self.part(sign))
        return steps[0] if len(steps) == 1 else _logic(steps, any if sign == "||" else all)

    def part(self, sign: str) -> Step:
        return self.logic("&&") if sign == "||" else self.relation()

    def relation(self) -> Step:
        left = self.unary()
        sign = self.peek()
        if sign.kind == "string" or sign.text not in _RELATIONS:
            return left
        self.next()
        if sign.text == "in":
            return _membership(left, self.container())
        right = self.unary()
        return _order(left, right, _ORDERED[sign.text]) if sign.text in _ORDERED else _same(left, right, sign.text)

    def container(self) -> Step:
        """Return what stands after `in`; a map is not copied only to ask for one of its names."""
        if self.peek().kind == "name" and self.peek().text in self.roots:
            return _value(self.path(self.next()), whole=False)
        return self.unary()

    def unary(self) -> Step:
        if self.peek().text == "!":
            self.next()
            return _negation(self.unary())
        return self.operand()

    def operand(self) -> Step:
        token = self.next()
        if token.kind in {"string", "number"} or token.text in _WORDS:
            return _constant(_literal(token))
        if token.text == "(":
            step = self.logic("||")
            self.expect(")")
            return step
        if token.text == "[":
            return _list(self.values("]"))
        if token.kind == "name" and self.peek().text == "(":
            return self.call(token)
        if token.kind == "name" and token.text in self.roots:
            return _value(self.path(token))
        raise _NotSimple

    def values(self, closing: str) -> list[Step]:
        steps: list[Step] = []
        while self.peek().text != closing:
            steps.append(self.logic("||"))
            if self.peek().text != closing:
                self.expect(",")
        self.next()
        return steps

    def call(self, name: Token) -> Step:
        self.next()
        if name.text == "has" and self.peek().text in self.roots:
            path = self.path(self.next())
            self.expect(")")
            return _presence(path)
        if name.text not in self.functions or name.text == "local_id":  # its resident may go without saying
            raise _NotSimple
        return _call(self.functions[name.text], self.values(")"))

    def path(self, root: Token) -> Path:
        path = [root.text]
        while self.peek().text in {".", "["} and self.peek().kind == "sign":
            sign, member = self.next(), self.next()
            text = member.text if sign.text == "." else literal(member.text) if member.kind == "string" else None
            if sign.text == "[":
                self.expect("]")
            if text is None or self.peek().text == "(":
                raise _NotSimple
            path.append(text)
        return tuple(path)


def _literal(token: Token) -> Any:
    if token.kind == "number" and token.text.isdigit() and len(token.text) < 19:
        return int(token.text)
    value = literal(token.text) if token.kind == "string" else _WORDS.get(token.text)
    if value is None:  # bytes, and numbers that are not plain
        raise _NotSimple
    return value


def _constant(value: Any) -> Step:
    return lambda _: value


def _value(path: Path, *, whole: bool = True) -> Step:
    def value_of(scope: Mapping[str, Any]) -> Any:
        value = find(scope, path)
        if value is None:
            raise Missing(path)
        return value if type(value) in PLAIN or not whole else plain(value)

    return value_of


def _presence(path: Path) -> Step:
    return lambda scope: find(scope, path) is not None


def _list(steps: list[Step]) -> Step:
    return lambda scope: [step(scope) for step in steps]


def _call(function: Callable[..., Any], steps: list[Step]) -> Step:
    return lambda scope: function(*[step(scope) for step in steps])


def _negation(step: Step) -> Step:
    return lambda scope: not _truth(step(scope))


def _logic(steps: list[Step], joined: Callable[[list[bool]], bool]) -> Step:
    """Join by `all` or `any`; every part is evaluated, since a missing one makes the whole unknown."""
    return lambda scope: joined([_truth(value) for value in [step(scope) for step in steps]])


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise Unusual


def _same(left: Step, right: Step, sign: str) -> Step:
    def compare(scope: Mapping[str, Any]) -> bool:
        one, other = left(scope), right(scope)
        if type(one) is not str and type(other) is not str and not (type(one) is type(other) in (bool, int)):
            raise Unusual
        return (one == other) is (sign == "==")

    return compare


def _order(left: Step, right: Step, holds: Callable[[Any, Any], bool]) -> Step:
    def compare(scope: Mapping[str, Any]) -> bool:
        one, other = left(scope), right(scope)
        if type(one) is type(other) and type(one) in _COMPARABLE:
            return holds(one, other)
        raise Unusual

    return compare


def _membership(left: Step, right: Step) -> Step:
    def holds(scope: Mapping[str, Any]) -> bool:
        one, other = left(scope), right(scope)
        if type(one) is str and isinstance(other, (Mapping, list, tuple)):
            return one in other
        raise Unusual

    return holds
