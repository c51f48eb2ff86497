"""Delivers what is due in a small city, and dies by kill -9 around a named settlement.

`python -m tests.integration.jobs.victim FOLDER LEDGER N before|after`
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from hub.ledger.desk import Desk
from tests.integration.semantics.world import World

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}"""
SYSTEMS = {"suido": RULE, "zei": RULE}


def _die_at(wanted: int, when: str) -> None:
    settle, seen = Desk.settle, [0]

    def counted(desk: Desk, settlements: Any) -> set[int]:
        seen[0] += 1
        if seen[0] == wanted and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        fenced = settle(desk, settlements)
        if seen[0] == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        return fenced

    Desk.settle = counted  # type: ignore[method-assign]


if __name__ == "__main__":
    folder, url, number, when = sys.argv[1:]
    _die_at(int(number), when)
    World(Path(folder), url, SYSTEMS).deliver()
