"""Reading an expression: the paths and functions it names, and the text CEL is given.

CEL takes ASCII names only and is slow to be handed nested values, so every static path such as `facts.insurance.kokuho`
or `row["氏名"]` becomes one variable, and `has(path)` becomes one boolean. Positions are mapped back for messages.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from hub.routing.tokens import Token, did_you_mean, error_at, literal, quoted, tokens_of
from hub.routing.values import Path

_ASCII_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_LONE = re.compile(r"\w[\w-]*")  # a word, jido-teate too
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_WORDS = {"true", "false", "null", "in"}
_MENDS = {
    "=": "write == to compare",
    "&": "write && for 'and'",
    "|": "write || for 'or'",
    "and": "write &&",
    "or": "write ||",
    "not": "write !",
    "None": "write null",
    "True": "write true",
    "False": "write false",
}

MACROS = {"all", "exists", "exists_one", "map", "filter"}
BUILT_IN = {"size", "int", "uint", "double", "string", "type", "timestamp", "duration", "dyn", "has"}
METHODS = {"startsWith", "endsWith", "contains", "matches", "size"}


@dataclass(slots=True)
class Outline:
    """What an expression is made of.

    `variables` maps each CEL variable to its path, `presence` each boolean that stands for `has(path)`. `open` are the
    paths from which the expression goes on dynamically. `tables` are the tables named in `lookup("…", …)`, with their
    places. `calls` are all functions and methods called.
    """

    text: str
    tokens: list[Token]
    variables: dict[str, Path] = field(default_factory=dict)
    presence: dict[str, Path] = field(default_factory=dict)
    open: set[Path] = field(default_factory=set)
    tables: list[tuple[str, int]] = field(default_factory=list)
    dated: bool = True  # every lookup() says its date
    calls: set[str] = field(default_factory=set)
    pieces: list[str] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)
    length: int = 0

    @property
    def rewritten(self) -> str:
        """Return the text for CEL."""
        return "".join(self.pieces)

    def emit(self, piece: str, at: int) -> None:
        """Add a piece that stands for the text at `at`."""
        self.starts.append((self.length, at))
        self.pieces.append(piece)
        self.length += len(piece)

    def original(self, offset: int) -> int:
        """Return where in the text the piece of the rewritten text at `offset` comes from."""
        if offset >= self.length:
            return len(self.text)
        return self.starts[bisect_right(self.starts, (offset, len(self.text))) - 1][1]

    def variable_of(self, path: Path) -> str:
        """Return the variable that holds the path's value."""
        return _named(self.variables, path, "__v")

    def presence_of(self, path: Path) -> str:
        """Return the variable that says whether the path has a value."""
        return _named(self.presence, path, "__h")


def _named(names: dict[str, Path], path: Path, prefix: str) -> str:
    for name, known in names.items():
        if known == path:
            return name
    name = f"{prefix}{len(names)}"
    names[name] = path
    return name


@dataclass(slots=True)
class _Frame:
    """An open bracket: what called it, how many values stand in it, and the names a macro binds in it."""

    bracket: Token
    call: Token | None = None
    method: bool = False
    commas: int = 0
    empty: bool = True
    bound: str | None = None


class Reader:
    """Walks the tokens once and fills an `Outline`. `functions` maps each function to its fewest and most values."""

    def __init__(self, text: str, roots: Collection[str], functions: Mapping[str, tuple[int, int]]) -> None:
        self.text = text
        self.roots = roots
        self.functions = functions
        self.outline = Outline(text, tokens_of(text))
        self.tokens = [token for token in self.outline.tokens if token.kind != "space"]
        self.frames: list[_Frame] = []
        self.index = 0

    def read(self) -> Outline:
        """Return the outline; raises ExpressionError."""
        if not self.tokens:
            raise error_at(self.text, 0, "the expression is empty", "write a value, a path or a condition")
        while self.index < len(self.tokens):
            token = self.tokens[self.index]
            if self.index:
                self._gap(token)
            if self.frames and token.text not in {")", "]", "}"}:
                self.frames[-1].empty = False
            if token.kind == "name":
                self._name(token)
            elif token.kind == "sign":
                self._sign(token)
            else:
                self._emit(token)
        if self.frames:
            bracket = self.frames[-1].bracket
            raise error_at(self.text, bracket.at, f"{bracket.text} is not closed", f"add {_CLOSING[bracket.text]}")
        return self.outline

    def _gap(self, token: Token) -> None:
        before = self.tokens[self.index - 1]
        gap = self.text[before.at + len(before.text) : token.at]
        if gap:
            self.outline.emit("\n" if "\n" in gap else " ", before.at + len(before.text))

    def _emit(self, token: Token, text: str | None = None) -> None:
        self.outline.emit(token.text if text is None else text, token.at)
        self.index += 1

    def _peek(self, ahead: int = 1) -> Token:
        index = self.index + ahead
        return self.tokens[index] if index < len(self.tokens) else Token("end", "", len(self.text))

    def _name(self, token: Token) -> None:
        bound = {frame.bound for frame in self.frames}
        if token.text in _WORDS or token.text in bound:
            self._emit(token)
        elif self._peek().text == "(":
            self._function(token)
        elif token.text in self.roots:
            path, after = self._path(self.index)
            self.outline.emit(self.outline.variable_of(path), token.at)
            self._leave(path, after)
        else:
            raise error_at(self.text, token.at, f"{token.text} is not known here", self._meant(token.text, bound))

    def _meant(self, name: str, bound: Collection[str | None]) -> str:
        """Return the mend for a name that is not known; one that is the whole expression may be meant as a text."""
        if name in _MENDS:
            return _MENDS[name]
        mend = did_you_mean(name, [*self.roots, *(each for each in bound if each)])
        if "row" in self.roots and not name.isascii():
            mend = f"a column is written row.{name}"
        whole = self.text.strip()
        if _LONE.fullmatch(whole) and not mend.endswith("?"):
            return f"""for the text write '"{whole}"'; {mend}"""
        return mend

    def _path(self, index: int) -> tuple[Path, int]:
        """Return the static path that begins at a token, and the index of the token after it."""
        path = [self.tokens[index].text]
        index += 1
        while index + 1 < len(self.tokens):
            sign, member = self.tokens[index], self.tokens[index + 1]
            after = self.tokens[index + 2].text if index + 2 < len(self.tokens) else ""
            if sign.text == "." and member.kind == "name" and after != "(":
                path.append(member.text)
                index += 2
            elif sign.text == "[" and member.kind == "string" and after == "]" and literal(member.text) is not None:
                path.append(str(literal(member.text)))
                index += 3
            else:
                break
        return tuple(path), index

    def _leave(self, path: Path, after: int) -> None:
        self.index = after
        following = self._peek(0).text
        if following == "[" or (following == "." and self._peek().text in MACROS):
            self.outline.open.add(path)

    def _function(self, token: Token) -> None:
        if token.text == "has" and self._peek(2).text in self.roots:
            self._has(token)
            return
        if token.text not in self.functions and token.text not in BUILT_IN:
            mend = did_you_mean(token.text, [*self.functions, *BUILT_IN])
            raise error_at(self.text, token.at, f"there is no function {token.text}()", mend)
        self.outline.calls.add(token.text)
        if token.text == "lookup":
            self._table()
        self._emit(token, f"__{token.text}" if token.text in self.functions else None)
        self._push(self._peek(0), _Frame(self._peek(0), call=token))

    def _table(self) -> None:
        table = self._peek(2)
        if table.kind == "string" and self._peek(3).text == ",":
            self.outline.tables.append((str(literal(table.text)), table.at))

    def _has(self, token: Token) -> None:
        path, after = self._path(self.index + 2)
        if after >= len(self.tokens) or self.tokens[after].text != ")":
            raise error_at(self.text, token.at, "has() takes one path", "write has(facts.insurance.kokuho), say")
        self.outline.emit(self.outline.presence_of(path), token.at)
        self.index = after + 1

    def _push(self, token: Token, frame: _Frame) -> None:
        self.frames.append(frame)
        self._emit(token)

    def _sign(self, token: Token) -> None:
        if token.text in _CLOSING:
            if token.text == "{" and self.index and self.tokens[self.index - 1].kind == "name":
                raise error_at(self.text, token.at, "CEL messages are not known here", 'write a map: {"name": value}')
            self._push(token, _Frame(token))
        elif token.text in {")", "]", "}"}:
            self._close(token)
        elif token.text == ".":
            self._member(token)
        elif token.text in {"=", "&", "|"} or not token.text.isascii():
            mend = _MENDS.get(token.text, "full-width signs stand only inside texts; write it half-width")
            raise error_at(self.text, token.at, f"{token.text} is not a sign of expressions", mend)
        else:
            if token.text == "," and self.frames:
                self.frames[-1].commas += 1
            self._emit(token)

    def _member(self, token: Token) -> None:
        """Write a member that follows a value (not a static path): a method, or a name CEL may not take."""
        member = self._peek()
        if member.kind != "name" or not self.index:
            raise error_at(
                self.text, token.at, "a name must stand before and after the dot", "write it, or remove the dot"
            )
        if self._peek(2).text == "(":
            self._method(token, member)
        elif _ASCII_NAME.match(member.text) and member.text not in _WORDS:
            self.outline.emit(f".{member.text}", token.at)
            self.index += 2
        else:
            self.outline.emit(f"[{quoted(member.text)}]", token.at)
            self.index += 2

    def _method(self, dot: Token, name: Token) -> None:
        if name.text not in METHODS and name.text not in MACROS and name.text not in self.functions:
            mend = did_you_mean(name.text, [*METHODS, *MACROS, *self.functions])
            raise error_at(self.text, name.at, f"there is no method {name.text}()", mend)
        self.outline.calls.add(name.text)
        own = name.text in self.functions
        self.outline.emit(f".__{name.text}" if own else f".{name.text}", dot.at)
        self.index += 2
        frame = _Frame(self._peek(0), call=name, method=True)
        if name.text in MACROS and self._peek().kind == "name" and self._peek(2).text == ",":
            frame.bound = self._peek().text
            if frame.bound in self.roots or frame.bound.startswith("__") or not frame.bound.isascii():
                raise error_at(
                    self.text, self._peek().at, f"{frame.bound} cannot be a macro's own name", "take another, x say"
                )
        self._push(self._peek(0), frame)

    def _close(self, token: Token) -> None:
        if not self.frames or _CLOSING[self.frames[-1].bracket.text] != token.text:
            raise error_at(self.text, token.at, f"{token.text} closes nothing", "remove it, or open it before")
        frame = self.frames.pop()
        if frame.call is not None and frame.call.text in self.functions:
            self._arity(frame.call, frame.method + (0 if frame.empty else frame.commas + 1))
        self._emit(token)

    def _arity(self, call: Token, given: int) -> None:
        fewest, most = self.functions[call.text]
        if call.text == "lookup" and given == fewest:
            self.outline.dated = False
        if call.text == "local_id" and given == 1 and "subject" in self.roots:
            self.outline.emit(f", {self.outline.variable_of(('subject',))}", call.at)
            given = 2
        if not fewest <= given <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
            raise error_at(
                self.text, call.at, f"{call.text}() takes {wanted} value{'' if most == 1 else 's'}, not {given}"
            )
