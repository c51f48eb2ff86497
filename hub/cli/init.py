"""`hub init`: the folder of a new city."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

SAMPLES = ("moriguchi",)
CITY = """# yaml-language-server: $schema=schemas/hub.schema.json
city: example   # 市の名前。あとから変えません / the city's name stands in every event: it is not changed later
"""


def init(
    session: Session,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help=word("option.dir"))] = None,
    sample: Annotated[str | None, typer.Option("--sample", metavar="NAME", help=word("option.sample"))] = None,
    from_sample: Annotated[
        Path | None, typer.Option("--from-sample", metavar="FILE", help=word("option.from-sample"))
    ] = None,
    system: Annotated[str | None, typer.Option("--system", metavar="NAME", help=word("option.drafted"))] = None,
) -> None:
    """Write a new city, or draft a system of one from a file it writes."""
    target = folder or session.folder
    if from_sample is not None and sample is not None:
        raise UsageError("--sample and --from-sample stand side by side", mend="leave one of them out")
    written = draft_system(target, from_sample, system) if from_sample is not None else write_city(target, sample)
    names = [path.relative_to(target).as_posix() for path in written]

    def for_people() -> None:
        output.line(word("init.done", count=len(names), folder=target))
        if from_sample is not None:
            output.line(", ".join(name for name in names if not name.startswith("schemas/")))
        here = target.resolve() == Path.cwd().resolve()
        output.line(word("init.next", way="" if here else f"cd {shlex.quote(str(target))} && "))
        if from_sample is not None:
            output.line(word("init.try", system=drafted_name(from_sample, system), sample=from_sample.resolve()))

    session.answer({"folder": str(target.resolve()), "files": names}, for_people)


def write_city(folder: Path, sample: str | None) -> list[Path]:
    """Write the starter, or a sample city, into a folder; return the files written. Raises `UsageError`."""
    return [*_write_city(folder, sample), *write_schemas(folder)]


def write_schemas(folder: Path) -> list[Path]:
    """Write the schemas that the first line of each file names for editors."""
    from hub.adapters import schema

    return schema.write_schemas(folder / schema.FOLDER)


def _write_city(folder: Path, sample: str | None) -> list[Path]:
    if sample is None:
        from hub.settings.starter import init_city

        return init_city(folder)
    if sample not in SAMPLES:
        raise UsageError(f"there is no sample city {sample}", mend="one of: " + ", ".join(SAMPLES))
    from hub.moriguchi.sample import install_sample

    try:
        folder.mkdir(parents=True, exist_ok=True)
        return install_sample(folder)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", mend="name another folder") from None


def draft_system(folder: Path, file: Path, name: str | None) -> list[Path]:
    """Draft a system's file, and what goes with it, in a city that is there or made; raises `UsageError`.

    Nothing is overwritten; the sample stays where it is, and none of its values is written anywhere.
    """
    from hub.cli.drafting import draft
    from hub.settings.guessing import BYTES, guess
    from hub.settings.starter import write_new

    name = drafted_name(file, name)
    try:
        with file.open("rb") as stream:
            data = stream.read(BYTES)
        found = guess(_whole_lines(data) if len(data) == BYTES else data)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", mend="name a file the system wrote") from None
    except ValueError as error:
        raise UsageError(f"nothing can be told from {file}: {error}", mend="name a file with some rows in it") from None
    if found.adapter in ("excel", "jsonl"):
        found = replace(found, columns=_columns(found.adapter, file))
    first = not any((folder / "systems").glob("*.y*ml"))  # a city that is at work is given no example that is told
    texts = {folder / path: text for path, text in draft(name, _pattern(file), found, example=first).items()}
    standing = [path.relative_to(folder).as_posix() for path in texts if path.exists()]
    if standing:
        raise UsageError(f"{folder} already holds {', '.join(standing)}", mend="choose another name with --system")
    city = folder / "hub.yaml"
    texts |= {} if city.exists() else {city: CITY}
    try:
        for path, text in texts.items():
            write_new(path, text.encode())
        (folder / "in" / name).mkdir(parents=True, exist_ok=True)
        return [*texts, *write_schemas(folder)]
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}", mend="name another folder") from None


def drafted_name(file: Path, name: str | None) -> str:
    """Return the system's name: the one given, else the letters of the file's name. Raises `UsageError`."""
    from hub.settings.reader import NAME

    made = name or re.sub(r"[^a-z0-9]+$|^[^a-z]+", "", re.split(r"[0-9_.-]", file.stem.lower())[0]) or "system"
    if not NAME.fullmatch(made):
        raise UsageError(f"`{made}` cannot be a system's name", mend="--system, small letters, digits, - and _")
    return made


def _pattern(file: Path) -> str:
    """Return the pattern of the file's name: runs of digits may be others."""
    return re.sub(r"[0-9]+", "*", re.sub(r"[\[\]?*]", "?", file.name))


def _whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1] or data


def _columns(adapter: str, file: Path) -> dict[str, list[str]]:
    """Return the columns of a workbook or of JSON lines, as their adapter reads them."""
    from zoneinfo import ZoneInfo

    from hub.adapters import registry
    from hub.adapters.contract import Site

    site = Site(file.resolve().parent, ZoneInfo("Asia/Tokyo"), "draft", "main")
    batch = next(iter(registry.open_file(adapter, {}, file.resolve(), site).read(None)), None)
    rows = [row.values for row in (batch.rows if batch else ()) if row.error is None][:400]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [str(row.get(name) or "") for row in rows] for name in names}
