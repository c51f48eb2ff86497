"""Where texts stand in what a file holds: all of them, or an expression as all of a value or between `{` and `}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hub.settings.secret import Secret

Path = tuple[str | int, ...]


def texts_in(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield every text that stands in the file itself, with its path; what came from elsewhere is a Secret."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from texts_in(part, (*path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, part in enumerate(value):
            yield from texts_in(part, (*path, index))
    elif isinstance(value, str) and not isinstance(value, Secret):
        yield path, value


def spots(value: Any, expression: str) -> Iterator[Path]:
    """Yield the path of every text that is an expression, or holds it in braces."""
    for path, text in texts_in(value):
        if text == expression or f"{{{expression}}}" in text:
            yield path
