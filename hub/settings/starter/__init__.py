"""The city that `hub init DIR` writes: small, commented, and working as it stands.

`files/` is copied as it is; its README.md leads through it.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from hub.errors import UsageError


def init_city(folder: Path | str) -> list[Path]:
    """Write the starter into a folder, which is made if it is not there; return the files written.

    Nothing is overwritten: raises `UsageError` naming the files that stand in the way, before anything is written.
    """
    root = Path(folder)
    contents = {root / name: part.read_bytes() for name, part in starter_files()}
    standing = [path.relative_to(root).as_posix() for path in contents if path.exists()]
    if standing:
        raise UsageError(f"{root} already holds {', '.join(standing)}", mend="name a folder that is empty or not there")
    try:
        for path, content in contents.items():
            write_new(path, content)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", mend="name another folder") from None
    return list(contents)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)


def starter_files() -> Iterator[tuple[str, Traversable]]:
    """Yield the starter's files with their paths from the city's folder, sorted."""
    yield from walk(files(__name__) / "files", "")


def walk(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    """Yield the files of a folder and of those in it."""
    for part in sorted(folder.iterdir(), key=lambda part: part.name):
        if part.is_dir():
            yield from walk(part, f"{path}{part.name}/")
        else:
            yield f"{path}{part.name}", part
