"""The package that `hub adapters new NAME` writes: one small adapter that works, to be changed.

`files/` holds it with `@NAME@` and `@CLASS@` in the places of the adapter's name and its class's.
"""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from hub.adapters import registry
from hub.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
WRITTEN = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "hub_@NAME@/__init__.py": "",
    "hub_@NAME@/adapter.py": "adapter.py.txt",
    "hub_@NAME@/conformance.py": "conformance.py.txt",
    "tests/test_adapter.py": "test_adapter.py.txt",
}


def write_package(name: str, folder: Path) -> list[Path]:
    """Write the package into a folder that is new or empty; return the files written. Raises `UsageError`."""
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(f"`{name}` cannot be an adapter's name", mend="a small letter, then small letters, digits, _")
    if name in registry.names():
        raise UsageError(f"there is an adapter `{name}` already", mend="choose another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty", mend="name another folder with --dir")
    try:
        return [_write(folder / _filled(path, name), _text(file, name)) for path, file in WRITTEN.items()]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", mend="name another folder") from None


def _text(file: str, name: str) -> str:
    text = (files(__name__) / "files" / file).read_text("utf-8") if file else '"""The transport `@NAME@`."""\n'
    return _filled(text, name)


def _filled(text: str, name: str) -> str:
    return text.replace("@NAME@", name).replace("@CLASS@", "".join(part.title() for part in name.split("_")))


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
