"""The hub in this process: what its commands do, without starting a program for each."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Self

from hub.app import Hub
from hub.kafka.local import LocalBroker
from hub.ledger import quarantine, schema
from hub.ledger.views import EventFilter
from hub.moriguchi.sample import install_sample, read_city
from hub.stages import times
from hub.stages.inquiry import DeliveryFilter, Inquiry
from hub.stages.times import moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

PAGE = 1000


class AppHub:
    """Works on a city's folder through `hub.app`; between `with` its Kafka stays up.

    The folder becomes the sample city if it is none yet. `lang` (`ja` or `en`) is that of the reasons in `event`.
    """

    def __init__(self, folder: Path, lang: str = "ja") -> None:
        self._folder = folder
        self._lang = lang
        self._stack = ExitStack()

    @property
    def folder(self) -> Path:
        """Return the city's folder."""
        return self._folder

    def __enter__(self) -> Self:
        install_sample(self._folder)
        city = read_city(self._folder)
        with ExitStack() as stack:
            if city.bootstrap is None:
                stack.enter_context(LocalBroker(self._folder / "var").lease())
            reader = stack.enter_context(_open(self._folder))
            schema.ready(reader.ledger)
            self._ledger = reader.ledger
            self._zone = reader.timezone
            self._inquiry = Inquiry(reader.ledger, reader.book)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def publish(self, path: Path, *, facts_only: bool = False) -> None:
        """Publish a file; lines the hub refuses are in quarantine."""
        with _open(self._folder) as hub, path.open("rb") as stream:
            asyncio.run(hub.publish(stream, system=None, name=str(path), facts_only=facts_only))

    def drain(self, *, wait: float = 30.0) -> bool:
        """Run until nothing is left, as in the evening, when windows close; False when something still waits."""
        with _open(self._folder) as hub:
            return asyncio.run(hub.drain(wait=wait, close_windows=True)).clear

    def events(self, *, since: str) -> list[dict[str, Any]]:
        """Return every event recorded since a time, the newest first."""
        wanted = EventFilter(since=times.since(since, self._zone))
        return list(_items(lambda cursor: self._inquiry.events(wanted, limit=PAGE, cursor=cursor)))

    def event(self, id_: str) -> dict[str, Any]:
        """Return one event with its deliveries and who was not told."""
        return self._inquiry.event(id_, lang=self._lang)

    def deliveries(self, *, since: str, system: str | None = None) -> list[dict[str, Any]]:
        """Return every delivery of events recorded since a time."""
        wanted = DeliveryFilter(systems=(system,) if system else (), since=times.since(since, self._zone))
        return list(_items(lambda cursor: self._inquiry.deliveries(wanted, limit=PAGE, cursor=cursor)))

    def quarantine(self) -> list[dict[str, Any]]:
        """Return the newest entries in quarantine."""
        items, _ = quarantine.listing(self._ledger, limit=PAGE)
        return [{"place": item.place, "message": item.message, "at": moment(item.at)} for item in items]


def _open(folder: Path) -> AbstractContextManager[Hub]:
    """Open the city as its files stand now."""
    return closing(Hub(read_city(folder)))


def _items(page: Callable[[str | None], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the items of every page of a list."""
    found = page(None)
    yield from found["items"]
    while found["next"] is not None:
        found = page(found["next"])
        yield from found["items"]
