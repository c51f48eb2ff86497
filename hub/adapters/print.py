"""Print: PDF files for a desk that has nothing else, with Japanese characters embedded.

A batch is one file, written in two steps as every file is: one page a delivery, or a list. The same batch always gives
the same bytes. What no font has is shown as 〓 with its code, and said with the delivery.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from hub.adapters.contract import AdapterSettings, Batch, Delivery, Expression, Expressions, Features, Site, Transport
from hub.adapters.file_settings import FileSinkSettings, file_sink
from hub.adapters.file_sink import Column, Content, FileSink
from hub.adapters.messages import Part, compiled
from hub.adapters.print_fonts import Fonts, found
from hub.adapters.tabular import at, cell, others
from hub.errors import Malformed

LABELS = {"type": "種別", "subject": "宛名番号", "event_id": "届出番号", "time": "記録日時", "action": "区分"}
MOST = 200  # deliveries a file


class PrintSettings(FileSinkSettings):
    """Settings of a `print` sink."""

    layout: Literal["page", "list"] = Field(
        default="page", description="`page`: one page a delivery; `list`: one table a batch, its header on every page."
    )
    title: str = Field(default="{event.type}", description="What stands above; `{expression}` is replaced.")
    columns: dict[str, Expression] | None = Field(
        default=None,
        description="What is printed, and the expression of each, in order; without it type, subject, id, time, action"
        " and the fields of `send`.",
    )
    paper: Literal["A4", "A4-landscape", "A3-landscape"] = Field(default="A4", description="The paper.")
    size: float = Field(default=10.5, ge=6, le=24, description="Of the letters, in points.")
    font: str | None = Field(
        default=None,
        description="A TrueType font, from the city folder; without it IPAexGothic, of a package or of the system.",
    )
    gaiji_font: str | None = Field(
        default=None, description="A TrueType font for what the other lacks: the city's own characters (外字)."
    )


class PrintWriting:
    """Writes one PDF."""

    suffix = ".pdf"

    def __init__(self, settings: PrintSettings, site: Site, title: Part, columns: Mapping[str, Column]) -> None:
        self._settings = settings
        self._key = site.key
        self._fields = site.fields
        self._title = title
        self._columns = columns
        gaiji = site.folder / settings.gaiji_font if settings.gaiji_font else None
        self._fonts = Fonts(found(site.folder, settings.font), gaiji)

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the file; what cannot be computed is refused, and what no font has is noted."""
        from hub.adapters.print_pages import Paper, pages  # noqa: PLC0415 - reportlab is an extra

        refused: dict[str, list[str]] = {}
        notes: dict[str, str] = {}
        entries: list[tuple[str, list[tuple[str, str]]]] = []
        for delivery in wanted:
            lacking: set[str] = set()
            try:
                title = self._fonts.markup(self._title([delivery], batch), lacking)
                rows = [(name, self._fonts.markup(text, lacking)) for name, text in self._rows(delivery, batch)]
            except Malformed as error:
                refused[delivery.key] = [error.code, str(error)]
                continue
            entries.append((title, [(self._fonts.markup(name, set()), text) for name, text in rows]))
            if lacking:
                notes[delivery.key] = "not in the font: " + ", ".join(sorted(lacking))
        head = f"{batch.date}  {self._key}  {batch.no}"
        paper = Paper(self._settings.paper, self._settings.size, self._fonts.names[0], head)
        stream = io.BytesIO()
        pages(stream, paper, entries, as_list=self._settings.layout == "list")
        return Content(stream.getvalue(), refused, notes)

    def _rows(self, delivery: Delivery, batch: Batch) -> list[tuple[str, str]]:
        if self._columns:
            return [(name, _shown(column(delivery, batch))) for name, column in self._columns.items()]
        names = [*self._fields, *others(delivery.data, self._fields)]
        fixed = [(label, str(getattr(delivery, name))) for name, label in LABELS.items()]
        return fixed + [(name, _shown(at(delivery.data, name))) for name in names]


def _shown(value: Any) -> str:
    """Return a value as people read it: an address as its text, with the postal code before it."""
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        code = value.get("postal_code")
        return f"〒{code} {value['text']}" if code else str(value["text"])
    return cell(value)


class Print(Transport):
    """PDF files into a folder: one page a delivery, or a list of a batch.

    The characters that are used are embedded, so that any printer shows them; 〓 stands for what no font has, and the
    delivery says which. Set `effects: outward` at the receiver: then no bulk replay prints again.
    """

    name: ClassVar[str] = "print"
    title: ClassVar[dict[str, str]] = {"ja": "印刷 (PDF)", "en": "Print (PDF)"}
    features: ClassVar[Features] = Features(sink=True, prepared=True, batch=MOST)
    SinkSettings: ClassVar[type[AdapterSettings]] = PrintSettings

    @classmethod
    def sink(cls, settings: PrintSettings, site: Site, port: Expressions | Any = None) -> FileSink:
        """Open the sink; `port` compiles the expressions. Raises ConfigurationError without a font."""
        columns = {name: port.compile(text) for name, text in (settings.columns or {}).items()}
        writing = PrintWriting(settings, site, compiled(settings.title, port), columns)
        return file_sink(settings, site, writing, port)
