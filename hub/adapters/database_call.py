"""Calls of stored procedures: the statement each database has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa


def statement(dialect: str, procedure: str, names: Sequence[str]) -> Any:
    """Return the call of a procedure: by names where the database has them, in written order elsewhere."""
    marks = [f":argument_{index}" for index in range(len(names))]
    pairs = list(zip(names, marks, strict=True))
    if dialect in ("mysql", "mariadb"):
        return sa.text(f"CALL {procedure}({', '.join(marks)})")
    if dialect == "mssql":
        return sa.text(f"EXEC {procedure} " + ", ".join(f"@{name} = {mark}" for name, mark in pairs))
    named = ", ".join(f"{name} => {mark}" for name, mark in pairs)
    return sa.text(f"BEGIN {procedure}({named}); END;" if dialect == "oracle" else f"CALL {procedure}({named})")


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values under the names that the statement has for them."""
    return {f"argument_{index}": value for index, value in enumerate(values.values())}
