"""Full extracts (`mode: snapshot`): a whole file or query is compared with what is known, and only differences count.

Rows are compared as they are read; what differs waits in a scratch file. At the end the extract is believed or held.
Then differences are told, listed or put before a person, some hundreds at a time: first Kafka, then one transaction
with what is known from now on. A crash at any point only reads the extract again: what was told is known, and an
event's id says which change of its row it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from hub.adapters.contract import SourceBatch
from hub.errors import Malformed
from hub.ledger import batches, extracts, quarantine, reviews, sources
from hub.ledger.batches import Arrival
from hub.ledger.extracts import State
from hub.ledger.quarantine import Entry
from hub.ledger.sources import Tally
from hub.stages.comparing import KIND, Comparer
from hub.stages.differing import Differences, Note, known_after
from hub.stages.extract_guard import reasons
from hub.stages.extract_unit import Unit
from hub.stages.records import Origin, fault, publish_sound, wording
from hub.stages.scratch import Scratch
from hub.stages.services import Comparing, Services, SourceRunner
from hub.stages.steps import Steps

STALE = "it is older than the last extract: nothing of it was taken"
LAPSED = "another extract came in its place"


class Extracts:
    """Takes the extracts of one source, batch by batch of rows."""

    def __init__(self, runner: SourceRunner, comparing: Comparing, services: Services) -> None:
        self._system, self._source = runner.system, runner.name
        self._guard = runner.guard
        self._settings = comparing
        self._services = services
        self._comparer = Comparer(runner.system, comparing, services)
        self._differences = Differences(runner.name, services.city, self._comparer, runner.mappers)
        self._origin = Origin(runner.system, runner.name, services.city)
        self._unit: Unit | None = None

    async def take(self, batch: SourceBatch, steps: Steps) -> Tally | None:
        """Take the next rows; return the counts once all of an extract is durable.

        None means that it goes on, or, of its last rows, that it waits for a person.
        """
        unit = await self._continued(batch, steps)
        entries = await steps.lasting(unit.add, batch.rows, self._origin)
        if entries:
            await steps.lasting(quarantine.add, self._services.ledger, entries)
        return await self._settle(unit, batch, steps) if batch.last else None

    async def abandon(self, steps: Steps) -> None:
        """Forget an extract that was not read to its end, or is done."""
        unit, self._unit = self._unit, None
        if unit is not None:
            await steps.once(unit.scratch.close)

    async def _continued(self, batch: SourceBatch, steps: Steps) -> Unit:
        if self._unit is None or self._unit.batch_id != batch.batch_id:
            await self.abandon(steps)
            scratch = await steps.once(Scratch, self._settings.folder, f"{self._system}.{self._source}")
            try:
                self._unit = await steps.lasting(
                    Unit, batch, self._comparer, self._differences, self._services, scratch
                )
            except BaseException:
                scratch.close()
                raise
        return self._unit

    # --- the end of an extract -------------------------------------------------------------------------------------

    async def _settle(self, unit: Unit, batch: SourceBatch, steps: Steps) -> Tally | None:
        found = await steps.lasting(batches.find, self._services.ledger, self._system, self._source, unit.id)
        status = found.status if found is not None else ""
        if not unit.found.rows and (status in _SETTLED or (not self._settings.files and not unit.book.state.id)):
            await self.abandon(steps)  # the end of an extract settled before a crash, or a table that is not filled yet
            return Tally()
        if unit.found.rows and unit.stale:
            return await self._put_away(unit, batch, STALE, steps)
        if status == "rejected" and not self._settings.baseline:
            return await self._put_away(unit, batch, None, steps)
        await steps.lasting(unit.look_for_missing)
        why = await steps.lasting(self._doubts, unit)
        if why and status != "released":
            await steps.lasting(self._hold, unit, "; ".join(why))
            await self.abandon(steps)
            return None
        tally = await self._tell(unit, steps)
        await steps.lasting(self._finish, unit, batch, tally)
        await self.abandon(steps)
        return tally

    def _doubts(self, unit: Unit) -> list[str]:
        unit.found.known = extracts.count(self._services.ledger, unit.book.number)
        if self._settings.baseline:
            return [] if unit.found.rows else ["the extract is empty"]
        return reasons(unit.found, self._guard, silent_new=unit.silent_new)

    async def _put_away(self, unit: Unit, batch: SourceBatch, note: str | None, steps: Steps) -> Tally:
        """Put an extract away of which nothing is taken; `note` says why where no person has."""
        tally = Tally(unit.found.rows, 0, unit.found.rows)

        def keep() -> None:
            with self._services.ledger.write() as connection:
                if note is not None:
                    batches.record(connection, [self._arrival(unit, whole=True)], self._services.now)
                    batches.remark(connection, self._system, self._source, unit.id, note)
                self._advance(connection, batch, tally)

        await steps.lasting(keep)
        await self.abandon(steps)
        return tally

    def _hold(self, unit: Unit, why: str) -> None:
        arrival = self._arrival(unit)
        arrival.events.update(unit.found.events)
        arrival.quarantined = unit.found.illegible
        with self._services.ledger.write() as connection:
            batches.hold(connection, arrival, self._services.now, reason=why, spool=batches.UNSPOOLED)

    async def _tell(self, unit: Unit, steps: Steps) -> Tally:
        """Publish, list and put before people what differs, chunk by chunk, each known from then on."""
        events = quarantined = 0
        chunks = unit.scratch.notes()
        while (chunk := await steps.once(next, chunks, None)) is not None:
            entries, published = await self._publish(unit, chunk, steps)
            await steps.lasting(self._keep, unit, chunk, entries)
            events, quarantined = events + published, quarantined + len(entries)
        ignored = max(0, unit.found.rows - events - quarantined - unit.found.illegible)
        return Tally(unit.found.rows, events, ignored, quarantined + unit.found.illegible)

    async def _publish(self, unit: Unit, chunk: Sequence[Note], steps: Steps) -> tuple[list[Entry], int]:
        """Publish the events of notes; return what is quarantined instead, and how many are in Kafka."""
        told = [note for note in chunk if note.get("action") == "publish"]
        records = [(subject.encode(), value.encode()) for note in told for subject, _, value in note["events"]]
        refused = await steps.outlast(lambda: publish_sound(self._services.producer, self._services.topic, records))
        entries = [
            self._entry(f"{unit.label}: event", fault("produce", error), records[index][1])
            for index, error in refused.items()
        ]
        for note in told:
            raw = bytes.fromhex(note["raw"])
            entries += [
                Entry("intake", self._system, self._source, place, code, words, raw)
                for place, code, words in note["errors"]
            ]
        return entries, len(records) - len(refused)

    def _entry(self, place: str, error: Malformed, raw: bytes) -> Entry:
        return Entry("intake", self._system, self._source, place, error.code, wording(error), raw)

    # --- transactions ----------------------------------------------------------------------------------------------

    def _keep(self, unit: Unit, chunk: Sequence[Note], entries: Sequence[Entry]) -> None:
        """Store what is known from now on, and what people are to see, in one transaction."""
        ledger, number = self._services.ledger, unit.book.number
        with ledger.write() as connection:
            at = ledger.now(connection)
            if entries:
                quarantine.record(connection, entries, at)
            gone = [note for note in chunk if note["change"] == "forgotten"]
            extracts.forget(connection, number, [_key(note) for note in gone])
            changed = [(known, note) for note in chunk if (known := known_after(note)) is not None]
            written = extracts.write(connection, number, [(known, note["before"]) for known, note in changed])
            mine = [(known, note) for known, note in changed if known.key in written]
            closed = [_key(note) for known, note in mine if note["open"] and known.shown is None]
            closed += [_key(note) for note in gone if note["open"]]
            reviews.close(connection, [self._comparer.standing(key) for key in closed], at)
            reviews.put(connection, [self._draft(unit, note) for known, note in mine if note["action"] in _SHOWN], at)

    def _draft(self, unit: Unit, note: Note) -> reviews.Draft:
        """Return what people are shown of a difference; to accept it makes `known` what is known of the row."""
        errors = [code for _, code, _ in note.get("errors", ())]
        summary = note["change"] + (f": {', '.join(note['changed'])}" if note["changed"] else "")
        events = () if errors else tuple(value for _, _, value in note.get("events", ()))
        shown = note["known"]["revision"]
        return reviews.Draft(
            standing=self._comparer.standing(_key(note)),
            kind=KIND,
            system=self._system,
            source=self._source,
            subject=note["subject"],
            summary=summary + (f" (no event: {', '.join(errors)})" if errors else ""),
            payload={
                **{name: note[name] for name in ("change", "changed", "row", "was", "place")},
                "extract": unit.book.number,
                "known": {**note["known"], "revision": shown + 1},
                "before": shown,
            },
            events=events,
            batch_id=unit.id,
            status="waiting" if note["action"] == "review" else "reported",
        )

    def _finish(self, unit: Unit, batch: SourceBatch, tally: Tally) -> None:
        """Store that the extract was taken, what came of it, and how far the source is read, in one transaction."""
        ledger, services = self._services.ledger, self._services
        arrival = self._arrival(unit, whole=True)
        arrival.quarantined = tally.quarantined
        arrival.events.update(unit.found.events if tally.events else {})
        former = unit.book.state
        state = State(
            secret=former.secret,
            shapes=former.shapes,
            id=unit.id,
            label=unit.label,
            as_of=unit.as_of if unit.asked else former.as_of,
            named=unit.named or former.named,
            taken_at=unit.began,
            rows=unit.found.rows,
            ended=unit.ended,
            counts={**unit.found.differ, **unit.counts},
        )
        with ledger.write() as connection:
            extracts.keep(connection, unit.book.number, state)
            batches.settle(connection, self._system, self._source, besides=unit.id, note=LAPSED)
            batches.take(connection, arrival, services.now)
            batches.come(connection, self._system, self._source)
            if self._settings.baseline:
                reviews.close_all(connection, KIND, self._system, self._source, ledger.now(connection))
            self._advance(connection, batch, tally)

    def _arrival(self, unit: Unit, *, whole: bool = False) -> Arrival:
        return Arrival(self._system, self._source, unit.id, unit.label, unit.found.rows, whole=whole)

    def _advance(self, connection: Connection, batch: SourceBatch, tally: Tally) -> None:
        at = self._services.ledger.now(connection)
        sources.advance(connection, self._system, self._source, position=batch.position, tally=tally, at=at)


_SETTLED = frozenset({"done", "rejected"})
_SHOWN = frozenset({"report", "review"})


def _key(note: dict[str, Any]) -> bytes:
    return bytes.fromhex(note["known"]["key"])
