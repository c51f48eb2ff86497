"""The functions expressions may call, beside those of CEL itself. Each is documented in docs/reference/expressions.md.

A Python exception inside a CEL call would be printed to stderr and lose its message. So none ever leaves a function:
it is noted in `STATE`, which belongs to the calling thread, and the caller looks there after the evaluation.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import Unavailable
from hub.routing.functions import dates, order, strings, text, times
from hub.routing.functions.lookup import Resolver, Unknown, local_id_in, lookup_in, resident_in
from hub.routing.outline import Outline
from hub.settings.models import TableRow

__all__ = ["STATE", "Functions", "functions_of"]

_PURE: dict[str, Callable[..., Any]] = {
    "wareki": dates.wareki,
    "era": dates.era,
    "age_on": dates.age_on,
    "birthday_on": dates.birthday_on,
    "school_year": dates.school_year,
    "fiscal_year": dates.fiscal_year,
    "kana": text.kana,
    "zenkaku": text.zenkaku,
    "hankaku": text.hankaku,
    "digits": text.digits,
    "pad": text.pad,
    "address": text.address,
    "chars": text.chars,
    "bytes": text.count_bytes,
    "charAt": strings.char_at,
    "indexOf": strings.index_of,
    "lastIndexOf": strings.last_index_of,
    "join": strings.join,
    "lowerAscii": strings.lower_ascii,
    "upperAscii": strings.upper_ascii,
    "replace": strings.replace,
    "reverse": strings.reverse,
    "split": strings.split,
    "substring": strings.substring,
    "trim": strings.trim,
    "max": order.greatest,
    "min": order.least,
    **times.PARTS,
}
_MANY = 99  # values of a function that takes any number


class _State(threading.local):
    """What the functions of one evaluation noted, each with the function's name: a fault, an unknown number, a null."""

    fault: tuple[str, str] | None = None
    unknown: tuple[str, str] | None = None
    away: Unavailable | None = None  # what must be waited for: no fault of the expression
    empty: str = ""
    today: str | Callable[[], str] | None = None

    def begin(self, today: str | Callable[[], str] | None) -> None:
        """Forget the last evaluation."""
        self.fault = None
        self.unknown = None
        self.away = None
        self.empty = ""
        self.today = today


STATE = _State()


@dataclass(frozen=True, slots=True)
class Functions:
    """The functions of one environment: what CEL calls, how many values each takes, and the tables there are."""

    callables: Mapping[str, Callable[..., Any]]
    arity: Mapping[str, tuple[int, int]]
    tables: Mapping[str, tuple[TableRow, ...]]
    today: Callable[[], str] | None

    def pure(self, outline: Outline) -> bool:
        """Say whether the answer depends on nothing but the values of the expression's paths."""
        if outline.calls & {"resident", "local_id"}:
            return False
        if "lookup" not in outline.calls or outline.dated:
            return True
        named = [table for table, _ in outline.tables] or list(self.tables)
        return not any(row.from_ or row.until for table in named for row in self.tables[table])


def functions_of(
    tables: Mapping[str, tuple[TableRow, ...]],
    resident: Resolver | None,
    local_id: Resolver | None,
    today: Callable[[], str] | None,
    timezone: str = "Asia/Tokyo",
) -> Functions:
    """Return the functions bound to tables, resolvers of numbers, the date that stands in, and the city's zone."""
    own = {
        **_PURE,
        "date": times.date_in(timezone),
        "lookup": lookup_in(tables, _today),
        "resident": resident_in(resident),
        "local_id": local_id_in(local_id),
    }
    return Functions(
        callables={name: _noting(name, function) for name, function in own.items()},
        arity={name: _arity(function) for name, function in own.items()},
        tables=tables,
        today=today,
    )


def _today() -> str:
    today = STATE.today
    if today is None:
        raise ValueError("a date is needed: give it as the last value")
    return today if isinstance(today, str) else today()


def _arity(function: Callable[..., Any]) -> tuple[int, int]:
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return 1, _MANY
    return sum(1 for each in parameters if each.default is each.empty), len(parameters)


_KINDS = {"str": (str, "a text"), "int": (int, "a whole number"), "int | None": (int, "a whole number")}


def _noting(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with null in, null out, and every error noted instead of raised."""
    parameters = inspect.signature(function).parameters.values()
    kinds = [_KINDS.get(str(parameter.annotation)) for parameter in parameters]

    def call(*values: Any) -> Any:
        result = None
        if None not in values:
            try:
                for value, kind in zip(values, kinds, strict=False):
                    if kind is not None and (not isinstance(value, kind[0]) or value is True or value is False):
                        raise TypeError(f"needs {kind[1]}, not {value!r}")  # noqa: TRY301 - noted like any other
                result = function(*values)
            except Unknown as unknown:
                STATE.unknown = (name, str(unknown))
            except Unavailable as away:
                STATE.away = away
            except Exception as error:  # noqa: BLE001 - nothing may reach CEL, see the module's words
                STATE.fault = STATE.fault or (name, f"{name}(): {error}")
        if result is None:
            STATE.empty = STATE.empty or name
        return result

    return call
