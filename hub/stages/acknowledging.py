"""A system's acknowledgement: a file that says which deliveries it took, or could not take.

A file counts as a whole. Its end is one transaction: the commands to the receiver's owner, what matches nothing in
quarantine, and the source's position; a crash before it reads the file again from its beginning, one after it has lost
nothing. The owner settles each delivery once, so the same file twice changes nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hub.adapters.contract import Row, SourceBatch
from hub.errors import HubError, Malformed
from hub.ledger import acknowledgements, batches, jobs, quarantine, sources
from hub.ledger.acknowledgements import Delivered
from hub.ledger.batches import Arrival
from hub.ledger.jobs import Order
from hub.ledger.quarantine import Entry
from hub.ledger.sources import Tally
from hub.stages.deadline import Deadline
from hub.stages.records import Origin, fault
from hub.stages.services import Answers, Services


class Said(NamedTuple):
    """What a row says of a delivery, and where it stands."""

    place: str
    taken: bool | None


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

        return Deadline(origin.system, origin.source, answers.due, services, answers.is_open, awaited)

    def add(self, batch: SourceBatch) -> None:
        """Take the next rows."""
        self._rows += batch.rows

    def abandon(self) -> None:
        """Forget a file that was not read to its end."""
        self._rows = []

    def settle(self, batch: SourceBatch) -> Tally:
        """Make what a file says durable at its end, and return the counts. Raises `LedgerUnavailable`."""
        rows = self._rows
        services, origin = self._services, self._origin
        named, entries, legible = self._named(rows)
        orders = self._said(named) if self._answers.taken is not None else self._orders(named, legible=legible)
        tally = Tally(len(rows), 0, len(rows) - len(entries), len(entries))
        with services.ledger.write() as connection:
            at = services.ledger.now(connection)
            if entries:
                quarantine.record(connection, entries, at)
            if orders:
                args = {"source": f"{origin.system}.{origin.source}", "file": batch.label}
                by = {"by": origin.system, "reason": batch.label}
                jobs.enter(connection, "acknowledge", args, orders, **by, totals={"deliveries": len(orders)}, at=at)
            if batch.batch_id:
                arrival = Arrival(origin.system, origin.source, batch.batch_id, batch.label, len(rows), whole=True)
                arrival.quarantined = len(entries)
                batches.record(connection, [arrival], services.now)
                batches.come(connection, origin.system, origin.source)
            sources.advance(connection, origin.system, origin.source, position=batch.position, tally=tally, at=at)
        self.abandon()
        return tally

    def _named(self, rows: list[Row]) -> tuple[dict[Delivered, Said], list[Entry], bool]:
        """Return the deliveries that rows name with what they say, what is quarantined, and whether all was legible."""
        values: list[tuple[Row, Any, bool | None]] = []
        entries: list[Entry] = []
        for row in rows:
            try:
                values.append((row, self._value(row), self._verdict(row)))
            except HubError as error:
                entries.append(self._origin.entry(row, error))
        legible = not entries
        known = self._known({value for _, value, _ in values})
        named: dict[Delivered, Said] = {}
        for row, value, taken in values:
            if value in known:
                named[known[value]] = Said(row.place, taken)
            else:
                message = f"the receiver was never sent a delivery whose {self._answers.by} is {value}"
                entries.append(self._origin.entry(row, Malformed(message, code="delivery-unknown")))
        return named, entries, legible

    def _verdict(self, row: Row) -> bool | None:
        """Return whether a row says that its delivery was taken; None: it does not say, or not yet."""
        if self._answers.taken is None:
            return None
        verdict = self._answers.taken(row.values)
        if verdict is not None and not isinstance(verdict, bool):
            raise Malformed("`taken` must give true, false, or nothing", code="expression")
        return verdict

    def _value(self, row: Row) -> Any:
        if row.error is not None:
            raise row.error
        try:
            value = self._answers.value(row.values)
        except HubError:
            raise
        except Exception as error:  # one row's fault must not hold up the file
            raise fault("acknowledged", error) from error
        wanted = int if self._answers.by == "no" else str
        if type(value) is not wanted:
            text = "a number: write int(…)" if wanted is int else "a text"
            raise Malformed(f"`match` must give {text}", code="expression")
        return value

    def _known(self, values: set[Any]) -> dict[Any, Delivered]:
        find = acknowledgements.by_no if self._answers.by == "no" else acknowledgements.by_key
        return find(self._services.ledger, self._answers.receiver, values)

    def _said(self, named: dict[Delivered, Said]) -> list[Order]:
        """Return what each row says of its own delivery; of the others nothing is said."""
        number = self._answers.receiver
        return [
            Order(number, "accept", *key) if said.taken else Order(number, "refuse", *key, said.place.encode())
            for key, said in named.items()
            if said.taken is not None
        ]

    def _orders(self, named: dict[Delivered, Said], *, legible: bool) -> list[Order]:
        number = self._answers.receiver
        if self._answers.lists == "all":
            return [Order(number, "accept", pos, job) for pos, job in named]
        refused = [Order(number, "refuse", pos, job, said.place.encode()) for (pos, job), said in named.items()]
        if not legible:  # whom an illegible line names nobody knows: silence confirms nothing then
            return refused
        open_ = acknowledgements.unanswered(self._services.ledger, number)
        return refused + [Order(number, "accept", pos, job) for pos, job in open_ if (pos, job) not in named]
