"""Rows under lint: expressions over them compile, and read columns that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.events.personal import MEND, is_personal_number
from hub.routing.lint_expressions import Notes, Text
from hub.routing.mapping import ROOTS, roots_of
from hub.routing.shapes import meant
from hub.settings.layouts import layout_name

if TYPE_CHECKING:
    from hub.settings.models import City, Source

CONDITION = "`when`"  # it passes nothing on
OF_A_ROW = frozenset({"row", "was"})


class Rows(NamedTuple):
    """What expressions over the rows of a source may use: their roots, and its columns as far as the city knows."""

    roots: frozenset[str] = ROOTS
    columns: tuple[str, ...] | None = None

    @classmethod
    def of(cls, source: Source, city: City) -> Rows:
        """Return what is known of a source's rows."""
        return cls(roots_of(source), columns_of(source.options, city))


def columns_of(options: Mapping[str, Any], city: City) -> tuple[str, ...] | None:
    """Return the columns that a source's settings name: those of its layout, or its own list; None if neither does."""
    layout = city.layouts.get(layout_name(options))
    if layout is not None:
        return layout.columns
    columns = options.get("columns")
    return tuple(map(str, columns)) if isinstance(columns, (list, tuple)) else None


def check(notes: Notes, text: Text, rows: Rows) -> bool:
    """Note what is wrong with an expression over rows; say whether it compiles."""
    compiled = notes.compiled(text, rows.roots)
    if compiled is None:
        return False
    for path in sorted(path for path in compiled.paths if path[0] in OF_A_ROW and len(path) > 1):
        place = notes.place_of(text, path)
        if path not in compiled.guarded:
            column(notes, place, f"{text.what}: ", path[1], rows)
        if is_personal_number(path[1]) and text.what != CONDITION:
            message = f"{text.what}: `{path[1]}` is a number that must not enter an event, a key or a log"
            notes.error(place, message, MEND, "personal-number")
    return True


def column(notes: Notes, place: str, what: str, name: str, rows: Rows) -> None:
    """Note a column that the rows do not have."""
    if rows.columns is not None and name not in rows.columns:
        message = f"{what}the source has no column `{name}`"
        notes.error(place, message, meant(name, rows.columns), "column-unknown")
