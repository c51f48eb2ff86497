"""`layouts/*.yaml`, read into layouts with every problem noted at its line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.settings.layouts import PARTS, SET_BY, Layout, LayoutField
from hub.settings.shapes import Shape, expression, mapped, truth, word

if TYPE_CHECKING:
    from hub.settings.reader import Reader
    from hub.settings.yaml import Node

FIELD_SHAPES: dict[str, Shape] = {
    "name": word,
    "pad": word,
    "signed": truth,
    "format": word,
    "value": expression,
    "constant": word,
    "total": word,
}
LAYOUT_SHAPES: dict[str, Shape] = {"encoding": word, "columns_by": mapped(mapped(expression))}


def read_layout(reader: Reader, node: Node) -> Layout | None:
    """Return the layout of one file, or None with the problems noted."""
    if not reader.mapping(node, "a layout"):
        return None
    before = len(reader.problems)
    parts = {part: _fields(reader, node.items.get(part), part) for part in PARTS if part in node.items}
    layout = reader.build(
        Layout, node.without(PARTS), "a layout", LAYOUT_SHAPES, written=node, place=node.place, **parts
    )
    if layout is None or len(reader.problems) != before:
        return None
    for part in PARTS:
        _check_part(reader, layout, part, getattr(layout, part))
    _check_columns(reader, layout)
    if layout.newline == "none" and layout.widths == "characters":
        place = layout.place_of("newline")
        reader.note(place, "without line breaks a record has no end that characters could tell", "use `widths: bytes`")
    return layout if len(reader.problems) == before else None


def _fields(reader: Reader, node: Node | None, part: str) -> tuple[LayoutField, ...] | None:
    made = [
        reader.build(LayoutField, each, f"a field of `{part}`", FIELD_SHAPES) for each in reader.entries(node, part)
    ]
    if not made and node is not None:
        reader.note(node.place, f"`{part}` has no fields", "write them as a list, or remove the line")
    return tuple(field for field in made if field is not None) if made and None not in made else None


def _check_part(reader: Reader, layout: Layout, part: str, fields: tuple[LayoutField, ...]) -> None:
    seen: set[str] = set()
    numbers = {field.name for field in layout.record if field.is_number}
    for field in fields:
        if field.name and field.name in seen:
            reader.note(field.place_of("name"), f"the field `{field.name}` stands twice in `{part}`", "rename one")
        seen.add(field.name)
        said = [key for key in SET_BY if getattr(field, key) is not None]
        if len(said) > 1:
            reader.note(field.place_of(said[1]), f"`{said[0]}` and `{said[1]}` both decide the field", "keep one")
        if part == "record" and (field.count or field.total or field.sequence == "file"):
            reader.note(field.place, "a record counts nothing but itself", "move the field to `header` or `trailer`")
        if part != "record" and field.sequence == "record":
            reader.note(field.place_of("sequence"), f"`{part}` stands once", "write `sequence: file`")
        if field.total is not None and field.total not in numbers:
            mend = f"numbers of the record: {', '.join(sorted(numbers)) or 'none'}"
            reader.note(field.place_of("total"), f"`record` has no number `{field.total}`", mend)
        if part == "trailer" and field.is_open:
            reader.note(field.place, f"nothing says what `{field.name}` holds", "write `value:`, or leave its name out")
    widths = sum(field.width for field in fields)
    if layout.length is not None and fields and widths != layout.length:
        message = f"the widths of `{part}` sum up to {widths}, not to the `length` of {layout.length}"
        reader.note(layout.written.key_place(part), message, "mend a width, or the length")


def _check_columns(reader: Reader, layout: Layout) -> None:
    names = {field.name: field for field in layout.record}
    for kind, columns in layout.columns_by.items():
        for name in columns:
            place = layout.place_of("columns_by", kind, name)
            if name not in names:
                mend = f"fields of the record: {', '.join(filter(None, names))}"
                reader.note(place, f"`record` has no field `{name}`", mend)
            elif names[name].constant is not None or names[name].sequence is not None:
                reader.note(place, f"`{name}` is decided by `record` already", "remove one of the two")
