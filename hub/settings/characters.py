"""`text:` of a system or a source, and `tables/NAME.csv` as other settings name it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hub.settings.models import Characters, Unmappable
from hub.settings.shapes import Shape, Wrong, truth, word

if TYPE_CHECKING:
    from hub.settings.reader import Reader
    from hub.settings.yaml import Node

_TABLE = re.compile(r"tables/(?P<name>[^/]+)\.csv")


def table_name(node: Node) -> str:
    """Return the name of a table that is written as its file, `tables/NAME.csv`."""
    found = _TABLE.fullmatch(word(node))
    if found is None:
        raise Wrong(node, f"`{node.value}` is no table's file", "write tables/NAME.csv")
    return found["name"]


def one_sign(node: Node) -> str:
    """Return the text that stands for what a system does not have: one character."""
    if len(word(node)) != 1:
        raise Wrong(node, f"`{node.value}` is not one character", 'write one, such as "〓"')
    return word(node)


SHAPES: dict[str, Shape] = {"encoding": word, "gaiji": table_name, "mj": table_name, "shrink": table_name}


def read_characters(reader: Reader, node: Node | None) -> Characters | None:
    """Return the characters of a system or source, None when nothing is written or it is wrong."""
    if node is None:
        return None
    if node.value is None:
        reader.note(node.place, "`text` has no value", "give it one, or remove the line")
        return None
    if not isinstance(node.value, dict) or "unmappable" not in node.items:
        return reader.build(Characters, node, "`text`", SHAPES)
    asked = node.items["unmappable"]
    rest = node.only([key for key in node.items if key != "unmappable"])
    if asked.value == "reject":
        return reader.build(Characters, rest, "`text`", SHAPES, unmappable="reject", written=node)
    shown = reader.nested(Unmappable, asked, {"show": one_sign, "notify": truth})
    return reader.build(Characters, rest, "`text`", SHAPES, unmappable=shown, written=node)
