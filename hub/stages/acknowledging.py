"""A system's acknowledgement: a file that says which deliveries it took, took with a remark, or could not take.

A file counts as a whole. Its end is one transaction: the commands to the receiver's owner, what matches nothing in
quarantine, and the source's position; a crash before it reads the file again from its beginning, one after it has lost
nothing. The owner settles each delivery once, so the same file twice changes nothing.

Where a file lists errors, its silence confirms: of the batch it is about (`about`); else of what was delivered before
it was written, up to the last batch that it names.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from hub.adapters.contract import Row, SourceBatch
from hub.errors import HubError, Malformed
from hub.ledger import acknowledgements, batches, jobs, quarantine, sources
from hub.ledger.acknowledgements import Delivered, Silent
from hub.ledger.batches import Arrival
from hub.ledger.jobs import Order
from hub.ledger.quarantine import Entry
from hub.ledger.sources import Tally
from hub.stages.deadline import Deadline
from hub.stages.records import Origin, fault
from hub.stages.services import Answers, Services

_WORST = ("accept", "warn", "refuse")  # what counts where several lines name one delivery


@dataclass(slots=True)
class _Said:
    """What a file says: of deliveries a deed and a place, what is quarantined, and whether all of it was legible."""

    deeds: dict[Delivered, tuple[str, str]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    legible: bool = True

    def note(self, delivery: Delivered, deed: str, place: str) -> None:
        """Take down what a line says; the worst of several lines counts."""
        known = self.deeds.get(delivery)
        if known is None or _WORST.index(known[0]) < _WORST.index(deed):
            self.deeds[delivery] = deed, place


class Acknowledging:
    """Takes the batches of one source of acknowledgements, file by file."""

    def __init__(self, system: str, source: str, answers: Answers, services: Services) -> None:
        self._origin = Origin(system, source, services.city)
        self._answers = answers
        self._services = services
        self._rows: list[Row] = []

    def deadline(self) -> Deadline | None:
        """Return when a person must hear that no answer has come, None when it may take as long as it will."""
        answers, services, origin = self._answers, self._services, self._origin
        if answers.due is None:
            return None

        def awaited(midnight: int) -> bool:
            return acknowledgements.awaited(services.ledger, answers.receiver, midnight)

        missed = self._give_up if answers.gives_up else None
        return Deadline(origin.system, origin.source, answers.due, services, answers.is_open, awaited, missed)

    def _give_up(self, midnight: int) -> None:
        """Ask the owner to end what was delivered before a day and has no answer. Raises `LedgerUnavailable`."""
        services, number = self._services, self._answers.receiver
        silent = acknowledgements.unanswered(services.ledger, number, Silent(before=midnight))
        if silent:
            orders = [Order(number, "give_up", pos, job) for pos, job in silent]
            with services.ledger.write() as connection:
                self._enter(connection, orders, "", services.ledger.now(connection))

    def _enter(self, connection: Connection, orders: list[Order], file: str, at: int) -> None:
        origin = self._origin
        args = {"source": f"{origin.system}.{origin.source}", "file": file}
        reason = file or "no answer by its time"
        totals = {"deliveries": len(orders)}
        jobs.enter(connection, "acknowledge", args, orders, by=origin.system, reason=reason, totals=totals, at=at)

    def add(self, batch: SourceBatch) -> None:
        """Take the next rows."""
        self._rows += batch.rows

    def abandon(self) -> None:
        """Forget a file that was not read to its end."""
        self._rows = []

    def settle(self, batch: SourceBatch) -> Tally:
        """Make what a file says durable at its end, and return the counts. Raises `LedgerUnavailable`."""
        rows, services, origin = self._rows, self._services, self._origin
        said = self._said(rows)
        orders = [*self._named(said), *self._silent(said, batch)]
        entries = said.entries
        tally = Tally(len(rows), 0, max(0, len(rows) - len(entries)), len(entries))
        with services.ledger.write() as connection:
            at = services.ledger.now(connection)
            if entries:
                quarantine.record(connection, entries, at)
            if orders:
                self._enter(connection, orders, batch.label, at)
            if batch.batch_id:
                arrival = Arrival(origin.system, origin.source, batch.batch_id, batch.label, len(rows), whole=True)
                arrival.quarantined = len(entries)
                batches.record(connection, [arrival], services.now)
                batches.come(connection, origin.system, origin.source)
            sources.advance(connection, origin.system, origin.source, position=batch.position, tally=tally, at=at)
        self.abandon()
        return tally

    def _said(self, rows: list[Row]) -> _Said:
        """Return what rows say of the receiver's deliveries."""
        said = _Said()
        legible: list[tuple[Row, Any, str]] = []
        for row in rows:
            try:
                legible.append((row, self._value(row), self._deed(row)))
            except HubError as error:
                said.entries.append(self._origin.entry(row, error))
        said.legible = not said.entries
        known = self._known({value for _, value, _ in legible})
        for row, value, deed in legible:
            if value in known:
                said.note(known[value], deed, row.place)
            else:
                message = f"the receiver was never sent a delivery whose {self._answers.by} is {value}"
                said.entries.append(self._origin.entry(row, Malformed(message, code="delivery-unknown")))
        return said

    def _value(self, row: Row) -> Any:
        if row.error is not None:
            raise row.error
        value = _evaluated(self._answers.value, row.values)
        wanted = int if self._answers.by == "no" else str
        if type(value) is not wanted:
            text = "a number: write int(…)" if wanted is int else "a text"
            raise Malformed(f"`match` must give {text}", code="expression")
        return value

    def _deed(self, row: Row) -> str:
        """Return what a row says of its delivery. Raises Malformed."""
        answers = self._answers
        if answers.error is not None and self._holds(answers.error, row, "error"):
            return "refuse"
        if answers.warning is not None and self._holds(answers.warning, row, "warning"):
            return "warn"
        return "refuse" if answers.lists == "errors" and answers.error is None else "accept"

    @staticmethod
    def _holds(of: Callable[[dict[str, Any]], Any], row: Row, key: str) -> bool:
        value = _evaluated(of, row.values)
        if not isinstance(value, bool):
            raise Malformed(f"`{key}` must give true or false", code="expression")
        return value

    def _known(self, values: set[Any]) -> dict[Any, Delivered]:
        find = acknowledgements.by_no if self._answers.by == "no" else acknowledgements.by_key
        return find(self._services.ledger, self._answers.receiver, values)

    def _named(self, said: _Said) -> list[Order]:
        number = self._answers.receiver
        return [Order(number, deed, *delivery, place.encode()) for delivery, (deed, place) in said.deeds.items()]

    def _silent(self, said: _Said, batch: SourceBatch) -> list[Order]:
        """Return what a list of errors confirms by its silence; nothing when it cannot be known of what it speaks."""
        if self._answers.lists == "all" or not said.legible:  # whom an illegible line names nobody knows
            return []
        if self._answers.about is None and batch.written is None:  # what has no end is not silent
            return []
        try:
            about = self._about(said, batch)
        except HubError as error:
            said.entries.append(self._origin.entry(Row({}, batch.label), error))
            return []
        number = self._answers.receiver
        silent = acknowledgements.unanswered(self._services.ledger, number, about)
        return [Order(number, "accept", *delivery) for delivery in silent if delivery not in said.deeds]

    def _about(self, said: _Said, batch: SourceBatch) -> Silent:
        """Return what a file is about. Raises Malformed when its name should say so and does not."""
        answers = self._answers
        if answers.about is None:
            last = acknowledgements.last_batch(self._services.ledger, answers.receiver, said.deeds)
            return Silent(upto=last, before=batch.written)
        number = _evaluated(answers.about, batch.label.rpartition("/")[2])
        if type(number) is not int:
            raise Malformed("`about` must give the number of a batch: write int(…)", code="expression")
        return Silent(batch=number)


def _evaluated(of: Callable[[Any], Any], value: Any) -> Any:
    """Return what an expression gives. Raises Malformed: one line's fault must not hold up the file."""
    try:
        return of(value)
    except HubError:
        raise
    except Exception as error:
        raise fault("acknowledged", error) from error
