"""One service for all processes of a test run: the first user starts it, the last one stops it."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

State = dict[str, Any]


@contextmanager
def shared(root: Path, name: str, start: Callable[[], State], stop: Callable[[State], None]) -> Iterator[State]:
    """Yield what `start` returned, here or in another process of the run (it goes through JSON)."""
    note = root / f"{name}.json"
    with (root / f"{name}.users").open("a") as users:
        with _alone(root / f"{name}.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            if not note.exists():
                note.write_text(json.dumps(start()))
            state = json.loads(note.read_text())
        try:
            yield state
        finally:
            with _alone(root / f"{name}.lock"):
                if _last(users):
                    note.unlink()
                    stop(state)


def _last(users: Any) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
