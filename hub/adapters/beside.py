"""Files of this machine that lie where the sources of a city look: those that none reads, and those that wait for long.

Judged by the sources' patterns alone: nothing is opened, made or asked elsewhere, whatever a source is doing. Folders
on other places (SFTP, object storages) are not looked into.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from hub.adapters.contract import Seen
from hub.adapters.files import UNFINISHED, entries, fitting, folders, is_folder, split
from hub.errors import Transient

SCREEN = ("thumbs.db", "desktop.ini", "~$*")  # what Windows and Office leave in folders
PATIENCE = 3600  # seconds after which a file with the name of an unfinished one is a surprise


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


def waiting(folder: Path, looking: Looking, before: float) -> Iterator[tuple[str, int]]:
    """Yield a source's own files that were written before a time (seconds since 1970): labels, and when (milliseconds).

    A file that is kept once it was read is among them; a folder that cannot be looked into has nothing in it.
    """
    base, parts = split(folder, looking.pattern)
    for path in folders(base, parts[:-1], []):
        for entry in fitting(path, parts[-1], []):
            if is_folder(entry):
                continue
            try:
                written = entry.stat().st_mtime
            except OSError:  # it has just gone
                continue
            if written < before:
                yield _label(folder, path / entry.name), int(written * 1000)


class Beside:
    """The folders in which a city's sources look. `outs` are paths that receivers write to."""

    def __init__(self, folder: Path, looking: Sequence[Looking], outs: Collection[str] = ()) -> None:
        self._folder = folder
        self._looking = looking
        self._outs = outs

    def look(self) -> Seen:
        """Look into every folder once; a folder that is not there has nothing in it."""
        seen = Seen()
        found: dict[str, list[tuple[Looking, Path]]] = {}
        for each in self._looking:
            faults: list[Transient] = []
            base, parts = split(self._folder, each.pattern)
            for path in folders(base, parts[:-1], faults):
                found.setdefault(os.path.realpath(path), []).append((each, path))
            _note(faults, each.key, seen)
        closed = {os.path.realpath(self._folder), *(os.path.realpath(self._folder / out) for out in self._outs)}
        for real, looking in found.items():
            reading = next(((each, path) for each, path in looking if each.read), None)
            if reading is not None and real not in closed:
                self._gather(real, [each for each, _ in looking], *reading, seen)
        return seen

    def _gather(self, real: str, looking: Sequence[Looking], owner: Looking, path: Path, seen: Seen) -> None:
        late, faults = time.time() - PATIENCE, list[Transient]()
        for entry in entries(path, faults):
            name = entry.name
            low = name.lower()
            if name.startswith(".") or any(fnmatchcase(low, each) for each in SCREEN) or is_folder(entry):
                continue
            unfinished = low.endswith(UNFINISHED)
            if any(each.expects(name, unfinished=unfinished) for each in looking):
                continue
            try:
                written = entry.stat().st_mtime
            except OSError:  # it has just gone, or is a link that leads nowhere
                continue
            if not unfinished or written < late:
                seen.strays[real, name] = owner.key, _label(self._folder, path / name), int(written * 1000)
        _note(faults, owner.key, seen)


def _label(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


def _note(faults: list[Transient], key: str, seen: Seen) -> None:
    """Note a source's folders that cannot be looked into; one that is not there has nothing in it."""
    if not all(isinstance(each.__cause__, FileNotFoundError | NotADirectoryError) for each in faults):
        seen.failed.add(key)
