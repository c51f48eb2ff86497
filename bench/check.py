"""The correctness check of a run: what stands in the sinks' files against what had to come."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal

import orjson

from bench.town import FIELDS, LOCATING, PROTECTED, Stream, number_of, system_name

Break = Literal["drop", "double"]


class CheckFailed(Exception):  # noqa: N818 - named for what happened
    """What came is not what had to come."""


def tamper(files: Sequence[Path], how: Break, seed: int = 0) -> Path:
    """Drop or double one delivery in one of the files, on purpose; return which file."""
    chance = random.Random(seed)
    file = chance.choice([each for each in files if each.stat().st_size])
    lines = file.read_bytes().splitlines(keepends=True)
    at = chance.randrange(len(lines))
    lines[at : at + 1] = [] if how == "drop" else [lines[at], lines[at]]
    file.write_bytes(b"".join(lines))
    return file


def verify(stream: Stream, folder: Path, *, protecting: bool = False) -> int:
    """Hold every system's file in `folder` to the count; return how many deliveries there are.

    Nothing missing, nothing too much, nothing twice, each resident's in order, and of each event the fields that the
    rule sends; with `protecting`, nothing that locates a protected resident. Raises CheckFailed.
    """
    hidden = PROTECTED if protecting else frozenset()
    return sum(
        _verify_one(stream, system, folder / f"{system_name(system)}.jsonl", hidden)
        for system in range(len(stream.owed))
    )


def _verify_one(stream: Stream, system: int, file: Path, hidden: Collection[str]) -> int:
    owed = list(stream.owed[system])
    due = len(owed) - owed.count(0)
    last: dict[str, int] = {}
    lines = file.read_bytes().splitlines() if file.exists() else []
    for line in lines:
        said = orjson.loads(line)
        number, subject = number_of(said["id"]), said["subject"]
        rule = owed[number]
        if not rule:
            known = stream.owed[system][number]
            raise CheckFailed(f"{file.name}: {said['id']} " + ("came twice" if known else "was not to come"))
        owed[number] = 0
        if last.get(subject, -1) > number:
            raise CheckFailed(f"{file.name}: {said['id']} came after a later one of {subject}")
        last[subject] = number
        sent = FIELDS[stream.kinds[number]] & set(stream.ruleset[rule - 1].send)
        sent -= LOCATING if subject in hidden else frozenset()
        if said["data"].keys() != sent:
            raise CheckFailed(f"{file.name}: {said['id']} has {sorted(said['data'])}, not {sorted(sent)}")
    if len(lines) != due:
        missing = next(number for number, rule in enumerate(owed) if rule)
        raise CheckFailed(f"{file.name}: {due - len(lines)} of {due} are missing, the first is number {missing}")
    return due
