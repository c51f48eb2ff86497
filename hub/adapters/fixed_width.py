"""Fixed-width files, as a layout of `layouts/*.yaml` lays their records out."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from hub.adapters.contract import AdapterSettings, Expressions, Features, Site, Transport
from hub.adapters.file_settings import FileSinkSettings, FileSourceSettings, file_sink, file_source, refuse
from hub.adapters.file_sink import FileSink
from hub.adapters.file_source import FileSource
from hub.adapters.fixed_reading import FixedFormat
from hub.adapters.fixed_writing import FixedWriting, needed
from hub.settings.layouts import Layout


def _name(path: str) -> str:
    return path.removeprefix("layouts/").removesuffix(".yaml")


def _known(path: str, info: ValidationInfo) -> str:
    """Refuse what is no layout of the city, where its layouts are known."""
    if path != f"layouts/{_name(path)}.yaml":
        raise ValueError(f"`{path}` is no layout's file: write layouts/NAME.yaml")
    layouts = (info.context or {}).get("layouts")
    if layouts is not None and _name(path) not in layouts:
        there = ", ".join(f"layouts/{name}.yaml" for name in layouts) or "there are none"
        raise ValueError(f"there is no `{path}`: write it, or name one of these: {there}")
    return path


LayoutPath = Annotated[str, AfterValidator(_known)]


class FixedSourceSettings(FileSourceSettings):
    """Settings of a `fixed_width` source."""

    layout: LayoutPath = Field(description="The records' layout, `layouts/NAME.yaml`; it names the encoding too.")
    gaps: Literal["wait", "accept"] = Field(
        default="wait",
        description="Where the layout has a `sequence: file`: `wait` for a number that has not come, or `accept` that.",
    )


class FixedSinkSettings(FileSinkSettings):
    """Settings of a `fixed_width` sink."""

    layout: LayoutPath = Field(description="The records' layout, `layouts/NAME.yaml`; it names the encoding too.")


class FixedWidth(Transport):
    """Fixed-width files, one layout for reading and writing: [how to](../../how-to/fixed-width.md).

    A file is read only when header, trailer, counts, totals and sequence agree; otherwise all of it is quarantined, in
    parts of 64 KiB: `layout-header`, `layout-trailer` (missing: cut short), `layout-count`, `layout-total`,
    `layout-sequence`, `layout-empty`, `layout-column` (not one record could become an event, for want of a column that
    the mapping reads), `file-number` (an old number with new content). A broken record is alone: `layout-length`,
    `layout-encoding`, `layout-constant`, `layout-number`. Values are texts without their filling.

    A delivery that does not fit is rejected alone: `layout-overflow`, `layout-number`, `layout-sign` (a line break in a
    text), `unencodable`; what `overflow: cut` has cut is noted on the delivery. An absent value is filling.
    """

    name: ClassVar[str] = "fixed_width"
    title: ClassVar[dict[str, str]] = {"ja": "固定長ファイル", "en": "Fixed-width files"}
    features: ClassVar[Features] = Features(source=True, sink=True, prepared=True, batch=5000)
    SourceSettings: ClassVar[type[AdapterSettings]] = FixedSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = FixedSinkSettings

    @classmethod
    def source(cls, settings: FixedSourceSettings, site: Site) -> FileSource:
        """Open the source; no file is touched yet."""
        return file_source(settings, site, FixedFormat(_layout(settings.layout, site), site.needs), gaps=settings.gaps)

    @classmethod
    def sink(cls, settings: FixedSinkSettings, site: Site, port: Expressions | Any = None) -> FileSink:
        """Open the sink; `port` compiles the layout's expressions. No file is touched yet."""
        layout = _layout(settings.layout, site)
        for field in layout.header:
            if field.is_open:
                mend = "write `value:`, or leave its name out"
                raise refuse(field.place, f"nothing says what `{field.name}` holds", mend)
        for field in needed(layout, site.fields):
            mend = f"write `value:`, or add {field.name} to `send` of a rule of {site.system}"
            raise refuse(field.place, f"nothing says what `{field.name}` holds", mend)
        return file_sink(settings, site, FixedWriting(layout, port.compile), port)


def _layout(path: str, site: Site) -> Layout:
    return site.layouts[_name(path)]
