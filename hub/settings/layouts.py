"""`layouts/*.yaml`: how the records of a fixed-width file are laid out, read and written alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from hub.settings.encoding import Encoding
from hub.settings.model import Count, Expression, Model

PARTS = ("header", "record", "trailer")
SET_BY = ("constant", "count", "total", "sequence", "value")  # what decides a field's content; at most one of them
Overflow = Literal["reject", "cut"]


class LayoutField(Model):
    """One field: `width` bytes or characters. A field without a name is filling."""

    name: str = ""
    width: Count
    type: Literal["text", "number", "date"] = "text"
    align: Literal["left", "right"] | None = None  # None: numbers right, all else left
    pad: str | None = Field(default=None, min_length=1, max_length=1)  # None: numbers 0, all else a space
    decimals: int = Field(default=0, ge=0, le=18)  # of a number: digits behind a point that is not written
    signed: bool = False
    format: str = "YYYYMMDD"  # of a date: the letters of `era()`
    overflow: Overflow | None = None  # None: the layout's
    value: Expression | None = None  # None: the field of `send` with this name
    constant: str | None = None
    count: Literal["records", "lines"] | None = None
    total: str | None = None  # the field of the record that is summed up
    sequence: Literal["record", "file"] | None = None

    @property
    def is_open(self) -> bool:
        """Say whether it has a name, and nothing here decides its content."""
        return bool(self.name) and all(getattr(self, key) is None for key in SET_BY)

    @property
    def is_number(self) -> bool:
        """Say whether it holds a number: declared so, or a count, total or sequence."""
        return self.type == "number" or bool(self.count or self.total or self.sequence)

    @property
    def filling(self) -> str:
        """Return the one character it is filled with."""
        return self.pad or ("0" if self.is_number else " ")

    @property
    def is_right(self) -> bool:
        """Say whether the filling stands before the content."""
        return self.align == "right" or (self.align is None and self.is_number)


class Layout(Model):
    """The records of one kind of file.

    `columns_by` gives, for a type of event (`resident.died`, `resident.*`), fields of the record another expression.
    """

    encoding: Encoding = "cp932"
    widths: Literal["bytes", "characters"] = "bytes"
    newline: Literal["crlf", "lf", "none"] = "crlf"
    overflow: Overflow = "reject"
    length: Count | None = None  # of every record: what its widths must sum up to
    header: tuple[LayoutField, ...] = ()
    record: tuple[LayoutField, ...]
    trailer: tuple[LayoutField, ...] = ()
    columns_by: dict[str, dict[str, Expression]] = {}

    @property
    def shared(self) -> tuple[str, ...]:
        """Return the fields of the header that every row has: nothing decides them, and no field is called so."""
        own = {field.name for field in self.record}
        return tuple(field.name for field in self.header if field.is_open and field.name not in own)

    @property
    def columns(self) -> tuple[str, ...]:
        """Return what a row has when it is read."""
        return (*(field.name for field in self.record if field.name), *self.shared)


def layout_name(options: Mapping[str, Any]) -> str:
    """Return the name of the layout that settings name by its file, "" if they name none."""
    return str(options.get("layout", "")).removeprefix("layouts/").removesuffix(".yaml")
