"""The numbers files carry: each is one more than the one before; a gap is waited for, an old number is refused.

A restored system sends old numbers again with new content: nobody but a person can say what that means. An old number
with its old content is a repeat and does no harm. A file that was refused as a whole has come, but was not read: the
right one of its number is read in its place, as long as no later one was.
"""

from __future__ import annotations

from typing import Any

from hub.errors import Malformed, Transient

REMEMBERED = 50  # numbers, with the digest of each one's content
REFUSED = ""  # instead of a digest


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
        is_replaced = number == last and self.seen[number] == REFUSED
        if last is not None and not is_replaced and not (last == highest and number <= 1):
            if number <= last:
                return self._old(number, last)
            if number > last + 1 and self._gaps == "wait":
                message = f"{label} has the number {number}, but number {last + 1} has not come yet"
                raise Transient(message, code="file-missing")
        self.seen.pop(number, None)
        self.seen[number] = digest
        while len(self.seen) > REMEMBERED:
            del self.seen[next(iter(self.seen))]
        return None

    def _old(self, number: int, last: int) -> Malformed:
        message = f"the file has the number {number}, and number {last} was read already"
        mend = "ask the system whether it was restored; then fix or discard the entry"
        if self.seen.get(number) == REFUSED:
            message += "; one of that number was refused before"
            mend = "take it in with `hub quarantine resubmit`; discard the one that was refused"
        return Malformed(message, mend=mend, code="file-number")

    def refuse(self, digest: str) -> None:
        """Say that a file whose number was taken was not read: it is not what it should be."""
        self.seen |= {number: REFUSED for number, known in self.seen.items() if known == digest}
