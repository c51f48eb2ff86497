"""`hub demo`: the sample city, end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hub.cli import output
from hub.cli.language import lang
from hub.cli.run import PORT, run
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

FOLDER = "demo-city"


def demo(
    session: Session,
    serve: Annotated[bool, typer.Option("--serve", help=word("option.serve"))] = False,
    residents: Annotated[int, typer.Option("--residents", min=1, metavar="N", help=word("option.residents"))] = 300,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=word("option.port"))] = PORT,
) -> int:
    """Let a day pass in the sample city, which stands in `demo-city` unless a folder is named."""
    from hub.moriguchi.demo import AppHub, run_demo

    folder = folder_of(session)
    with AppHub(folder, lang()) as hub:
        code = run_demo(hub, residents=residents, lang=lang(), out=output.console(stderr=session.json))
        session.answer({"folder": str(folder), "complete": code == 0}, lambda: None)
        if serve:
            run(Session(folder, verbose=session.verbose), port=port)
    return code


def folder_of(session: Session) -> Path:
    """Return the sample city's folder. Raises `UsageError` for a folder that holds a city of its own."""
    folder = session.folder
    if not session.named and not _is_sample(folder):
        folder = folder / FOLDER
    if (folder / "hub.yaml").exists() and not _is_sample(folder):
        raise UsageError(word("demo.own-city", folder=folder), mend="hub demo --city DIR")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _is_sample(folder: Path) -> bool:
    return (folder / "var" / "standins").is_dir()
