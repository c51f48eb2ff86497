"""Reading the documents of a stream one by one: a JSON object, a JSON array, or JSON lines.

A broken document is handed on as what it is, and the rest is read. Memory stays constant for lines and arrays alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hub.errors import Malformed
from hub.events.array import Piece, split_array
from hub.events.text import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LONGEST = 1024 * 1024  # bytes of one document as written: an event of 256 KiB may be spread out and escaped
_CHUNK = 64 * 1024
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"
_GOES_ON = (  # how a line begins that belongs to the object begun above
    b" ",
    b"\t",
    b'"',
    b"}",
    b"]",
    b",",
)


class _Line(NamedTuple):
    place: str
    raw: bytes
    size: int  # of the whole, where raw is only the beginning


class Document(NamedTuple):
    """One document of a stream: `line N` or `item N`, its bytes, and its value, or the error if it has none.

    `raw` of a document beyond 1 MiB is its beginning.
    """

    place: str
    raw: bytes
    value: Any = None
    error: Malformed | None = None


def read_documents(stream: BinaryIO) -> Iterator[Document]:
    """Yield every document of the stream in order; blank lines and a byte order mark are passed over.

    A text that begins with `[` is an array (`item N`). Everything else is JSON lines (`line N`), where an object may
    also be spread over several lines.
    """
    number, head = 1, stream.readline(_CHUNK).removeprefix(_BOM)
    while head and not head.strip(_BLANK):
        number, head = number + head.endswith(b"\n"), stream.readline(_CHUNK)
    if head.lstrip(_BLANK).startswith(b"["):
        yield from _items(split_array(head.lstrip(_BLANK), stream, longest=LONGEST))
    else:
        yield from _joined(_lines(number, head, stream))


def _items(pieces: Iterator[Piece]) -> Iterator[Document]:
    for number, piece in enumerate(pieces, start=1):
        place = f"item {number}"
        if piece.fault:
            yield Document(place, piece.raw, error=Malformed(piece.fault, code="json", place=place))
        else:
            yield _document(_Line(place, piece.raw, piece.size))


def _document(line: _Line) -> Document:
    if line.size > LONGEST:
        fault = Malformed(f"the document has {line.size} bytes", code="too-large", place=line.place)
        return Document(line.place, line.raw, error=fault)
    try:
        return Document(line.place, line.raw, parse(line.raw))
    except Malformed as fault:
        fault.place = f"{line.place}, {fault.place}" if fault.place else line.place
        return Document(line.place, line.raw, error=fault)


def _lines(number: int, head: bytes, stream: BinaryIO) -> Iterator[_Line]:
    """Yield the lines that are not blank; of an endless line only the beginning is kept."""
    text = head
    while text:
        if not text.endswith(b"\n"):
            text += stream.readline(LONGEST + 1 - len(text))
        size = len(text)
        rest = text
        while rest and not rest.endswith(b"\n"):
            rest = stream.readline(_CHUNK)
            size += len(rest)
        if text.strip(_BLANK):
            yield _Line(f"line {number}", text.rstrip(_BLANK), size)
        number += 1
        text = stream.readline(LONGEST + 1)


def _joined(lines: Iterator[_Line]) -> Iterator[Document]:
    """Yield a document a line; a broken line and the lines that go on from it are tried as one."""
    line = next(lines, None)
    while line is not None:
        document = _document(line)
        line = next(lines, None)
        if document.error and line and line.raw.startswith(_GOES_ON):
            parts, size = [document], len(document.raw)
            while line and line.raw.startswith(_GOES_ON) and size <= LONGEST:
                parts.append(_document(line))
                size += len(line.raw)
                line = next(lines, None)
            yield from _spread(parts)
        else:
            yield document


def _spread(parts: list[Document]) -> Iterator[Document]:
    whole = b"\n".join(part.raw for part in parts)
    document = _document(_Line(parts[0].place, whole, len(whole)))
    if document.error and any(isinstance(part.value, dict) for part in parts):
        yield from parts
    else:
        yield document
