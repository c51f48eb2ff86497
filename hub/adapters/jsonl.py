"""JSON Lines: one JSON object a line. Read from files; written into one file that grows, or one file a batch."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, ClassVar

from pydantic import Field, model_validator

from hub.adapters.contract import AdapterSettings, Batch, Delivery, Features, PreparedSink, Row, Site, Transport
from hub.adapters.file_settings import FileSinkSettings, FileSourceSettings, file_sink, file_source
from hub.adapters.file_sink import Content
from hub.adapters.file_source import FileSource, Spot
from hub.adapters.jsonl_append import AppendingSink, lines
from hub.errors import Malformed

LIMIT = 256 * 1024  # bytes of a line, as of an event


class JsonlSourceSettings(FileSourceSettings):
    """Settings of a `jsonl` source."""


class JsonlSinkSettings(FileSinkSettings):
    """Settings of a `jsonl` sink."""

    path: str = Field(
        min_length=1,
        description="The file, from the city folder, to which everything is appended; or, with a slash at its end or on"
        " a [place](../adapters.md#places), the folder that gets a file a batch. Created where missing.",
    )

    @model_validator(mode="after")
    def _one_file(self) -> JsonlSinkSettings:
        if self.name is not None and not self.is_folder:
            raise ValueError("`name` is for a folder: end `path` with a slash")
        return self

    @property
    def is_folder(self) -> bool:
        """Say whether each batch is a file of its own."""
        return self.path.endswith("/") or "://" in self.path


class JsonlFormat:
    """Reads UTF-8 lines, each one object."""

    def number(self, stream: BinaryIO) -> None:
        """Answer that these files carry no number."""

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each line as a row; blank lines are left out, one that is too long comes in parts."""
        offset, line = start
        if not offset:
            stream.seek(0)
            offset = len(codecs.BOM_UTF8) if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0
        stream.seek(max(0, offset - 1))
        inside = offset > len(codecs.BOM_UTF8) and stream.read(1) != b"\n"
        stream.seek(offset)
        while raw := stream.readline(LIMIT):
            offset += len(raw)
            is_part = inside or (len(raw) == LIMIT and not raw.endswith(b"\n"))
            inside = not raw.endswith(b"\n")
            after = Spot(offset, line + (not inside))
            if is_part or raw.strip():
                yield _row(raw, f"{label}:{line}", is_part=is_part), after
            line = after.line

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:  # noqa: ARG002
        """Yield the rows of lines: a line needs nothing beside it."""
        return self.rows(io.BytesIO(raw), label, Spot())


def _row(raw: bytes, place: str, *, is_part: bool) -> Row:
    try:
        if is_part:
            raise Malformed(f"a line is longer than {LIMIT} bytes", code="jsonl-too-long")  # noqa: TRY301
        return Row(_object(raw), place, raw)
    except Malformed as error:
        error.place = place
        return Row({}, place, raw, error)


def _object(raw: bytes) -> dict[str, Any]:
    """Return a line's object. Raises `Malformed`: `jsonl-encoding`, `jsonl-syntax`, `jsonl-object`."""
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise Malformed(f"byte {error.start + 1} of the line is no UTF-8", code="jsonl-encoding") from None
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the line is no JSON: {error}", code="jsonl-syntax") from None
    if not isinstance(value, dict):
        raise Malformed("the line is JSON, but no object", code="jsonl-object")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"{next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return made


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no number")


class JsonlWriting:
    """Writes one projected CloudEvent a line."""

    suffix = ".jsonl"

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:  # noqa: ARG002
        """Return the lines; nothing is refused."""
        return Content(lines(wanted))


class Jsonl(Transport):
    """One JSON object a line: rows in, projected CloudEvents out.

    Error rows: `jsonl-encoding` (not UTF-8), `jsonl-syntax`, `jsonl-object` (JSON, but no object), `jsonl-too-long` (a
    line above 256 KiB, in parts).
    """

    name: ClassVar[str] = "jsonl"
    title: ClassVar[dict[str, str]] = {"ja": "JSON Lines ファイル", "en": "JSON Lines files"}
    features: ClassVar[Features] = Features(source=True, sink=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = JsonlSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = JsonlSinkSettings

    @classmethod
    def source(cls, settings: JsonlSourceSettings, site: Site) -> FileSource:
        """Open the source; no file is touched yet."""
        return file_source(settings, site, JsonlFormat())

    @classmethod
    def sink(cls, settings: JsonlSinkSettings, site: Site, port: Any = None) -> PreparedSink:
        """Open the sink; files are opened by its first batch."""
        if settings.is_folder:
            return file_sink(settings, site, JsonlWriting(), port)
        return AppendingSink(settings.path, site)
