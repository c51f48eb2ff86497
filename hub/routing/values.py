"""Values as expressions see them: found by path in nested mappings, plain, and told apart by type."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from hub.errors import HubError

Path = tuple[str, ...]

PLAIN = frozenset({str, bool, float})
_LARGEST = 2**63


class Missing(Exception):  # noqa: N818 - an answer ("unknown"), not an error
    """A value the expression needs is absent or null: its answer is unknown. `path` says which."""

    def __init__(self, path: Path, message: str = "") -> None:
        super().__init__(message or f"{'.'.join(path)} is missing")
        self.path = path


class ExpressionFault(HubError):  # noqa: N818 - an ExpressionError is one of compiling
    """An expression that could not be evaluated on these values."""


def find(scope: Mapping[str, Any], path: Path) -> Any:
    """Return the value at a path of nested mappings, or None when it is absent or null."""
    value: Any = scope
    for key in path:
        if type(value) is dict:
            value = value.get(key)
        elif isinstance(value, Mapping):
            try:
                value = value[key]
            except KeyError:
                return None
        else:
            return None
    return value


def plain(value: Any, *, strip: bool = False) -> Any:
    """Return a value as expressions see it: dates as texts, whole decimals as integers; `strip` drops nulls in maps.

    Raises ValueError for what expressions cannot hold.
    """
    kind = type(value)
    if kind in PLAIN or value is None:
        return value
    if kind is int:
        if not -_LARGEST <= value < _LARGEST:
            raise ValueError("is a number of more than 64 bits")
        return value
    if isinstance(value, Mapping):
        return {key: plain(item, strip=strip) for key, item in value.items() if not (strip and item is None)}
    if isinstance(value, (list, tuple)):
        return [plain(item, strip=strip) for item in value]
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(int(value)) if value == value.to_integral_value() else float(value)
    raise ValueError(f"is of a kind expressions cannot hold ({kind.__name__})")


def typed(value: Any) -> Any:
    """Return something hashable, equal only for equal values of equal type: 1, 1.0, true and "1" differ."""
    if value is None or type(value) is str:
        return value
    if type(value) is bool:
        return b"true" if value else b"false"
    return orjson.dumps(plain(value))
