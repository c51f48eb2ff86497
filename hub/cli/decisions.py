"""Who decides something, and why: options that the commands share which change what others see."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from hub.cli.words import word


def _told(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter(word("option.reason-empty"))
    return reason


Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=word("option.reason"), callback=_told)]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help=word("option.reason"))]  # may be left out
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help=word("option.by"))]
DryRun = Annotated[bool, typer.Option("--dry-run", help=word("option.dry-run"))]


def person(by: str | None) -> str:
    """Return who decides: as named, else this login."""
    return by or getpass.getuser()
