"""Cutting a JSON array into its items without reading it whole.

Only quotes, brackets and commas are looked at: whether an item is JSON is for its reader to say, so that one broken
item spoils as few others as can be.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_CHUNK = 64 * 1024
_BLANK = b" \t\r\n"
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)


class Piece(NamedTuple):
    """An item as written (of a very long one the beginning), its size in bytes, and what is wrong around it."""

    raw: bytes
    size: int
    fault: str = ""


def split_array(head: bytes, stream: BinaryIO, *, longest: int) -> Iterator[Piece]:
    """Yield the items of the array that begins with `head` (its `[` first) and goes on in the stream."""
    cutter = _Cutter(longest)
    chunk = head[1:] or stream.readline(_CHUNK)
    while chunk and not cutter.closed:
        yield from cutter.feed(chunk)
        chunk = stream.readline(_CHUNK)
    if not cutter.closed:
        yield from cutter.end()
        return
    rest = bytes(cutter.buffer) + chunk
    while chunk and not rest.strip(_BLANK):
        rest = chunk = stream.readline(_CHUNK)
    if rest.strip(_BLANK):
        yield Piece(rest, len(rest), "there is text after the end of the array")


class _Cutter:
    """What stands between two chunks: the item begun, how deep it is, and how far it was looked through."""

    def __init__(self, longest: int) -> None:
        self.buffer = bytearray()
        self.closed = False
        self._longest = longest
        self._looked = 0
        self._depth = 0
        self._items = 0
        self._beginning = b""  # of an item too long to keep
        self._dropped = 0

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Take the next bytes; yield the items they complete."""
        self.buffer += chunk
        start = 0
        while not self.closed and (token := _TOKEN.search(self.buffer, self._looked)):
            sign = token.group()
            if sign == b'"':  # a text that goes on in the next chunk
                self._looked = token.start()
                break
            self._looked = token.end()
            if sign in (b"[", b"{"):
                self._depth += 1
            elif self._depth and sign in (b"]", b"}"):
                self._depth -= 1
            elif not self._depth and sign in (b",", b"]"):
                self.closed = sign == b"]"
                yield from self._item(bytes(self.buffer[start : token.start()]))
                start = token.end()
        self._forget(start)

    def end(self) -> Iterator[Piece]:
        """Yield what stands after the last comma of an array that was never closed."""
        whole = not self._depth
        if self._dropped or self.buffer.strip(_BLANK):
            yield from self._item(bytes(self.buffer))
        if whole:
            yield Piece(b"", 0, "the array does not end: a ] is missing")

    def _item(self, raw: bytes) -> Iterator[Piece]:
        size = self._dropped + len(raw)
        raw = (self._beginning + raw)[: self._longest] if self._dropped else raw.strip(_BLANK)
        self._beginning, self._dropped = b"", 0
        if raw or self._items or not self.closed:
            self._items += 1
            yield Piece(raw, size)

    def _forget(self, start: int) -> None:
        """Let go of items already yielded, and of all but the beginning of an item beyond the longest."""
        del self.buffer[:start]
        self._looked -= start
        if self.closed or len(self.buffer) <= self._longest:
            return
        self._beginning = self._beginning or bytes(self.buffer[: self._longest])
        self._dropped += self._looked
        del self.buffer[: self._looked]
        self._looked = 0
        if len(self.buffer) > self._longest:  # inside one text without an end: its quote and last escape are enough
            slashes = len(self.buffer) - len(self.buffer.rstrip(b"\\"))
            self._dropped += len(self.buffer) - 1 - slashes % 2
            self.buffer[1:] = b"\\" * (slashes % 2)
