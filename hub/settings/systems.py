"""One systems/*.yaml, its long and short forms made into one `System`."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from hub.settings.characters import read_characters, table_name
from hub.settings.models import Ids, Protected, System
from hub.settings.publishing import PublishingReader
from hub.settings.reader import Reader, keys_of, written
from hub.settings.receiving import PROTECTED_SHAPES, ReceivingReader
from hub.settings.shapes import title, word

if TYPE_CHECKING:
    from hub.settings.yaml import Node


def read_system(reader: Reader, node: Node) -> System | None:
    """Return the system of one file, or None with the problems noted; wrong parts are left out of it."""
    if not reader.mapping(node, "a system's file"):
        return None
    name = PurePosixPath(node.file).stem
    check_name(reader, node, name)
    reader.known(node, keys_of(System), "a system")
    protected = reader.nested(Protected, node.items.get("protected"), PROTECTED_SHAPES, short="mode")
    publishing = PublishingReader(reader, node)
    receiving = ReceivingReader(reader, node, name, protected)
    plain = reader.take(node, ("title", "owner"), {"title": title, "owner": word})
    return System(
        place=node.place,
        written=node,
        system=name,
        ids=reader.nested(Ids, node.items.get("ids"), {"table": table_name}),
        protected=protected,
        text=read_characters(reader, node.items.get("text")),
        sources=written(publishing.sources),
        publishes=tuple(filter(None, publishing.publications)),
        subscribes=tuple(filter(None, receiving.subscriptions)),
        receives=written(receiving.receivers),
        **plain,
    )


def check_name(reader: Reader, node: Node, name: str) -> None:
    """Note a file whose name and `system:` differ: said twice, a copied file is noticed."""
    reader.name(name, node.file, "system")
    said = node.items.get("system")
    if said is None:
        reader.note(node.place, "a system needs `system`", f"write `system: {name}`", code="key-missing")
    elif said.value != name:
        message = f"the file is named {name}, but says it is the system `{said.value}`"
        mend = f"write `system: {name}`, or rename the file to {said.value}.yaml"
        reader.note(said.place, message, mend, code="system-name")
