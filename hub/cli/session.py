"""One call of a command: whose city, how to answer, and the parts of the hub it may ask for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hub.cli import output
from hub.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.kafka.local import LocalBroker
    from hub.ledger.engine import Ledger
    from hub.ledger.glance import Ask
    from hub.ledger.protected import Discretion
    from hub.settings.models import City
    from hub.settings.watch import Fingerprint
    from hub.stages.inquiry import Inquiry


@dataclass(frozen=True, slots=True)
class Session:
    """What every command is given: the city's folder, and whether a program or a person asked."""

    folder: Path
    json: bool = False
    verbose: bool = False
    named: bool = False  # the folder was named, by --city or HUB_CITY
    _read: list[tuple[Fingerprint, City]] = field(default_factory=list, init=False, repr=False, compare=False)

    # --- answers -----------------------------------------------------------------------------------------------

    def answer(self, value: Any, for_people: Callable[[], None]) -> None:
        """Give the answer once: as a JSON document, or as `for_people` writes it."""
        if self.json:
            output.document(value)
        else:
            from hub.settings import front

            with output.clock(self._zone()), output.titles(lambda: front.titles(self.folder)):
                for_people()

    def _zone(self) -> tzinfo:
        """Return the time zone of the city, UTC where there is none."""
        from hub.settings import front

        try:
            return ZoneInfo(front.timezone(self.folder))
        except (ValueError, ZoneInfoNotFoundError):
            return UTC

    # --- the city ----------------------------------------------------------------------------------------------

    @property
    def var(self) -> Path:
        """Return the hub's own folder in the city; raises ConfigurationError when the folder is no city."""
        if not (self.folder / "hub.yaml").is_file():
            mend = f"write one with `hub init {self.folder}`, or name the city's folder with --city or HUB_CITY"
            raise ConfigurationError(
                [Problem("hub.yaml", f"there is no hub.yaml in {self.folder}", mend, code="no-city")]
            )
        return self.folder / "var"

    def city(self) -> City:
        """Return the city, read again once a file of it was edited; raises ConfigurationError with every problem."""
        from hub.settings.load import load_city
        from hub.settings.watch import fingerprint

        seen = fingerprint(self.folder)
        if not self._read or self._read[0][0] != seen:
            self._read[:] = [(seen, load_city(self.folder))]
        return self._read[0][1]

    @contextlib.contextmanager
    def kafka(self) -> Iterator[LocalBroker | None]:
        """Start the city's local Kafka, if it has one, beside the block, which reads the city and loads the hub.

        Raises ConfigurationError when the folder is no city.
        """
        from hub.settings import front

        var = self.var
        if front.bootstrap(os.environ) is not None:
            yield None
            return
        from hub.kafka.local import LocalBroker

        broker = LocalBroker(var, say=output.progress)
        with broker.ahead():
            yield broker

    @contextlib.contextmanager
    def hub(
        self, city: City | None = None, broker: LocalBroker | None = None, *, patience: float | None = None
    ) -> Iterator[Hub]:
        """Give the city at work; `broker` is its local Kafka if that is starting already.

        `patience` is the most that a locked ledger is waited for, in seconds.
        """
        city = city or self.city()
        from hub.app import Hub
        from hub.ledger.engine import LOCKED

        lock_timeout = LOCKED if patience is None else min(LOCKED, patience)
        hub = Hub(city, broker, lock_timeout=lock_timeout, say=output.progress)
        try:
            yield hub
        finally:
            hub.close()

    @contextlib.contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """Give the city's ledger, its tables made if it is new; the city's files are not read.

        Raises ConfigurationError when the folder is no city.
        """
        from hub.ledger import schema
        from hub.ledger.engine import Ledger

        self.var  # noqa: B018 - refuses a folder that is no city
        ledger = Ledger(self.ledger_url())
        try:
            schema.ready(ledger)
            yield ledger
        finally:
            ledger.close()

    @contextlib.contextmanager
    def asking(self) -> Iterator[Ask]:
        """Give plain questions to the ledger, its tables made if it is new; the city's files are not read.

        Raises ConfigurationError and LedgerUnavailable.
        """
        from hub.ledger import glance

        self.var  # noqa: B018 - refuses a folder that is no city
        url = self.ledger_url()
        with glance.asking(url) as ask:
            if ask is not None:
                yield ask
                return
        with self.ledger() as ledger, ledger.read() as connection:
            yield lambda question: connection.exec_driver_sql(question).all()

    def ledger_url(self) -> str:
        """Return where the ledger is; raises ConfigurationError."""
        from hub.settings import front
        from hub.settings.secret import SecretAbsent

        try:
            return front.ledger_url(self.folder, os.environ)
        except SecretAbsent as absent:
            raise ConfigurationError([Problem("HUB_LEDGER", str(absent), absent.mend)]) from None

    @contextlib.contextmanager
    def inquiry(self) -> Iterator[Inquiry]:
        """Give answers from the city's ledger; needs no Kafka."""
        from hub.ledger.desk import Desk
        from hub.routing.rules import RuleSet
        from hub.stages.inquiry import Inquiry
        from hub.stages.rulebook import RuleBook

        with self.ledger() as ledger:
            city = self.city()
            book = RuleBook(ledger, Desk(ledger), city.timezone)
            book.permit(RuleSet.of(city))
            yield Inquiry(ledger, book, self.var / "held", self.discretion(ledger))

    def discretion(self, ledger: Ledger) -> Discretion:
        """Say whose location is not shown."""
        from hub.ledger.protected import Discretion
        from hub.stages.shutters import list_of

        return Discretion(ledger, list_of(ledger, self.city().protection))
