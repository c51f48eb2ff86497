"""Files of this machine that lie where the sources of a city look, and that none of them reads.

Judged by the sources' patterns alone: nothing is opened, made or asked elsewhere, whatever a source is doing. Folders
on other places (SFTP, object storages) are not looked into.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from hub.adapters.files import DONE, UNFINISHED

SIGNS = "*?["
SCREEN = ("thumbs.db", "desktop.ini", "~$*")  # what Windows and Office leave in folders
PATIENCE = 3600  # seconds after which a file with the name of an unfinished one is a surprise
Spot = tuple[str, str]  # a folder, links followed, and a name


@dataclass(frozen=True, slots=True)
class Looking:
    """Where a source looks: a pattern from the city's folder, and what may lie beside its files.

    Of one that is not `read` now only the pattern counts: no file is told of because of it.
    """

    key: str
    pattern: str
    trigger: str | None = None
    leaves: tuple[str, ...] = ()
    read: bool = True

    def expects(self, name: str, *, unfinished: bool) -> bool:
        """Say whether a file of that name is this source's (no unfinished one is), goes with its files, or may stay."""
        trigger = (self.trigger or "").replace("{stem}", "*").replace("{name}", "*")
        own = "" if unfinished else self.pattern.rpartition("/")[2]
        return any(fnmatchcase(name, each) for each in (own, trigger, *self.leaves))


@dataclass(slots=True)
class Seen:
    """What one look found: strays by their spot, each with a source, a label, and when it was written (milliseconds).

    `failed` are the sources in whose folders something could not be looked into.
    """

    strays: dict[Spot, tuple[str, str, int]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)


class Beside:
    """The folders in which a city's sources look. `outs` are paths that receivers write to."""

    def __init__(self, folder: Path, looking: Sequence[Looking], outs: Collection[str] = ()) -> None:
        self._folder = folder
        self._looking = looking
        self._outs = outs

    def look(self) -> Seen:
        """Look into every folder once; a folder that is not there has nothing in it."""
        seen = Seen()
        folders: dict[str, list[tuple[Looking, Path]]] = {}
        for each in self._looking:
            for path in self._folders(each, seen):
                folders.setdefault(os.path.realpath(path), []).append((each, path))
        closed = {os.path.realpath(self._folder), *(os.path.realpath(self._folder / out) for out in self._outs)}
        for real, looking in folders.items():
            reading = next(((each, path) for each, path in looking if each.read), None)
            if reading is not None and real not in closed:
                self._gather(real, [each for each, _ in looking], *reading, seen)
        return seen

    def _folders(self, looking: Looking, seen: Seen) -> Iterator[Path]:
        """Yield the folders that a pattern names."""
        found = [self._folder]
        for step in Path(looking.pattern).parts[:-1]:
            if not any(sign in step for sign in SIGNS):
                found = [path / step for path in found]
                continue
            below = [(path, entry) for path in found for entry in _entries(path, looking.key, seen)]
            found = [
                path / entry.name
                for path, entry in below
                if fnmatchcase(entry.name, step) and entry.name != DONE and entry.name[0] != "." and _is_folder(entry)
            ]
        yield from found

    def _gather(self, real: str, looking: Sequence[Looking], owner: Looking, path: Path, seen: Seen) -> None:
        late = time.time() - PATIENCE
        for entry in _entries(path, owner.key, seen):
            name = entry.name
            low = name.lower()
            if name.startswith(".") or any(fnmatchcase(low, each) for each in SCREEN) or _is_folder(entry):
                continue
            unfinished = low.endswith(UNFINISHED)
            if any(each.expects(name, unfinished=unfinished) for each in looking):
                continue
            try:
                written = entry.stat().st_mtime
            except OSError:  # it has just gone, or is a link that leads nowhere
                continue
            if not unfinished or written < late:
                label = path / name
                label = label.relative_to(self._folder) if label.is_relative_to(self._folder) else label
                seen.strays[real, name] = owner.key, str(label), int(written * 1000)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round, or where nobody answers
        return False


def _entries(path: Path, key: str, seen: Seen) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(path) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError:  # its source says so
        seen.failed.add(key)
        return []
