"""`hub init`: the folder of a new city."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

SAMPLES = ("moriguchi",)


def init(
    session: Session,
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help=word("option.dir"))] = None,
    sample: Annotated[str | None, typer.Option("--sample", metavar="NAME", help=word("option.sample"))] = None,
) -> None:
    """Write a new city."""
    target = folder or session.folder
    written = write_city(target, sample)
    names = [path.relative_to(target).as_posix() for path in written]

    def for_people() -> None:
        output.line(word("init.done", count=len(names), folder=target))
        output.line(word("init.next", folder=target))

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
