"""What cases need: a site, expressions simple enough to need no CEL, a folder taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from hub.adapters.contract import Batch, Delivery, Expressions, Site


def site(folder: Path, *, name: str = "main") -> Site:
    """Return the site of one receiver or source; a rule sends it what the kit's deliveries hold."""
    return Site(folder, ZoneInfo("Asia/Tokyo"), "kokuho", name, fields=("name", "household_no", "head"))


def path_of(text: str, _place: str = "") -> Callable[[Delivery, Batch], Any]:
    """Compile `key`, `subject`, `data.name`, `batch.no` or a quoted text: enough of an expression for transports."""
    root, _, rest = text.partition(".")

    def value(delivery: Delivery, batch: Batch) -> Any:
        if text.startswith('"'):
            return text.strip('"')
        if root == "data":
            return delivery.data.get(rest)
        return getattr(batch if root == "batch" else delivery, rest or root)

    return value


EXPRESSIONS = Expressions(path_of)


@contextmanager
def in_place_of_folder(folder: Path) -> Iterator[None]:
    """Put a file where the folder is, as when a share is not mounted: root is kept out too."""
    aside = folder.with_name(folder.name + "-aside")
    folder.parent.mkdir(parents=True, exist_ok=True)
    was_there = folder.exists()
    if was_there:
        folder.rename(aside)
    folder.write_text("")
    try:
        yield
    finally:
        folder.unlink()
        if was_there:
            aside.rename(folder)


def with_data(delivery: Delivery, data: dict[str, Any], *, action: str = "new") -> Delivery:
    """Return the delivery with other data."""
    body = orjson.dumps({**delivery.event, "data": data, "action": action})
    return Delivery(
        delivery.key, delivery.no, delivery.event_id, delivery.type, delivery.subject, delivery.time, body, action
    )
