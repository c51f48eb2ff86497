"""How one row of a full extract differs from what is known of it, and what becomes of the difference.

A `Note` is JSON, since it waits in the scratch file until the extract is believed:

    change       new, changed, missing, same (only what is known is refreshed), forgotten
    action       publish, report, review; learn: it is known from now on, and nothing else happens
    known        what is known of the row once the difference is dealt with; `before`, `old`: as it was judged
    open         people were shown an earlier difference of the row
    events       what is published, as [subject, type, CloudEvent]; `errors` what is quarantined instead
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from hub.adapters.contract import Row
from hub.errors import Malformed
from hub.events.envelope import Event
from hub.ledger.extracts import FRESH, MISSING, Known
from hub.routing.identity import Unidentified, refused
from hub.routing.mapping import Difference
from hub.stages.comparing import Comparer, packed, unpacked
from hub.stages.marks import WHOLE, text_of
from hub.stages.ports import RowMapper
from hub.stages.records import fault, record_of, wording

Note = dict[str, Any]
_CONTENT = slice(1, 1 + WHOLE)  # of a mark


class Differences:
    """Makes the notes of one source's differences."""

    def __init__(self, source: str, city: str, comparer: Comparer, mappers: Sequence[RowMapper]) -> None:
        self._source = source
        self._city = city
        self._comparer = comparer
        self._mappers = mappers

    def note(
        self,
        row: Row,
        key: Any,
        change: str,
        known: Known | None,
        told: Known,
        *,
        action: str,
        batch: Mapping[str, Any],
        now: str,
        changed: Sequence[str] = (),
    ) -> Note:
        """Return the note of a difference; `told` is what is known of the row once it was told, `now` RFC 3339."""
        made: Note = {
            "change": change,
            "changed": list(changed),
            "action": action,
            "known": packed(told),
            "before": known.revision if known is not None else 0,
            "old": None if known is None else packed(known),
            "open": known is not None and known.shown is not None,
        }
        if action == "learn":
            return made
        was = orjson.loads(known.plain) if known is not None and not known.flags & FRESH else None
        key = self._comparer.key(row.values) if key is None else key
        made |= {
            "place": row.place,
            "subject": self._comparer.subject(row.values, key),
            "row": None if change == "missing" else row.values,
            "was": was,
        }
        if action == "report":
            return made
        beside = {"was": was, "changed": list(changed), "change": change, "batch": batch}
        identity = [self._source, text_of(key), made["before"], change]
        return made | self._mapped(row, Difference(row.values, beside, identity), str(batch["id"]), now)

    def _mapped(self, row: Row, difference: Difference, batch_id: str, now: str) -> Note:
        events: list[list[str]] = []
        errors: list[list[str]] = []
        for mapper in self._mappers:
            try:
                event = mapper.map(difference, as_of_time=now)
                if isinstance(event, Unidentified):
                    raise refused(event.reason, event.checked, "identify")  # noqa: TRY301 - lint refuses such a city
                if isinstance(event, Event):
                    event.extensions.setdefault("batchid", batch_id)
                    events.append([event.subject, event.type, record_of(event, self._city)[1].decode()])
            except Malformed as error:
                errors.append([f"{row.place} {error.place}".strip(), error.code, wording(error)])
            except Exception as error:  # noqa: BLE001 - a fault of the hub's own must not hold up the rows behind it
                named = fault("extract", error)
                errors.append([row.place, named.code, wording(named)])
        return {"events": events, "errors": errors, "raw": row.raw.hex() if errors else ""}


def refreshed(known: Known, before: Known) -> Note:
    """Return the note of a row that is the same, where what is known of it is to be written anew."""
    return {
        "change": "same",
        "action": "learn",
        "known": packed(known._replace(revision=before.revision + 1)),
        "before": before.revision,
        "open": before.shown is not None,
    }


def forgotten(known: Known) -> Note:
    """Return the note of a row that is not known any more."""
    return {"change": "forgotten", "known": packed(known), "before": known.revision, "open": known.shown is not None}


def known_after(note: Note) -> Known | None:
    """Return what is known of a row once its difference is dealt with, None when nothing is to be written.

    What could not be mapped is not known: the next extract brings it again. What people are shown is not known either,
    but it is not shown twice.
    """
    if note["change"] == "forgotten":
        return None
    told = unpacked(note["known"])
    if note["action"] == "learn":
        return told
    if note["action"] == "publish":
        return None if note["errors"] else told
    content = MISSING if note["change"] == "missing" else told.mark[_CONTENT]
    if note["change"] == "new":
        return told._replace(mark=b"", flags=FRESH, shown=content)
    return unpacked(note["old"])._replace(revision=told.revision, shown=content)
