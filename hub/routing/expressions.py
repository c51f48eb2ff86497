"""CEL expressions, compiled once and evaluated many times.

    compiled = compile_expression('facts.insurance.kokuho.active', roots={"facts"}, env=Environment({}))
    compiled.evaluate({"facts": {"insurance": {"kokuho": {"active": True}}}})  # True

Missing = absent or null. A missing path makes the whole expression unknown: `evaluate` raises `Missing`. A path tested
by `has()` is guarded: its absence alone makes nothing unknown, only its use does. Any other error is an
`ExpressionFault`; nothing is ever printed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.routing.direct import Unusual, direct
from hub.routing.engine import cel
from hub.routing.functions import STATE, Functions, functions_of
from hub.routing.outline import Outline, Reader
from hub.routing.tokens import ExpressionError, did_you_mean, error_at
from hub.routing.values import PLAIN, ExpressionFault, Missing, Path, find, plain, typed
from hub.settings.models import TableRow

__all__ = ["Compiled", "Environment", "ExpressionError", "ExpressionFault", "Missing", "compile_expression"]

_RESULTS = (str, bool, int, float, list, dict)
_KINDS = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", list: "a list", dict: "a map"}
_CEL_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDEFINED = re.compile(r"Undefined variable or function: '([^']*)'")
CONVERSIONS = {  # CEL's own: the code of a text that one cannot read, and how such a text is written
    "int": ("int", ""),
    "uint": ("uint", ""),
    "double": ("double", ""),
    "timestamp": ("time", ": write a time with its offset, 2026-04-01T09:00:00+09:00 (date() reads dates too)"),
    "duration": ("duration", ": write hours, minutes and seconds, 36h or 1h30m"),
}
_CONVERSION = re.compile(rf"Function '({'|'.join(CONVERSIONS)})' error: (?!.*overflow)")


@dataclass(frozen=True, slots=True)
class Environment:
    """What expressions may use besides their values: the city's tables, and who is who in which system.

    `resident(system, local_id)` gives a resident's number, `local_id(system, resident)` the system's own number for a
    resident, both None when not known. `today()` gives `YYYY-MM-DD` and stands in where `evaluate` is given no date.
    `timezone` is the city's, in which `date()` tells the day of a time.
    """

    tables: Mapping[str, tuple[TableRow, ...]] = field(default_factory=dict)
    resident: Callable[[str, str], str | None] | None = None
    local_id: Callable[[str, str], str | None] | None = None
    today: Callable[[], str] | None = None
    timezone: str = "Asia/Tokyo"
    functions: Functions = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        own = functions_of(self.tables, self.resident, self.local_id, self.today, self.timezone)
        object.__setattr__(self, "functions", own)


class Compiled:
    """An expression ready to be evaluated, from any thread.

    `paths` are all static paths it reads, `guarded` those it tests with `has()` and what lies beneath them, `open`
    those it goes on from dynamically, `names` the roots it uses, `calls` the functions and methods. `pure` is False
    when the answer depends on more than the values of `paths`: `resident()`, `local_id()`, or a `lookup()` without a
    date in a table whose lines have dates.
    """

    __slots__ = (
        "_direct",
        "_guarded_slots",
        "_needed",
        "_ordered",
        "_presence",
        "_program",
        "_today",
        "_used",
        "_variables",
        "calls",
        "guarded",
        "names",
        "needed",
        "open",
        "paths",
        "place",
        "pure",
        "source",
    )

    def __init__(self, outline: Outline, program: Any, functions: Functions, place: str) -> None:
        self.source = outline.text
        self.place = place
        tested = frozenset(outline.presence.values())
        self.paths: frozenset[Path] = frozenset(outline.variables.values()) | tested
        self.guarded: frozenset[Path] = frozenset(path for path in self.paths if _beneath(path, tested))
        self.needed: tuple[Path, ...] = tuple(sorted(self.paths - self.guarded))
        self.names: frozenset[str] = frozenset(path[0] for path in self.paths)
        self.calls: frozenset[str] = frozenset(outline.calls)
        self.open: frozenset[Path] = frozenset(outline.open)
        self.pure = functions.pure(outline)
        self._today = functions.today
        self._program = program
        self._direct = direct(outline, functions.callables)
        self._variables = outline.variables
        self._ordered = tuple(sorted(self.paths))
        slots = [(name, path, path in self.open) for name, path in outline.variables.items()]
        self._needed = tuple(slot for slot in slots if slot[1] not in self.guarded)
        self._guarded_slots = tuple(slot for slot in slots if slot[1] in self.guarded)
        self._presence = tuple(outline.presence.items())
        self._used = {f"__{name}": functions.callables[name] for name in self.calls if name in functions.callables}

    def __repr__(self) -> str:
        return f"Compiled({self.source!r})"

    def values(self, scope: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the values of its paths in a fixed order, hashable and typed: 1, true and 1.0 differ, missing is None.

        While `pure` holds, equal tuples give equal answers.
        """
        return tuple([typed(find(scope, path)) for path in self._ordered])

    def evaluate(self, scope: Mapping[str, Any], *, today: str | Callable[[], str] | None = None) -> Any:
        """Return the expression's value: a text, number, boolean, list, map or None.

        `scope` maps each root to its value; `today` (`YYYY-MM-DD`, or a function giving it) dates `lookup()`.
        Raises Missing (unknown) or ExpressionFault, whose code is the function at fault, `time`, `kinds` or
        `expression`; and Unavailable where who is who cannot be asked now.
        """
        if self._used:
            return self._with_functions(scope, today)
        return self._result(scope)

    def _result(self, scope: Mapping[str, Any]) -> Any:
        if self._direct is not None:
            try:
                return self._direct(scope)
            except ValueError as error:
                raise self._fault(f"a value {error}") from None
            except Unusual:
                pass
        variables = self._bound(scope)
        try:
            result = self._program.execute(variables)
        except Exception as error:  # noqa: BLE001 - CEL raises whatever Python class lies nearest
            raise self._told(error, variables) from None
        if result is None or isinstance(result, _RESULTS):
            return result
        raise self._fault(f"it gives a {type(result).__name__}, not a text, number, true/false, list or map")

    def _bound(self, scope: Mapping[str, Any]) -> dict[str, Any]:
        """Return CEL's variables; raises Missing for a path that is needed and not there."""
        variables: dict[str, Any] = dict(self._used)
        for name, path, strip in self._needed:
            value = find(scope, path)
            if value is None:
                raise Missing(path)
            variables[name] = value if type(value) in PLAIN else self._plain(value, path, strip=strip)
        for name, path, strip in self._guarded_slots:
            value = find(scope, path)
            if value is not None:
                variables[name] = self._plain(value, path, strip=strip)
        for name, path in self._presence:
            variables[name] = find(scope, path) is not None
        return variables

    def _with_functions(self, scope: Mapping[str, Any], today: str | Callable[[], str] | None) -> Any:
        """Evaluate, then look what the functions noted: it explains whatever CEL made of their null."""
        STATE.begin(today or self._today)
        failed: ExpressionFault | None = None
        result = None
        try:
            result = self._result(scope)
        except ExpressionFault as fault:
            failed = fault
        if STATE.away is not None:
            raise STATE.away
        if STATE.fault:
            raise self._fault(STATE.fault[1], STATE.fault[0])
        if STATE.unknown:
            raise Missing((STATE.unknown[0],), STATE.unknown[1])
        if failed is None:
            return result
        if STATE.empty and failed.code == "kinds":
            raise Missing((STATE.empty,), f"{STATE.empty}() had nothing to work on")
        raise failed

    def _plain(self, value: Any, path: Path, *, strip: bool) -> Any:
        try:
            return plain(value, strip=strip)
        except ValueError as error:
            raise self._fault(f"{'.'.join(path)} {error}") from None

    def _fault(self, message: str, code: str = "expression") -> ExpressionFault:
        return ExpressionFault(f"{message}, in: {self.source}", place=self.place, code=code)

    def _told(self, error: Exception, variables: dict[str, Any]) -> Exception:
        """Return what an error of CEL means: something missing, or a fault in words."""
        if isinstance(error, (KeyError, IndexError)):
            base = next(iter(self.open)) if len(self.open) == 1 else ()
            return Missing((*base, str(error.args[0])))
        text = str(error)
        undefined = _UNDEFINED.search(text)
        if undefined and undefined[1] in self._variables:
            return Missing(self._variables[undefined[1]])
        if undefined or isinstance(error, TypeError):
            kinds = [
                f"{'.'.join(path)} is {_KINDS.get(type(variables[name]), 'of another kind')}"
                for name, path in self._variables.items()
                if name in variables
            ]
            said = f": {', '.join(kinds)}" if kinds else ""
            what = f"{undefined[1]}() does not take these values" if undefined else "the kinds of values do not fit"
            return self._fault(f"{what}{said}", "kinds")
        if conversion := _CONVERSION.search(text):
            code, written = CONVERSIONS[conversion[1]]
            return self._fault(f"{conversion[1]}() cannot read the text{written}", code)
        return self._fault(text.partition(". Check ")[0])


def _beneath(path: Path, tested: frozenset[Path]) -> bool:
    return any(path[: len(other)] == other for other in tested)


def compile_expression(
    text: str, *, roots: Collection[str], env: Environment | None = None, place: str = ""
) -> Compiled:
    """Compile an expression that may use the names `roots` and the functions of `docs/reference/expressions.md`.

    `place` (`file:line:column`) is carried into messages. Raises ExpressionError with line and column within the text.
    """
    functions = (env or Environment()).functions
    try:
        outline = Reader(text, roots, functions.arity).read()
        _check_tables(outline, functions)
        program = _program(outline)
    except ExpressionError as error:
        error.place = place
        raise
    return Compiled(outline, program, functions, place)


def _check_tables(outline: Outline, functions: Functions) -> None:
    for table, at in outline.tables:
        if table not in functions.tables:
            mend = did_you_mean(table, list(functions.tables)) or f"write tables/{table}.csv"
            raise error_at(outline.text, at, f"there is no table {table}", mend)


def _program(outline: Outline) -> Any:
    rewritten = outline.rewritten
    try:
        return cel.compile(rewritten)
    except ValueError as error:
        found = _CEL_ERROR.search(str(error))
        if found is None:
            raise error_at(outline.text, 0, str(error), "mend the expression (docs/reference/expressions.md)") from None
        line, column = int(found[1]), int(found[2])
        offset = sum(len(part) + 1 for part in rewritten.split("\n")[: line - 1]) + column - 1
        raise error_at(outline.text, outline.original(offset), *_words(found[3], outline)) from None


def _words(message: str, outline: Outline) -> tuple[str, str]:
    """Return an error of CEL's parser in words, and its mend."""
    message = message.removeprefix("Syntax error: ").split(" expecting ")[0]
    if "<EOF>" in message and "extraneous" not in message:
        return "the expression ends too early", "write what is missing behind it, or take away its last sign"
    for name, path in (*outline.variables.items(), *outline.presence.items()):
        message = message.replace(f"'{name}'", f"'{'.'.join(path)}'")
    unexpected = re.search(r"(?:mismatched|extraneous) input ('.*')", message)
    if unexpected is None:
        return message, "mend the expression (docs/reference/expressions.md)"
    return f"unexpected {unexpected[1].replace('__', '')}", "write a sign such as + or && before it, or remove it"
