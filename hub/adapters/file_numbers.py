"""The numbers files carry: each is one more than the one before; a gap is waited for, an old number is refused.

A restored system sends old numbers again with new content: nobody but a person can say what that means. An old number
with its old content is a repeat and does no harm.
"""

from __future__ import annotations

from typing import Any

from hub.errors import Malformed, Transient

REMEMBERED = 50  # numbers, with the digest of each one's content


class Numbers:
    """The numbers of one source: the last ones read, by number their content's digest."""

    def __init__(self, seen: dict[int, str], gaps: str) -> None:
        self.seen = seen
        self._gaps = gaps

    @classmethod
    def load(cls, dumped: Any, gaps: str) -> Numbers:
        """Return the numbers as they were dumped (None: none yet)."""
        return cls({int(number): digest for number, digest in dumped or []}, gaps)

    def dump(self) -> list[list[Any]]:
        """Return plain JSON: pairs in the order they were read."""
        return [[number, digest] for number, digest in self.seen.items()]

    def note(self, number: int, highest: int, digest: str, label: str) -> Malformed | None:
        """Take a file's number, or return why the file is refused; raises `Transient` when one before it is missing.

        After the highest number that its field holds files begin again, at 0 or 1.
        """
        last = next(reversed(self.seen), None)
        if self.seen.get(number) == digest:
            return None
        if last is not None and not (last == highest and number <= 1):
            if number <= last:
                return Malformed(
                    f"the file has the number {number}, and number {last} was read already",
                    mend="ask the system whether it was restored; then fix or discard the entry",
                    code="file-number",
                )
            if number > last + 1 and self._gaps == "wait":
                message = f"{label} has the number {number}, but number {last + 1} has not come yet"
                raise Transient(message, code="file-missing")
        self.seen.pop(number, None)
        self.seen[number] = digest
        while len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return None
