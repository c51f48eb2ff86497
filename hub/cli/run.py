"""`hub run`: everything, or chosen stages, until it is asked to stop."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli import loop, output
from hub.cli.check import refuse_broken
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

PORT = 8080


def run(
    session: Session,
    only: Annotated[str | None, typer.Option("--only", metavar="STAGES", help=word("option.only"))] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=word("option.port"))] = PORT,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help=word("option.host"))] = "127.0.0.1",
    no_reload: Annotated[bool, typer.Option("--no-reload", help=word("option.no-reload"))] = False,
) -> None:
    """Run until SIGTERM or SIGINT."""
    from hub.cli.running import until_told

    city = refuse_broken(session)
    chosen = stages(only)
    loop.run(until_told(session, city, chosen, (host, port), follow=not no_reload))
    output.say(word("run.stopped"))


def stages(only: str | None) -> list[str]:
    """Return the stages to run. Raises `UsageError`."""
    from hub.app import STAGES

    chosen = [part.strip() for part in only.split(",")] if only is not None else list(STAGES)
    if unknown := [part for part in chosen if part not in STAGES]:
        raise UsageError(f"there is no stage {', '.join(unknown) or only}", mend="one or more of " + ",".join(STAGES))
    return chosen
