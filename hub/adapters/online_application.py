"""Online applications (申請管理): submissions in, as JSON, CSV or ZIP with attachments; decisions and status out.

No public specification binds these services, so names of columns are the city's to map. An attachment never goes
through Kafka: it is kept by its digest (`hub.adapters.attachments`), and the row says name, digest and size.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, ClassVar, Literal

import orjson
from pydantic import Field

from hub.adapters.application_zip import Archive
from hub.adapters.attachments import Attachments
from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Expression,
    Expressions,
    Features,
    Row,
    Site,
    Transport,
)
from hub.adapters.csv import CsvFormat, CsvWriting
from hub.adapters.file_settings import FileSinkSettings, FileSourceSettings, file_sink, file_source
from hub.adapters.file_sink import Column, Content, FileSink, Writing
from hub.adapters.file_source import FileSource, Spot
from hub.errors import HubError, Malformed, Transient
from hub.settings.encoding import Encoding

LARGEST_JSON = 64 * 1024 * 1024  # bytes of a file of submissions
_APART = re.compile(r"[;\n|]")


class ApplicationSourceSettings(FileSourceSettings):
    """Settings of an `online_application` source."""

    encoding: Encoding = Field(default="utf-8-sig", description="Of CSV; JSON is UTF-8.")
    manifest: str | None = Field(
        default=None,
        description="Which members of a ZIP hold submissions, a pattern; without it the .json and .csv nearest to the"
        " top.",
    )
    attachments: str = Field(
        default="attachments",
        description="The column that names a submission's attachments: a list, or texts separated by `;`. Where a ZIP"
        " holds one submission that names none, all other members are its attachments.",
    )
    names: str = Field(default="cp932", description="The encoding of names in a ZIP that are not marked as UTF-8.")
    largest: int = Field(default=100 * 1024 * 1024, ge=1, description="The most bytes of one attachment.")


class ApplicationSinkSettings(FileSinkSettings):
    """Settings of an `online_application` sink."""

    format: Literal["json", "csv"] = Field(default="json", description="An array of objects, or a CSV file.")
    encoding: Encoding = Field(default="utf-8", description="Of CSV.")
    columns: dict[str, Expression] | None = Field(
        default=None,
        description="Names and the expression of each, in order; without it the fields of `send`, with `delivery_key`,"
        " `type` and `action`.",
    )


class ApplicationFormat:
    """Reads submissions from JSON, CSV or ZIP, whichever a file is. A spot counts the rows of JSON and ZIP."""

    def __init__(self, settings: ApplicationSourceSettings, site: Site) -> None:
        self._settings = settings
        self._csv = CsvFormat(settings.encoding, ",")
        self._kept = Attachments(site.folder)

    def number(self, stream: BinaryIO) -> None:
        """Answer that these files carry no number."""

    def rows(self, stream: BinaryIO, label: str, start: Spot) -> Iterator[tuple[Row, Spot]]:
        """Yield each submission as a row; its attachments are kept before. Raises `Malformed` for a whole file."""
        stream.seek(0)
        head = stream.read(4096)
        if head.startswith(b"PK"):
            yield from self._numbered(self._of_zip(stream, label), start)
        elif head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
            stream.seek(0)
            yield from self._numbered(iter(_objects(stream.read(LARGEST_JSON + 1), label)), start)
        else:
            yield from self._csv.rows(stream, label, start)

    def again(self, raw: bytes, head: bytes, label: str) -> Iterator[tuple[Row, Spot]]:
        """Yield the rows of what was handed out: a submission as JSON, a line of CSV, or a whole file."""
        if raw.startswith(b"PK") or raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
            return self.rows(io.BytesIO(raw), label, Spot())
        return self._csv.again(raw, head, label)

    @staticmethod
    def _numbered(rows: Iterator[Row], start: Spot) -> Iterator[tuple[Row, Spot]]:
        for number, row in enumerate(rows, 1):
            if number > start.offset:
                yield row, Spot(number, number + 1)

    def _of_zip(self, stream: BinaryIO, label: str) -> Iterator[Row]:
        archive = Archive(stream, self._settings.names, self._settings.manifest)
        found = [(row, name) for name in archive.manifests for row in self._listed(archive, name, label)]
        claims = [self._claimed(row, name, archive, alone=len(found) == 1) for row, name in found]
        claimed = {member for members in claims for member in members.values()}
        if unclaimed := [name for name in archive.attachments if name not in claimed]:
            column = self._settings.attachments
            message = f"{len(unclaimed)} members belong to no submission: name them in `{column}`"
            if all(row.error is None for row, _ in found) and all(None not in each.values() for each in claims):
                raise Malformed(message, code="attachment-unclaimed")
        for (row, _), members in zip(found, claims, strict=True):
            yield self._with_attachments(row, archive, members)

    def _listed(self, archive: Archive, name: str, label: str) -> list[Row]:
        content = archive.manifest(name)
        place = f"{label}!{name}"
        if name.lower().endswith(".csv"):
            return [row for row, _ in self._csv.rows(io.BytesIO(content), place, Spot())]
        return _objects(content, place)

    def _claimed(self, row: Row, manifest: str, archive: Archive, *, alone: bool) -> dict[str, str | None]:
        """Return the attachments a submission names, each with its member; None: the ZIP does not have it."""
        said = row.values.get(self._settings.attachments)
        if not said and alone and row.error is None:
            return {name: name for name in archive.attachments}
        return {name: archive.find(name, manifest) for name in _names(said)}

    def _with_attachments(self, row: Row, archive: Archive, members: Mapping[str, str | None]) -> Row:
        if row.error is not None:
            return row
        kept = []
        try:
            for name, member in members.items():
                if member is None:
                    raise Malformed("the ZIP lacks an attachment that is named", code="attachment-missing")
                digest, size = self._kept.keep(archive.parts(member), self._settings.largest)
                kept.append({"name": name, "digest": digest, "size": size})
        except Transient:
            raise
        except HubError as error:
            wrong = error if isinstance(error, Malformed) else Malformed(error.message, code=error.code)
            wrong.place = row.place
            return Row({}, row.place, row.raw, wrong)
        values = {**row.values, self._settings.attachments: kept}
        return Row(values, row.place, orjson.dumps(values))


def _names(said: Any) -> list[str]:
    texts = _APART.split(said) if isinstance(said, str) else said if isinstance(said, list) else []
    return [text.strip() for text in texts if isinstance(text, str) and text.strip()]


def _objects(content: bytes, label: str) -> list[Row]:
    """Return the objects of a JSON document, each a row. Raises `Malformed` for one that is none."""
    if len(content) > LARGEST_JSON:
        raise Malformed(f"more than {LARGEST_JSON} bytes", code="json-too-large")
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Malformed(f"no JSON: {type(error).__name__}", code="json") from None
    rows = []
    for number, value in enumerate(document if isinstance(document, list) else [document], 1):
        place = f"{label}:{number}"
        raw = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            rows.append(Row(value, place, raw))
        else:
            rows.append(Row({}, place, raw, Malformed("a submission is an object", place=place, code="json-object")))
    return rows


class JsonWriting:
    """Writes an array of objects."""

    suffix = ".json"

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = columns

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the file; what cannot be computed is refused."""
        refused: dict[str, list[str]] = {}
        made = []
        for one in wanted:
            try:
                made.append(self._object(one, batch))
            except Malformed as error:
                refused[one.key] = [error.code, str(error)]
        return Content(orjson.dumps(made, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE), refused)

    def _object(self, one: Delivery, batch: Batch) -> dict[str, Any]:
        if not self._columns:
            return {"delivery_key": one.key, "type": one.type, "action": one.action, **one.data}
        values = {name: column(one, batch) for name, column in self._columns.items()}
        return {name: value for name, value in values.items() if value is not None}


class OnlineApplication(Transport):
    """Files of an online application service: submissions in, decisions and status out.

    In: JSON (an object or an array), CSV, or a ZIP of these with attachments, which are kept by their SHA-256 in
    `var/attachments/`; `row.attachments` is then a list of `name`, `digest` and `size`. Error rows: those of `csv`,
    `json-object`, `attachment-missing`, `attachment-too-large`; for a whole file `json`, `json-too-large`,
    `zip-broken`, `zip-empty`, `zip-too-large`, `attachment-unclaimed`.
    """

    name: ClassVar[str] = "online_application"
    title: ClassVar[dict[str, str]] = {"ja": "オンライン申請", "en": "Online applications"}
    features: ClassVar[Features] = Features(source=True, sink=True, typed=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = ApplicationSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = ApplicationSinkSettings

    @classmethod
    def source(cls, settings: ApplicationSourceSettings, site: Site) -> FileSource:
        """Open the source; no file is touched yet."""
        return file_source(settings, site, ApplicationFormat(settings, site))

    @classmethod
    def sink(cls, settings: ApplicationSinkSettings, site: Site, port: Expressions | Any = None) -> FileSink:
        """Open the sink; `port` compiles the expressions. No file is touched yet."""
        columns = {name: port.compile(text) for name, text in (settings.columns or {}).items()}
        writing: Writing = JsonWriting(columns)
        if settings.format == "csv":
            writing = CsvWriting(settings.encoding, ",", columns, site.fields)
        return file_sink(settings, site, writing, port)
