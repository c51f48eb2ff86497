"""The codes that the program's text gives to errors."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path


def codes_in(paths: Iterable[Path], but: Collection[str] = ()) -> set[str]:
    """Return every literal code in files and folders, of calls by other names than some."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    nodes = (node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    calls = (node for node in nodes if isinstance(node, ast.Call) and _name(node) not in but)
    given = (value for call in calls for value in _given(call))
    return {each.value for each in given if isinstance(each, ast.Constant) and each.value}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _given(call: ast.Call) -> Iterator[ast.expr]:
    yield from (each.value for each in call.keywords if each.arg == "code")
    if _name(call) in {"error", "warning"} and len(call.args) == 4:
        yield call.args[3]
    if _name(call) == "refused" and len(call.args) == 2:
        yield call.args[1]
