"""Expressions under lint: they compile, and what they name exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, NamedTuple

from hub.errors import Problem
from hub.routing.expressions import Compiled, Environment, ExpressionError, compile_expression
from hub.routing.plan import EXTENSIONS
from hub.routing.shapes import FACTS, Choice, Shape, Unknown, look_up, meant
from hub.routing.tokens import Token, literal, tokens_of

if TYPE_CHECKING:
    from hub.routing.values import Path
    from hub.settings.models import City

ATTRIBUTES = ("id", "source", "system", "type", "version", "subject", "time", *EXTENSIONS)

Resolve = Callable[["Path"], Shape | Unknown]
"""Says what stands at a path of `data`, without its root."""


class Text(NamedTuple):
    """An expression as it is written: its text, the place of its value, and what it is for (`` `when` ``)."""

    text: str
    place: str
    what: str


class Notes:
    """Collects the problems of one city, and finds the exact place of an expression's error in its file."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.env = Environment(city.tables)
        self.problems: list[Problem] = []
        self._lines: dict[str, list[str]] = {}

    def error(self, place: str, message: str, mend: str, code: str) -> None:
        """Note what keeps the city from running."""
        self.problems.append(Problem(place, message, mend, code=code))

    def warning(self, place: str, message: str, mend: str, code: str) -> None:
        """Note what somebody should look at."""
        self.problems.append(Problem(place, message, mend, "warning", code))

    def compiled(self, text: Text, roots: Collection[str]) -> Compiled | None:
        """Compile an expression and check the systems it names; what is wrong is noted."""
        try:
            compiled = compile_expression(text.text, roots=roots, env=self.env, place=text.place)
        except ExpressionError as error:
            place = self.place_in(text, error.line, error.column)
            where = "" if place else f", line {error.line}, column {error.column}"
            self.error(place or text.place, f"{text.what}{where}: {error.message}", error.mend, "expression")
            return None
        for system, token in _systems_named(text.text):
            if system not in self.city.systems:
                place = self.place_at(text, token.at)
                self.error(
                    place,
                    f"{text.what}: there is no system `{system}`",
                    meant(system, self.city.systems),
                    "system-unknown",
                )
        return compiled

    def paths(self, text: Text, compiled: Compiled, data: Resolve) -> None:
        """Check that every path of a rule's expression exists; `data` looks up fields of the event."""
        for path in sorted(compiled.paths):
            found = self._found(path, data)
            if isinstance(found, Unknown):
                self._unknown(text, path, found)
        for token, shape in _sized(text.text, lambda path: self._found(path, data)):
            if isinstance(shape, Choice | str) and shape not in {"list", "open"}:
                self.sized(text, token)

    def sized(self, text: Text, token: Token) -> None:
        """Warn of `size` where it meets a text: it counts bytes there."""
        message = f"{text.what}: size() of a text counts its bytes, not its characters"
        self.warning(self.place_at(text, token.at), message, "write chars(…)", "size-of-text")

    def sized_texts(self, text: Text) -> None:
        """Warn of every `size` in an expression over rows, whose values are texts."""
        for token, shape in _sized(text.text, lambda _: "text"):
            if shape == "text":
                self.sized(text, token)

    def _found(self, path: Path, data: Resolve) -> Shape | Unknown:
        root, below = path[0], path[1:]
        if root == "data":
            return data(below) if below else "open"
        if root in {"facts", "after"}:
            return look_up(FACTS, below)
        if root == "event":
            return look_up(dict.fromkeys(ATTRIBUTES, "text"), below)
        return "text" if not below else Unknown(below[0], path[:1], ())

    def _unknown(self, text: Text, path: Path, found: Unknown) -> None:
        place = self.place_of(text, path)
        dotted = ".".join(path)
        mend = meant(found.name, found.known)
        if path[0] == "event":
            if found.name == "data":
                self.error(
                    place, f"{text.what}: `{dotted}` does not exist", "write data.… for the fields", "path-unknown"
                )
            else:  # CloudEvents allows attributes of any name
                self.warning(place, f"{text.what}: few events have `{dotted}`", mend, "attribute-unknown")
            return
        if path[0] == "data":
            message = f"{text.what}: no event type of this rule has `{dotted}`"
            self.error(place, message, mend, "field-unknown")
            return
        self.error(place, f"{text.what}: there is no fact `{dotted}`", mend, "fact-unknown")

    def place_of(self, text: Text, path: Path) -> str:
        """Return where a path stands in an expression."""
        tokens = [token for token in tokens_of(text.text) if token.kind != "space"]
        names = [name for step in path for name in (".", step)][1:]
        for at, token in enumerate(tokens):
            if [each.text for each in tokens[at : at + len(names)]] == names:
                return self.place_at(text, token.at)
        return text.place

    def place_at(self, text: Text, at: int) -> str:
        """Return the place of an offset of an expression."""
        before = text.text[:at]
        return self.place_in(text, before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1) or text.place

    def place_between(self, place: str, expression: str) -> str:
        """Return where an expression in braces stands within a value, the value's place where no line shows it."""
        file, _, rest = place.partition(":")
        row, _, column = rest.partition(":")
        if not (row.isdigit() and column.isdigit()):
            return place
        at = self._line(file, int(row)).find(f"{{{expression}}}", int(column) - 1)
        return f"{file}:{row}:{at + 2}" if at >= 0 else place

    def place_in(self, text: Text, line: int, column: int) -> str:
        """Return the place of a line and column within an expression, "" unless the file shows it on one line."""
        file, _, rest = text.place.partition(":")
        row, _, col = rest.partition(":")
        if not (row.isdigit() and col.isdigit()) or line != 1 or "\n" in text.text:
            return ""
        written = self._line(file, int(row))[int(col) - 1 :]
        for quote in ("", '"', "'"):
            if written.startswith(quote + text.text):
                return f"{file}:{row}:{int(col) + len(quote) + column - 1}"
        return ""

    def _line(self, file: str, row: int) -> str:
        if file not in self._lines:
            try:
                self._lines[file] = (FilePath(self.city.folder) / file).read_text("utf-8-sig").split("\n")
            except (OSError, UnicodeDecodeError):
                self._lines[file] = []
        lines = self._lines[file]
        return lines[row - 1] if row <= len(lines) else ""


def _systems_named(text: str) -> Iterator[tuple[str, Token]]:
    """Yield the systems that `resident("…", …)` and `local_id("…", …)` name."""
    tokens = [token for token in tokens_of(text) if token.kind != "space"]
    for name, bracket, value in zip(tokens, tokens[1:], tokens[2:], strict=False):
        named = name.text in {"resident", "local_id"} and bracket.text == "(" and value.kind == "string"
        if named and (system := literal(value.text)) is not None:
            yield system, value


def _sized(text: str, shape_of: Resolve) -> Iterator[tuple[Token, Shape | Unknown]]:
    """Yield every `size` whose value can be told, with its shape: of a path, a text, or a function that gives texts."""
    tokens = [token for token in tokens_of(text) if token.kind != "space"]
    for at, token in enumerate(tokens):
        if token.text != "size" or token.kind != "name" or at + 1 >= len(tokens) or tokens[at + 1].text != "(":
            continue
        method = at > 1 and tokens[at - 1].text == "."
        value = _path_before(tokens, at - 1) if method else _path_after(tokens, at + 2)
        edge = tokens[at - 2] if method else tokens[at + 2] if at + 2 < len(tokens) else token
        if edge.kind == "string":
            yield token, "text"
        elif value is not None:
            yield token, shape_of(value)


def _path_after(tokens: list[Token], at: int) -> Path | None:
    """Return the path that is all of a call's value, if it is one."""
    names: list[str] = []
    while at < len(tokens) and tokens[at].kind == "name":
        names.append(tokens[at].text)
        at += 1
        if at < len(tokens) and tokens[at].text == ".":
            at += 1
            continue
        return tuple(names) if len(names) > 1 and at < len(tokens) and tokens[at].text == ")" else None
    return None


def _path_before(tokens: list[Token], dot: int) -> Path | None:
    names: list[str] = []
    at = dot
    while at > 0 and tokens[at].text == "." and tokens[at - 1].kind == "name":
        names.insert(0, tokens[at - 1].text)
        at -= 2
    return tuple(names) if len(names) > 1 else None
