"""`hub run`: everything, or chosen stages, until it is asked to stop."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli import loop, output
from hub.cli.check import refuse_broken
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from hub.app import Hub

PORT = 8080
HURRIED = 1  # the exit code of a second Ctrl-C


def run(
    session: Session,
    only: Annotated[str | None, typer.Option("--only", metavar="STAGES", help=word("option.only"))] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help=word("option.port"))] = PORT,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help=word("option.host"))] = "127.0.0.1",
) -> None:
    """Run until SIGTERM or SIGINT."""
    city = refuse_broken(session)
    with session.hub(city) as hub:
        chosen = stages(only)

        def ready(listening: socket.socket | None) -> None:
            url = _url(listening)
            if session.json:
                output.document({"stages": chosen, "url": url})
            output.say(word("run.ready", stages=", ".join(chosen)))
            if url is not None:
                output.say(word("run.url", url=url))

        loop.run(until_told(hub, chosen, (host, port), ready))
    output.say(word("run.stopped"))


def stages(only: str | None) -> list[str]:
    """Return the stages to run. Raises `UsageError`."""
    from hub.app import STAGES

    chosen = [part.strip() for part in only.split(",")] if only is not None else list(STAGES)
    if unknown := [part for part in chosen if part not in STAGES]:
        raise UsageError(f"there is no stage {', '.join(unknown) or only}", mend="one or more of " + ",".join(STAGES))
    return chosen


async def until_told(
    hub: Hub, chosen: list[str], address: tuple[str, int], ready: Callable[[socket.socket | None], None]
) -> None:
    """Run the stages until a signal; a second one ends the process at once, as a crash would."""
    import asyncio

    stop = asyncio.Event()

    def told() -> None:
        if stop.is_set():
            os._exit(HURRIED)
        stop.set()

    running = asyncio.current_task()
    begun = False

    def begin(listening: socket.socket | None) -> None:
        nonlocal begun
        begun = True
        ready(listening)

    def ask() -> None:
        told()
        if not begun and running is not None:
            running.cancel()  # still starting: there is nothing to finish

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    try:
        await hub.run(stop, only=chosen, address=address, ready=begin)
    except asyncio.CancelledError:
        if not stop.is_set():
            raise


def _url(listening: socket.socket | None) -> str | None:
    if listening is None:
        return None
    from hub.server.serve import address_of

    return address_of(listening)
