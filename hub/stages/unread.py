"""Files that lie where the sources of a city look, and that none of them reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

GRACE = 600_000  # milliseconds: so long a file may have another name until it is whole
NAMES = 5  # so many are told by name


class Unread:
    """What is left beside the files of each of a city's sources; what several of them see is told by the first."""

    def __init__(self, sources: Sequence[Any]) -> None:
        self._sources = [each for each in sources if hasattr(each, "unread")]

    def beside(self, source: Any, known: dict[str, Any] | None, now: int) -> dict[str, Any] | None:
        """Return `{"count", "names", "since"}` of what has lain beside a source's files for long, None of nothing.

        `known` is what was told before, `now` in milliseconds.
        """
        seen: dict[str, int | None] = getattr(source, "unread", {})  # of a source without files nothing
        found = {
            label: at
            for label, at in seen.items()
            if (at is None or at <= now - GRACE) and not self._is_told(label, source)
        }
        if not found:
            return None
        before = known["since"] if known else now
        since = min(before if at is None else at for at in found.values())
        return {"count": len(found), "names": sorted(found)[:NAMES], "since": since}

    def _is_told(self, label: str, source: Any) -> bool:
        """Say whether a source reads a file, or one before this one sees it too."""
        before = takewhile(lambda each: each is not source, self._sources)
        return any(each.finds(label) for each in self._sources) or any(each.sees(label) for each in before)
