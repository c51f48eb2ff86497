"""Places under lint: what one writes or reads there, no other writes over, takes away or reads back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hub.routing.lint_expressions import Notes
    from hub.settings.models import City

_OWN = re.compile(r"\b(?:delivery|data|subject|event)\b")  # what makes the names of two receivers differ
_LITERAL = re.compile(r'"[^"\\]*"|\'[^\'\\]*\'')


class Reading(NamedTuple):
    """A pattern of files that are read: by whom, where that is written, and whether read files stay."""

    who: str
    place: str
    path: str
    keeps: bool


class Writing(NamedTuple):
    """A folder or file that is written: by whom, where that is written, and the expression of the files' names."""

    who: str
    place: str
    path: str
    name: str


def check(notes: Notes) -> None:
    """Note what two of the city's sources and receivers would do to each other's files."""
    writing, reading = list(_writing(notes.city)), list(_reading(notes.city))
    for number, each in enumerate(writing):
        for other in writing[:number]:
            if _same(each.path, other.path) and _alike(each, other):
                message = f"`{each.who}` writes the files of `{other.who}`, which begins at {other.place}"
                notes.error(each.place, message, "give each receiver a `path` of its own", "place-shared")
    for number, source in enumerate(reading):
        for other_source in reading[:number]:
            if _same(source.path, other_source.path) and not (source.keeps and other_source.keeps):
                message = f"{source.who} reads the files of {other_source.who}: each takes them from the other"
                mend = f"give each a pattern of its own, or `after: keep` to both; the other is at {other_source.place}"
                notes.error(source.place, message, mend, "place-shared")
        for out in writing:
            if _reads(source.path, out):
                message = f"{source.who} reads what `{out.who}` writes ({out.place}): the city reports to itself"
                notes.warning(source.place, message, "read and write in folders of their own", "place-shared")


def _writing(city: City) -> Iterator[Writing]:
    for receiver in city.receivers():
        if (path := _path(receiver.options)) and receiver.enabled:
            name = receiver.options.get("name", "")
            yield Writing(receiver.key, receiver.place_of("path"), path, name if isinstance(name, str) else "")


def _reading(city: City) -> Iterator[Reading]:
    for name, system in city.systems.items():
        for source in system.sources.values():
            if (source.mode != "snapshot" or system.reads(source)) and (path := _path(source.options)):
                yield Reading(f"`{name}.{source.name}`", source.place_of("path"), path, source.after == "keep")
        for receiver in system.receives.values():
            said = receiver.acknowledged
            if said is not None and (path := _path(said.from_)):
                who, place = f"`acknowledged` of `{receiver.key}`", said.place_of("from", "path")
                yield Reading(who, place, path, said.from_.get("after") == "keep")


def _path(options: Mapping[str, Any]) -> str:
    path = options.get("path")
    return path if isinstance(path, str) else ""


def _same(one: str, other: str) -> bool:
    return one.endswith("/") == other.endswith("/") and _plain(one) == _plain(other)


def _plain(path: str) -> str:
    return path.rstrip("/") if "://" in path else PurePosixPath(path).as_posix()


def _alike(one: Writing, other: Writing) -> bool:
    """Say whether what both write has the same name: one file, or files whose names are made alike."""
    if one.name or other.name:
        return one.name == other.name and not _OWN.search(one.name)
    return not one.path.endswith("/") and "://" not in one.path and bool(PurePosixPath(one.path).suffix)


def _reads(pattern: str, out: Writing) -> bool:
    """Say whether a pattern finds what is written, as far as its name is known."""
    folder, _, wanted = pattern.rpartition("/")
    written = out.path.rstrip("/")
    if not out.path.endswith("/") and PurePosixPath(out.path).suffix:
        return fnmatchcase(_plain(out.path), _plain(pattern))
    if _plain(folder or ".") != _plain(written or "."):
        return False
    if out.name:
        return _LITERAL.fullmatch(out.name) is not None and fnmatchcase(out.name[1:-1], wanted)
    return fnmatchcase(f"20260401T090000000Z_{out.who}_000000001", PurePosixPath(wanted).stem)
