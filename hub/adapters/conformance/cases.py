"""What an adapter's author describes for the conformance kit, and the deliveries it is tried with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import orjson

from hub.adapters.conformance.system import State, put_back, snapshot
from hub.adapters.contract import Adapter, Batch, Delivery, PreparedSink, Sink, Source


class Failure(AssertionError):  # noqa: N818 — what a failed check is called
    """The adapter does not do what it must; the message says what."""


class SourceCase(ABC):
    """A source under test, with a system of its own that begins empty."""

    adapter: type[Adapter]
    secrets: tuple[str, ...] = ()  # texts in its settings that nobody may read in a log or an error
    traced: bool = True  # its memory can be told from its system's: no server that needs much runs in this process
    share: float = 0.75  # of a unit's rows that may be in memory at a time

    def close(self) -> None:  # noqa: B027 — most have nothing to end
        """End what the case has started."""

    @abstractmethod
    def fill(self, count: int) -> list[dict[str, Any]]:
        """Put so many new records into the system, in one unit (a file), and return them as rows in order."""

    @abstractmethod
    def open(self) -> Source:
        """Open the source as a new process would."""

    @abstractmethod
    def fill_broken(self) -> list[dict[str, Any]]:
        """Put a unit of good records around one that cannot be read, and return the good ones as rows in order."""

    @abstractmethod
    def away(self) -> AbstractContextManager[Any]:
        """Take the system away for a while."""


class SinkCase(ABC):
    """A sink under test, with a system of its own that begins empty."""

    adapter: type[Adapter]
    secrets: tuple[str, ...] = ()  # texts in its settings that nobody may read in a log or an error

    def close(self) -> None:  # noqa: B027 — most have nothing to end
        """End what the case has started."""

    @abstractmethod
    def open(self) -> Sink | PreparedSink:
        """Open the sink as a new process would."""

    @abstractmethod
    def seen(self) -> list[str]:
        """Return the delivery keys that took effect in the system, in order, as often as they did."""

    @abstractmethod
    def away(self) -> AbstractContextManager[Any]:
        """Take the system away for a while."""

    @abstractmethod
    def refused(self, delivery: Delivery) -> Delivery | None:
        """Return a variant that the system refuses for good (None: it refuses nothing)."""


class PreparedCase(SinkCase):
    """A sink in two steps under test; all its files, hidden ones too, lie in `folder`.

    One that writes elsewhere says how its files are looked at and put back. `on_disk`: this process itself writes them
    to a disk; only then are syncs and a full disk looked at.
    """

    folder: Path
    on_disk: bool = True

    def snapshot(self) -> State:
        """Return all files, hidden ones too."""
        return snapshot(self.folder)

    def put_back(self, state: State) -> None:
        """Make the files what they were."""
        put_back(self.folder, state)

    @abstractmethod
    def meddle(self, token: dict[str, Any]) -> None:
        """Put something foreign where the prepared batch is to appear."""


def deliveries(count: int, *, start: int = 0, residents: int = 0) -> list[Delivery]:
    """Return sound deliveries about different residents, or in turn about so many `residents`."""
    numbers = range(start, start + count)
    return [_delivery(number, number % residents if residents else number) for number in numbers]


def batch(content: list[Delivery], *, no: int = 1) -> Batch:
    """Return a batch of one receiver."""
    return Batch("kokuho.main", no, "2026-04-01", content)


def _delivery(number: int, resident: int) -> Delivery:
    event_id, subject = f"e{number:04d}", f"{1000 + resident}"
    body = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/systems/juki",
        "type": "jp.lg.city.resident.moved.v1",
        "subject": subject,
        "time": "2026-04-01T09:00:00+09:00",
        "deliverykey": f"juki/{event_id}:kokuho.main:0",
        "action": "new",
        "data": {"name": f'守口 "{number}"\n番', "household_no": f"{number:07d}", "head": number % 2 == 0},
    }
    return Delivery(
        f"juki/{event_id}:kokuho.main:0",
        number + 1,
        event_id,
        "resident.moved",
        subject,
        "2026-04-01T09:00:00+09:00",
        orjson.dumps(body),
    )


def expect(condition: bool, message: str) -> None:
    """Raise `Failure` unless the condition holds."""
    if not condition:
        raise Failure(message)
