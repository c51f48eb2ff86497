"""`hub reconcile`: what a system was told, beside what its own full extract says. Listed, never repaired.

For each resident the newest delivery that arrived says what a column should hold. Residents the system was never told
of are no difference; of protected ones only what may be shown is compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.adapters.contract import Batch, Delivery, Row, Source
from hub.errors import HubError, Malformed
from hub.ledger import reviews
from hub.ledger.engine import Ledger
from hub.stages.comparing import KIND
from hub.stages.expected import Expected
from hub.stages.finding import DeliveryFilter, Finder
from hub.stages.marks import text_of
from hub.stages.told import ARRIVED, Told

Json = dict[str, Any]
Value = Callable[[Delivery, Batch], Any]
UNDER_WAY = frozenset({"planned", "scheduled", "sending", "waiting", "held", "unknown"})


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found: `counts` by kind and of what was compared, and as many differences as were asked for."""

    system: str
    source: str
    extract: str
    counts: Mapping[str, int]
    items: list[Json]


@dataclass(slots=True)
class Reconciliation:
    """Compares one system's extract with what it was told.

    `columns` gives for each receiver the columns of the extract and how each is found in a delivery; `subject` is whom
    a row is about, None when it says nobody.
    """

    system: str
    source: str
    columns: Mapping[str, Mapping[str, Value]]
    subject: Callable[[Mapping[str, Any]], str | None]
    limit: int = 1000
    _items: list[Json] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)

    def expect(self, finder: Finder, expected: Expected) -> None:
        """Collect what the system is expected to hold, from every delivery to it."""
        for told in finder.deliveries(DeliveryFilter(systems=(self.system,))):
            values = self.columns.get(told.key)
            if values is None:
                continue
            status = told.state[0]
            if status in ARRIVED:
                held, ends = _values(told, values)
                expected.add(told.entry.wire.subject, held, told.delivery.key, ends=ends)
            elif status in UNDER_WAY or status == "dead":
                expected.note(told.entry.wire.subject, "dead" if status == "dead" else "open")

    def compare(self, source: Source, expected: Expected) -> str:
        """Compare the last extract the source has; return its name, empty when there is none."""
        label, unit = "", None
        for batch in source.read(None):
            if batch.batch_id != unit:
                label, unit = batch.label, batch.batch_id
                self._items, self._counts = [], Counter()
                expected.forget_seen()
            for row in batch.rows:
                self._row(row, expected)
        if unit is not None:
            for subject, body in expected.unseen():
                if body["key"] and not body["ended"]:
                    self._add("missing", subject, body, {})
        return label

    def result(self, label: str, ledger: Ledger) -> Reconciled:
        """Return what was found; of a system that is told nothing, what its full extracts have brought up."""
        found, _ = reviews.listing(ledger, kinds=(KIND,), system=self.system, source=self.source, limit=self.limit)
        for item in found if not self.columns else ():
            self._counts[item.status] += 1
            mend = f"hub review show {item.no}"
            self._items.append(
                {"kind": item.status, "subject": item.subject, "columns": {}, "why": item.summary, "mend": mend}
            )
        return Reconciled(self.system, self.source, label, dict(self._counts), self._items[: self.limit])

    def _row(self, row: Row, expected: Expected) -> None:
        self._counts["rows"] += 1
        try:
            subject = None if row.error is not None else self.subject(row.values)
        except Malformed:
            subject = None
        if subject is None:
            self._counts["illegible"] += 1
            return
        body = expected.look_up(subject)
        if body is None or not body["key"]:
            self._counts["never told"] += 1
            return
        differ = {
            name: {"told": value, "has": row.values[name]}
            for name, value in body["values"].items()
            if name in row.values and text_of(value) != text_of(row.values[name])
        }
        if differ:
            self._add("differs", subject, body, differ)
        else:
            self._counts["same"] += 1

    def _add(self, kind: str, subject: str, body: Json, differ: Json) -> None:
        self._counts[kind] += 1
        if len(self._items) < self.limit:
            why = "under way" if body.get("open") else "not delivered" if body.get("dead") else kind
            self._items.append(
                {
                    "kind": kind,
                    "subject": subject,
                    "columns": differ,
                    "why": why,
                    "delivery": body["key"],
                    "mend": self._mend(subject, body),
                }
            )

    def _mend(self, subject: str, body: Json) -> str:
        if body.get("open"):
            return f"hub deliveries list --system {self.system} --resident {subject}"
        if body.get("dead"):
            return f"hub replay --system {self.system} --resident {subject} --status dead"
        return f"hub replay {body['key']}"


def _values(told: Told, columns: Mapping[str, Value]) -> tuple[Json, bool]:
    """Return what a delivery says of each column, and whether nothing before it counts any more.

    Of a cancellation that is what it restores; one that restores nothing leaves nothing to expect.
    """
    delivery = told.shown
    if delivery.action == "cancel":
        restored = delivery.event.get("restored")
        if not restored:
            return {}, True
        delivery = _Restored(delivery, restored)
    batch = Batch(told.key, 0, delivery.time[:10], (delivery,))
    values: Json = {}
    for name, value in columns.items():
        try:
            found = value(delivery, batch)
        except HubError:
            continue
        if found is not None:
            values[name] = found
    return values, False


class _Restored(Delivery):
    """A cancellation seen as the delivery of what it restores."""

    __slots__ = ("_restored",)

    def __init__(self, delivery: Delivery, restored: Json) -> None:
        super().__init__(
            delivery.key,
            delivery.no,
            delivery.event_id,
            delivery.type,
            delivery.subject,
            delivery.time,
            delivery.body,
            "correct",
        )
        self._restored = restored

    @property
    def data(self) -> Json:
        """Return what is restored."""
        return self._restored


def reconcile(
    ledger: Ledger, finder: Finder, source: Iterable[Source], expected: Expected, doing: Reconciliation
) -> Reconciled:
    """Compare the first of the sources that has an extract."""
    doing.expect(finder, expected)
    label = next(filter(None, (doing.compare(each, expected) for each in source)), "")
    return doing.result(label, ledger)
