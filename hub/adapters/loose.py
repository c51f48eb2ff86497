"""Packages of adapters that are not installed but stand in a folder: `HUB_ADAPTERS`, as `PATH` names folders.

Where no network and no build tool is at hand, a package is used where it stands: its `pyproject.toml` names its
adapters as for an installed one, and its modules are found in its folder, or in `src/` of it.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

from hub.errors import ConfigurationError, Problem

FILE = "pyproject.toml"
_added: list[Path] = []


def folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Return the folders that the environment names, and those added since."""
    named = [Path(part) for part in environ.get("HUB_ADAPTERS", "").split(os.pathsep) if part]
    return list(dict.fromkeys(path.resolve() for path in (*named, *_added)))


def add(folder: Path) -> list[str]:
    """Make the package in a folder known to this process; return the names of its adapters."""
    if folder.resolve() not in folders():
        _added.append(folder)
    return [entry.name for entry in _entries(folder.resolve(), "hub.adapters")]


def entries(group: str) -> Iterator[EntryPoint]:
    """Yield the entry points of a group in all these folders. Raises `ConfigurationError` for what is none."""
    for folder in folders():
        yield from _entries(folder, group)


def _entries(folder: Path, group: str) -> list[EntryPoint]:
    try:
        written = tomllib.loads((folder / FILE).read_text("utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        mend = "name folders with a pyproject.toml; `hub adapters new` writes one"
        raise ConfigurationError([Problem(f"{folder / FILE}", f"it cannot be read: {why}", mend)]) from None
    for path in (folder / "src", folder):
        if path.is_dir() and str(path) not in sys.path:
            sys.path.append(str(path))
    found = written.get("project", {}).get("entry-points", {}).get(group, {})
    return [EntryPoint(name, value, group) for name, value in found.items()]
