"""What file transports share: durable writes, atomic renames, one writer a file, reading a folder in name order.

A file is durable when its bytes and the folder that names it have both been synced; a rename is seen whole or not at
all. Errors stay `OSError` here, except where a sentence about the city's files is clearer.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from hub.errors import Transient

PRIVATE = 0o600  # residents' data: for the user the hub runs as
DONE = "done"
UNFINISHED = (".tmp", ".part", ".partial", ".filepart", ".crdownload", "~")  # names writers use until a file is whole


@contextmanager
def named(what: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `Transient` that names the path: disks fill and shares go away, and come back."""
    try:
        yield
    except OSError as error:
        raise Transient(f"cannot {what} {path}: {error.strerror or error}", code="file") from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write every byte; the system may take them in several steps."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_durable(path: Path, data: bytes) -> None:
    """Write a file anew and sync its bytes; its name is durable after `sync_folder`."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that a reader sees whole or not at all, durably, its folder made where missing; raises `Transient`.

    What stands under its name is replaced.
    """
    part = path.with_name(f".{path.name}.{threading.get_ident()}.part")
    with named("write", path):
        make_folder(path.parent)
        try:
            write_durable(part, data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents where they are missing, durably, for this user alone."""
    missing = [folder, *folder.parents]
    missing = missing[: next(index for index, path in enumerate(missing) if path.exists())]
    for path in reversed(missing):
        path.mkdir(exist_ok=True, mode=0o700)
    for path in missing:
        sync_folder(path.parent)


def open_locked(path: Path) -> int:
    """Open a file to read and append, created where missing, as its only writer; closing it lets go of the lock.

    Raises `Transient` while another process writes it.
    """
    make_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Transient(f"another process is writing {path}", code="file-locked") from None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def move_aside(path: Path) -> Path:
    """Move a file into `done/` beside it, never over another one: `a.csv`, `a.2.csv`, … Return where it went."""
    folder = path.parent / DONE
    make_folder(folder)
    target = _free_name(folder, path)
    path.rename(target)  # over the empty file that holds the name for us
    sync_folder(folder)
    sync_folder(path.parent)
    return target


def _free_name(folder: Path, path: Path) -> Path:
    number = 1
    while True:
        target = folder / (path.name if number == 1 else f"{path.stem}.{number}{path.suffix}")
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
        except FileExistsError:
            number += 1
        else:
            return target


def listing(folder: Path, pattern: str, faults: list[Transient]) -> Iterator[Path]:
    """Yield the files a pattern from the folder names, in name order; folders that cannot be read go into `faults`.

    Hidden files, `done/` and names that writers use until a file is whole are left alone. The part of the pattern
    before the first `*`, `?` or `[` is created where missing.
    """
    base, parts = split(folder, pattern)
    try:
        with named("make the folder", base):
            make_folder(base)
    except Transient as fault:
        faults.append(fault)
        return
    for place in folders(base, parts[:-1], faults):
        yield from (place / entry.name for entry in fitting(place, parts[-1], faults) if not is_folder(entry))


def folders(base: Path, steps: Sequence[str], faults: list[Transient]) -> Iterator[Path]:
    """Yield the folders that patterns name below another, step by step, each in name order."""
    if not steps:
        yield base
        return
    for entry in fitting(base, steps[0], faults):
        if entry.name != DONE and is_folder(entry):
            yield from folders(base / entry.name, steps[1:], faults)


def entries(folder: Path, faults: list[Transient]) -> list[os.DirEntry[str]]:
    """Return what lies in a folder, in any order; that it cannot be read goes into `faults`."""
    try:
        with named("read the folder", folder), os.scandir(folder) as found:
            return list(found)
    except Transient as fault:
        faults.append(fault)
        return []


def fitting(folder: Path, pattern: str, faults: list[Transient]) -> list[os.DirEntry[str]]:
    """Return what a pattern finds in a folder, in name order; what has a name in no UTF-8 goes into `faults`."""
    found = [each for each in entries(folder, faults) if fnmatchcase(each.name, pattern)]
    taken = sorted((each for each in found if not _is_left_alone(each.name)), key=lambda each: each.name)
    faults += [_misnamed(each) for each in taken if not _is_named(each)]
    return [each for each in taken if _is_named(each)]


def _is_named(entry: os.DirEntry[str]) -> bool:
    """Say whether a name is text: Python keeps other bytes as lone surrogates, which nothing can store or show."""
    try:
        entry.name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _misnamed(entry: os.DirEntry[str]) -> Transient:
    shown = os.fsencode(entry.path).decode("utf-8", "backslashreplace")
    return Transient(f"cannot read {shown}: its name is not UTF-8; rename it, or have it sent anew", code="file")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether an entry is a folder, links followed."""
    try:
        return entry.is_dir()
    except OSError:  # a link that leads nowhere: opening it will say so, and name it
        return False


def split(folder: Path, pattern: str) -> tuple[Path, list[str]]:
    """Return the folder that a pattern begins in, and the patterns of the steps below it."""
    base, parts = folder, list(Path(pattern).parts)
    while len(parts) > 1 and not any(sign in parts[0] for sign in "*?["):
        base /= parts.pop(0)
    return base, parts


def _is_left_alone(name: str) -> bool:
    return name.startswith(".") or name.lower().endswith(UNFINISHED)
