"""What the conformance kit does to the system below an adapter: crash states of a folder, syncs, a full disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

State = Mapping[str, bytes]  # path in the folder → content
STEPS = 40  # states looked at while bytes are appended


def snapshot(folder: Path) -> State:
    """Return all files of a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def put_back(folder: Path, state: State) -> None:
    """Make the folder's files what they were."""
    for name in snapshot(folder).keys() - state.keys():
        (folder / name).unlink()
    for name, content in state.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def states_between(before: State, after: State) -> Iterator[State]:
    """Yield what a crash between two states can leave: files appear and vanish at once, appended bytes one by one."""
    yield before
    for name, content in after.items():
        begun = before.get(name)
        if begun is None or content == begun or not content.startswith(begun):
            continue
        missing = len(content) - len(begun)
        for step in sorted({1, missing - 1, *range(0, missing, max(1, missing // STEPS))}):
            yield {**before, name: content[: len(begun) + step]}
    yield after


class _Patched:
    """Functions of `os`, replaced while the block lasts."""

    def __init__(self) -> None:
        self._originals: dict[str, Callable[..., Any]] = {}

    def replace(self, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._originals[name] = original = getattr(os, name)
        setattr(os, name, make(original))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, original in self._originals.items():
            setattr(os, name, original)


class SyncTrace(_Patched):
    """Notes which files and folders are synced, and what is renamed before it was."""

    def __init__(self) -> None:
        super().__init__()
        self._clock = 0
        self._synced: dict[int, tuple[int, int]] = {}  # inode → when, size then
        self._named: dict[str, int] = {}  # path → when it got this name by a rename
        self._problems: list[str] = []

    def __enter__(self) -> Self:
        for name in ("fsync", "fdatasync"):
            self.replace(name, self._sync)
        for name in ("rename", "replace", "link"):
            self.replace(name, self._name)
        return self

    def _sync(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def sync(descriptor: Any) -> None:
            original(descriptor)
            stat = os.fstat(descriptor)
            self._clock += 1
            self._synced[stat.st_ino] = (self._clock, stat.st_size)

        return sync

    def _name(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def name(source: Any, target: Any, **options: Any) -> None:
            stat = Path(source).stat()
            if self._synced.get(stat.st_ino, (0, -1))[1] != stat.st_size:
                self._problems.append(f"{Path(target).name} got its name before its bytes were synced")
            original(source, target, **options)
            self._clock += 1
            self._named[str(target)] = self._clock

        return name

    def problems(self, visible: list[Path]) -> list[str]:
        """Return what a power loss now could undo of the visible files."""
        found = list(self._problems)
        for path in visible:
            stat = path.stat()
            when, size = self._synced.get(stat.st_ino, (0, -1))
            if size != stat.st_size:
                found.append(f"{path.name} was not synced")
            if self._synced.get(path.parent.stat().st_ino, (0, 0))[0] <= self._named.get(str(path), 0):
                found.append(f"the folder of {path.name} was not synced after it got its name")
            if not when:
                found.append(f"{path.name} was never synced")
        return found


class FullDisk(_Patched):
    """A disk with room for so many more bytes: the write that passes it is cut short, the next fails."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def __enter__(self) -> Self:
        for name in ("write", "pwrite"):
            self.replace(name, self._write)
        return self

    def _write(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def write(descriptor: int, data: Any, *rest: Any) -> int:
            if not self._room:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            written: int = original(descriptor, bytes(data)[: self._room], *rest)
            self._room -= written
            return written

        return write
