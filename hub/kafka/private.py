"""Files for the user the hub runs as alone: what is in `var/kafka/` is residents' data or leads to it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = 0o700
FILE = 0o600
UMASK = 0o077
_alone = threading.Lock()


@contextmanager
def umask() -> Iterator[None]:
    """Give processes started in the block a umask of no rights for others.

    It is that of all this process's threads: what they make meanwhile is private, too.
    """
    with _alone:
        before = os.umask(UMASK)
        try:
            yield
        finally:
            os.umask(before)


def opener(path: str, flags: int) -> int:
    """Open a file for `open`, with no rights for others where it is new."""
    return os.open(path, flags, FILE)


def write(path: Path, text: str) -> None:
    """Write a file anew."""
    with open(path, "w", encoding="utf-8", opener=opener) as file:
        file.write(text)
