"""The greatest and the least of several values, as CEL's implementations have them beyond its standard."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def greatest(*values: Any) -> Any:
    """Return the greatest of numbers, or of texts (so the latest of dates), given singly or as one list.

    An empty list gives null. Raises ValueError for values that have no order among them.
    """
    return max(_alike(values), default=None)


def least(*values: Any) -> Any:
    """Return the least, as `greatest`."""
    return min(_alike(values), default=None)


def _alike(values: Sequence[Any]) -> Sequence[Any]:
    given = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    kinds = {str if isinstance(value, str) else float if type(value) in {int, float} else None for value in given}
    if None in kinds or len(kinds) > 1:
        raise ValueError(f"needs numbers alone, or texts alone, not {list(given)!r}")
    return given
