"""The command `hub`, in a process that dies at a named point: `python -m … POINT MARK WORD...` is `hub WORD...`.

The point leaves its name in the file MARK before it kills. Nothing of this is in the hub.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.acceptance.crash.points import POINTS, Point
from tests.services.crash import die_around, kill


def arm(name: str, mark: str) -> None:
    """Let this process die at a point."""
    point = POINTS[name]
    for where in point.where.split():
        owner, attribute = _place(where)
        die_around(owner, attribute, point.only, before=point.when != "after", death=_death(name, mark, point, owner))


def _death(name: str, mark: str, point: Point, owner: Any) -> Callable[[tuple[Any, ...]], None]:
    write = getattr(owner, "write_all", None)

    def die(arguments: tuple[Any, ...]) -> None:
        if point.when == "half":
            descriptor, data = arguments
            write(descriptor, data[: len(data) // 2])
        with Path(mark).open("a", encoding="utf-8") as note:
            note.write(f"{name}\n")
        kill()

    return die


def _place(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, attribute = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, attribute


if __name__ == "__main__":
    named, note, *words = sys.argv[1:]
    os.environ.pop("PYTHONPATH")
    arm(named, note)
    sys.argv[1:] = words
    from hub.cli.main import main

    main()
