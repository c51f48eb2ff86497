"""`hub schemas`: JSON Schemas of the events, and of the city's own files for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError


def schemas(session: Session, folder: Annotated[Path, typer.Argument(metavar="DIR", help=word("option.dir"))]) -> None:
    """Write one file for each event type, the envelope, and what editors check systems/*.yaml and hub.yaml by."""
    from hub.adapters import schema
    from hub.events.schemas import write_schemas

    city = session.city().city
    try:
        written = [*write_schemas(folder, city), *schema.write_schemas(folder)]
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}", mend="name another folder") from None
    names = [path.name for path in written]
    text = word("init.done", count=len(names), folder=folder)
    session.answer({"folder": str(folder.resolve()), "files": names}, lambda: output.line(text))
