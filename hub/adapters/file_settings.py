"""What all file transports can be set to, and how their settings become places."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.adapters.contract import AdapterSettings, Duration, Expression, Site
from hub.adapters.file_sink import Column, FileSink, Writing
from hub.adapters.file_source import Care, FileSource, Format
from hub.adapters.places import Inbox, Outbox
from hub.adapters.places.addresses import Address
from hub.adapters.places.local import LocalInbox, LocalOutbox
from hub.adapters.places.object_storage import StorageInbox, StorageOutbox, StorageSettings
from hub.adapters.places.sftp import SftpInbox, SftpOutbox, SftpSettings
from hub.errors import ConfigurationError, Problem


def _trigger(value: str) -> str:
    if "/" in value or not value.replace("{stem}", "x").replace("{name}", "x").isprintable() or _unknown(value):
        raise ValueError("write a file's name, in which only {stem} and {name} stand in braces")
    return value


def _left(value: str) -> str:
    if not value or "/" in value:
        raise ValueError("write a pattern of names, without folders")
    return value


def _unknown(value: str) -> bool:
    rest = value.replace("{stem}", "").replace("{name}", "")
    return "{" in rest or "}" in rest


class PlaceSettings(AdapterSettings):
    """Where files lie."""

    path: str = Field(min_length=1)
    sftp: SftpSettings | None = Field(default=None, description="How to log in where `path` begins with `sftp://`.")
    s3: StorageSettings | None = Field(default=None, description="How to log in where `path` begins with `s3://`.")

    @model_validator(mode="after")
    def _login(self) -> PlaceSettings:
        address = Address.of(self.path)
        for scheme in ("sftp", "s3"):
            given = getattr(self, scheme) is not None
            if address.scheme == scheme and not given:
                raise ValueError(f"a path {scheme}://… needs `{scheme}:`, how to log in")
            if address.scheme != scheme and given:
                raise ValueError(f"`{scheme}:` is for a path that begins with {scheme}://")
        return self


class FileSourceSettings(PlaceSettings):
    """Settings of a source of files."""

    path: str = Field(
        min_length=1,
        description="A pattern of files from the city folder (`*`, `?`, `[…]`), or on a [place](../adapters.md#places)."
        " Case counts: `*.csv` leaves `A.CSV` alone (`hub morning` names it), `*.[cC][sS][vV]` takes both."
        " The folder before the first sign is created where missing. Hidden files, `done/` and names a writer uses"
        " until a file is whole (`.tmp`, `.part`, `.filepart`, `~` …) are left alone.",
    )
    after: Literal["move", "keep", "delete"] = Field(
        default="move",
        description="What becomes of a file that has been read: `move` puts it into `done/` beside it, never over"
        " another one; `keep` leaves it and remembers its content, so that it is read again only when that changes;"
        " `delete`.",
    )
    trigger: Annotated[str, AfterValidator(_trigger)] | None = Field(
        default=None,
        description="A file is read only when this one lies beside it: `{stem}.end` for `IDO.DAT` is `IDO.end`,"
        " `{name}.ok` is `IDO.DAT.ok`; a name without braces announces all files. It goes where the file goes.",
    )
    settle: Duration = Field(
        default=0.0,
        ge=0,
        description="A file is read only when two looks, so long apart (`30s`), found it unchanged. For"
        " writers without a trigger or a temporary name; the looks are those of one process, and `hub drain` waits for"
        " them.",
    )

    leaves: list[Annotated[str, AfterValidator(_left)]] = Field(
        default=[],
        description="Patterns of names beside the files that nobody needs to read (`README.txt`, `*.log`). In folders"
        " of this machine all others that no source of the city reads are named by `hub morning` once they are older"
        " than ten minutes (unfinished names: than an hour); not what lies in folders below, or where a receiver"
        " writes.",
    )

    def care(self, gaps: str = "wait") -> Care:
        """Return how files are taken."""
        return Care(self.after, self.trigger, self.settle, gaps)


class FileSinkSettings(PlaceSettings):
    """Settings of a sink of files."""

    path: str = Field(
        min_length=1,
        description="The folder, from the city folder or on a [place](../adapters.md#places); created where missing.",
    )
    name: Expression | None = Field(
        default=None,
        description="The file's name, from `batch.no` and `batch.date`. While a file of that name, written here, has"
        " not been taken, the next batch waits. Without it: `<UTC time>_<system>.<receiver>_<batch>` and the suffix.",
    )


def inbox(settings: PlaceSettings, site: Site) -> Inbox:
    """Return the place a source reads; nothing is connected yet."""
    address = Address.of(settings.path)
    if settings.sftp is not None:
        return SftpInbox(address, settings.sftp, site)
    if settings.s3 is not None:
        return StorageInbox(address, settings.s3, site)
    return LocalInbox(site.folder, settings.path)


def outbox(settings: PlaceSettings, site: Site) -> Outbox:
    """Return the folder a sink writes; nothing is connected yet."""
    address = Address.of(settings.path)
    if settings.sftp is not None:
        return SftpOutbox(address, settings.sftp, site)
    if settings.s3 is not None:
        return StorageOutbox(address, settings.s3, site)
    return LocalOutbox(site.folder / settings.path, site.key)


def file_source(settings: FileSourceSettings, site: Site, format_: Format, *, gaps: str = "wait") -> FileSource:
    """Open a source of files of a format."""
    return FileSource(inbox(settings, site), format_, settings.care(gaps))


def file_sink(settings: FileSinkSettings, site: Site, writing: Writing, port: Any) -> FileSink:
    """Open a sink of files of a format; `port` compiles `name`."""
    name: Column | None = port.compile(settings.name) if settings.name else None
    return FileSink(site, settings.path, outbox(settings, site), writing, name)


def refuse(place: str, message: str, mend: str) -> ConfigurationError:
    """Return the error for settings that only the whole city shows to be wrong."""
    return ConfigurationError([Problem(place, message, mend, code="adapter-setting")])
