"""The stages of `hub run`: until a signal, and anew after each edit of the city's files that can run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from functools import partial
from typing import TYPE_CHECKING

from hub.cli import failure, output, reload
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import HubError

if TYPE_CHECKING:
    import socket

    from hub.settings.models import City

HURRIED = 1  # the exit code of a second Ctrl-C


async def until_told(
    session: Session, city: City, chosen: list[str], address: tuple[str, int], *, follow: bool
) -> None:
    """Run the stages until a signal, anew after each edit of the city's files that can run.

    A second signal ends the process at once, as a crash would.
    """
    stop = asyncio.Event()
    running = asyncio.current_task()
    turn = _Turn(session, chosen, address, stop)

    def ask() -> None:
        if stop.is_set():
            os._exit(HURRIED)
        stop.set()
        if not turn.begun and running is not None:
            running.cancel()  # still starting: there is nothing to finish

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ask)
    with contextlib.ExitStack() as stack:
        following = await turn.run(city, follow=follow)
        if following is not None:
            await asyncio.to_thread(reload.hold_kafka, session, city, stack)
        while following is not None:
            try:
                city, following = following, await turn.run(following, follow=follow)
            except (HubError, ExceptionGroup) as error:
                if turn.begun or (named := failure.named_error(error)) is None:
                    raise
                reload.refused(named)
                following = await turn.run(city, follow=follow)


class _Turn:
    """The stages by one state of the city's files, until it is over: told to stop, or edited."""

    def __init__(self, session: Session, chosen: list[str], address: tuple[str, int], stop: asyncio.Event) -> None:
        self._session = session
        self._chosen = chosen
        self._address = address
        self._stop = stop
        self._told = False  # a person knows that it runs
        self.begun = False

    async def run(self, city: City, *, follow: bool) -> City | None:
        """Run, and return the city as it was edited, None when it was told to stop."""
        self.begun = False
        over = asyncio.Event()
        edit = asyncio.create_task(reload.next_city(self._session, city)) if follow else None
        watch = asyncio.create_task(self._until_over(over, edit))
        try:
            with self._session.hub(city) as hub:
                ready = partial(self._ready, city)
                await hub.run(over, only=self._chosen, address=self._address, ready=ready)
        except asyncio.CancelledError:
            if not self._stop.is_set():
                raise
        finally:
            for task in filter(None, (edit, watch)):
                task.cancel()
            await asyncio.gather(*filter(None, (edit, watch)), return_exceptions=True)
        edited = edit is not None and edit.done() and not edit.cancelled() and not self._stop.is_set()
        return edit.result() if edited and edit is not None else None

    async def _until_over(self, over: asyncio.Event, edit: asyncio.Task[City] | None) -> None:
        told = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([task for task in (told, edit) if task], return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            over.set()

    def _ready(self, city: City, listening: socket.socket | None) -> None:
        self.begun = True
        url = _url(listening)
        if listening is not None:
            self._address = (self._address[0], listening.getsockname()[1])  # the same one after an edit
        if self._told:
            reload.taken(city)
            return
        self._told = True
        if self._session.json:
            output.document({"stages": self._chosen, "url": url})
        output.say(word("run.ready", stages=", ".join(output.worded(f"rest.{each}") for each in self._chosen)))
        if url is not None:
            output.say(word("run.url", url=url))


def _url(listening: socket.socket | None) -> str | None:
    if listening is None:
        return None
    from hub.server.serve import address_of

    return address_of(listening)
