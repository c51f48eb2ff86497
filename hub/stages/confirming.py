"""Confirming what a source was not sure of: a person looks at the original, and says what stands in it.

The row is mapped again, as confirmed, before anything is decided; the decision and its events are one transaction, and
the events follow as those of any accepted review do.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from hub.adapters.contract import Confirmable
from hub.errors import UsageError
from hub.ledger import reviews
from hub.ledger.engine import Ledger
from hub.ledger.reviews import Item
from hub.stages import residue
from hub.stages.clock import timestamp, utc_now
from hub.stages.identifying import origin_of
from hub.stages.records import FACTS_ONLY, UNSURE, Prepared, record_of
from hub.stages.resubmit import Reopen, map_rows
from hub.stages.reviewing import decide


@dataclass(frozen=True, slots=True)
class Confirmer:
    """Confirms reviews of one city; `reopen(system, source, file)` opens a source on one file, with its mappers."""

    city: str
    folder: Path
    ledger: Ledger
    reopen: Reopen

    def confirm(self, no: int, values: Mapping[str, str], document: bytes | None, *, who: str, why: str) -> Item:
        """Accept an item with these values in the place of what was read, of it or of the whole document as given.

        Raises NotFound, `UsageError` for an item that is not of this kind or not open, and `Malformed` for a document
        that makes no event; both change nothing.
        """
        item = reviews.show(self.ledger, no)
        if item.kind != UNSURE:
            raise UsageError(
                f"review {no} is no document to put right", mend=f"accept or reject it: hub review show {no}"
            )
        if item.status not in reviews.OPEN:
            raise UsageError(f"review {no} is not open any more", mend=f"hub review show {no}")
        raw = bytes.fromhex((item.payload or {})["raw"]) if document is None else document
        prepared = Prepared()
        confirmed, events = self._mapped(item, raw, values, prepared)
        if prepared.drafts:
            raise UsageError(f"review {no} is in doubt still", mend="let its source be sure of what a person confirms")
        if not events and not prepared.waiting:
            raise UsageError("there is no event in it", mend=f"hub review reject {no}")
        beside = {"changed": sorted(values), "confirmed": confirmed.hex()}
        origin = origin_of(item.system, item.source, self.city, (), self.ledger)
        with self.ledger.write() as connection:
            decide(connection, self.ledger, item, "accepted", who, why)
            reviews.fill(connection, item, events, beside)
            residue.record(connection, origin, prepared, self.ledger.now(connection))
        return reviews.show(self.ledger, no)

    def _mapped(self, item: Item, raw: bytes, values: Mapping[str, str], prepared: Prepared) -> tuple[bytes, list[str]]:
        var = self.folder / "var"
        var.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=var, prefix="review-") as scratch:
            source, mappers = self.reopen(item.system, item.source, Path(scratch) / f"review-{item.no}")
            if not isinstance(source, Confirmable):
                message = f"{item.system}.{item.source} reads nothing any more that is to be confirmed"
                raise UsageError(message, mend=f"hub review reject {item.no}")
            confirmed = source.confirmed(raw, values)
            rows = source.again(confirmed, b"")
        now = timestamp(utc_now())
        first = [orjson.loads(text) for text in (item.payload or {})["events"]]
        learned = any(FACTS_ONLY in event for event in first)  # of a load: nobody is told
        origin = origin_of(item.system, item.source, self.city, mappers, self.ledger)
        texts = []
        for event in map_rows(rows, mappers, now, origin, prepared, item.batch_id):
            if item.batch_id:
                event.extensions.setdefault("batchid", item.batch_id)
            if learned:
                event.extensions[FACTS_ONLY] = True
            texts.append(record_of(event, self.city)[1].decode())
        return confirmed, texts
