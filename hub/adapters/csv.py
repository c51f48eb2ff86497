"""CSV files: a folder is read by a pattern, and complete files are written into a folder.

Reading is strict (RFC 4180, with the system's own encoding and delimiter): a record that is broken becomes an error row
with its bytes and place, the rest of the file goes on. See `csv_source` and `csv_sink` for how each keeps its promises.
"""

from __future__ import annotations

import codecs
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from hub.adapters.contract import AdapterSettings, Expression, Expressions, Features, Site, Transport
from hub.adapters.csv_sink import CsvSink
from hub.adapters.csv_source import CsvSource


def _encoding(name: str) -> str:
    """Refuse encodings in which a line break or a quote is not its one ASCII byte."""
    try:
        codec = codecs.lookup(name).name
    except LookupError:
        raise ValueError(f"there is no encoding `{name}` (utf-8 and cp932 are the usual ones)") from None
    stateful = codec.startswith(("iso2022", "hz", "utf-7"))
    if stateful or '\n"'.encode(codec).removeprefix(codecs.BOM_UTF8) != b'\n"':
        raise ValueError(f"CSV in `{name}` is not supported; use one in which ASCII characters are single bytes")
    return codec


Encoding = Annotated[str, AfterValidator(_encoding)]
Delimiter = Annotated[str, Field(min_length=1, max_length=1, pattern='[^"\r\n]')]


class CsvSourceSettings(AdapterSettings):
    """Settings of a `csv` source."""

    path: str = Field(
        min_length=1,
        description="A pattern of files from the city folder (`*`, `?`, `[…]`). The folder before the first sign is"
        " created where missing. Hidden files, `done/` and names a writer uses until a file is whole (`.tmp`,"
        " `.part`, `.filepart`, `~` …) are left alone.",
    )
    encoding: Encoding = Field(
        default="utf-8-sig", description="The files' encoding, for example `cp932`. A UTF-8 byte order mark is skipped."
    )
    delimiter: Delimiter = Field(default=",", description="The one character between columns.")
    after: Literal["move", "keep", "delete"] = Field(
        default="move",
        description="What becomes of a file that has been read: `move` puts it into `done/` beside it, never over"
        " another one; `keep` leaves it and remembers its content, so that it is read again only when that changes;"
        " `delete`.",
    )


class CsvSinkSettings(AdapterSettings):
    """Settings of a `csv` sink."""

    path: str = Field(min_length=1, description="The folder, from the city folder; created where missing.")
    encoding: Encoding = Field(
        default="utf-8",
        description="The files' encoding, for example `cp932`. A delivery with a character it lacks is rejected alone.",
    )
    delimiter: Delimiter = Field(default=",", description="The one character between columns.")
    columns: dict[str, Expression] | None = Field(
        default=None,
        description="Columns and the expression of each, in order. Without it: `delivery_key`, `event_id`, `type`,"
        " `subject`, `time`, `action`, and the fields of `send`.",
    )


class Csv(Transport):
    """CSV files: reads what a pattern finds, writes one complete file a batch, named so that they sort by time.

    Error rows of a file have the codes `csv-columns`, `csv-quote`, `csv-encoding`, `csv-too-long` (a line or record
    above 64 KiB); `csv-empty`, `csv-header` (a column twice) and `csv-encoding` may also stand for a whole file.

    A written file is `<UTC time>_<system>.<receiver>_<batch>.csv`, RFC 4180 with CRLF. Objects and lists are compact
    JSON, booleans `true` and `false`, absent values empty. A hidden `.<system>.<receiver>.hub` beside the files holds
    the lock of the one writer and the names of the last files.
    """

    name: ClassVar[str] = "csv"
    title: ClassVar[dict[str, str]] = {"ja": "CSV ファイル", "en": "CSV files"}
    features: ClassVar[Features] = Features(source=True, sink=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = CsvSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = CsvSinkSettings

    @classmethod
    def source(cls, settings: CsvSourceSettings, site: Site) -> CsvSource:
        """Open the source; no file is touched yet."""
        return CsvSource(
            site.folder, settings.path, encoding=settings.encoding, delimiter=settings.delimiter, after=settings.after
        )

    @classmethod
    def sink(cls, settings: CsvSinkSettings, site: Site, port: Expressions | Any = None) -> CsvSink:
        """Open the sink; `port` compiles the expressions of `columns`. No file is touched yet."""
        columns = {name: port.compile(text) for name, text in (settings.columns or {}).items()}
        return CsvSink(site, settings.path, encoding=settings.encoding, delimiter=settings.delimiter, columns=columns)
