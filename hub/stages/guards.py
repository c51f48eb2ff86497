"""Guards: how a batch may differ from what is usual before a person must look at it."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from hub.ledger.batches import Arrival
from hub.settings.models import Guard, Protection

EARLIER = 10  # batches a size is compared with


def breaches(guard: Guard, arrival: Arrival, earlier: Sequence[int]) -> list[str]:
    """Return in words how a whole batch breaks its guard, in the guard's order; nothing if it does not.

    `earlier` are the sizes in rows of the source's last batches; with none, `change` compares nothing.
    """
    return [*_rows(guard, arrival.rows), *_change(guard, arrival.rows, earlier), *_per_event(guard, arrival)]


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of protected residents as read: whom it `named`, whom the `last` one named that was believed.

    `sizes` are the rows of the last lists, the newest first; `unreadable` counts rows that could not be read.
    """

    rows: int
    named: AbstractSet[str]
    last: AbstractSet[str]
    sizes: Sequence[int] = ()
    unreadable: int = 0


def list_breaches(protection: Protection, found: Listed) -> list[str]:
    """Return in words why a list of protected residents is not believed.

    It is empty, rows of it cannot be read, it has shrunk, or too many whom the last one named are not in it, whoever
    else may be.
    """
    if not found.rows:
        return ["the list of protected residents is empty"] if protection.empty == "refuse" else []
    reasons = []
    if found.unreadable:
        reasons.append(f"{_many(found.unreadable)} of the list of protected residents cannot be read")
    most = Decimal(protection.max_drop.removesuffix("%"))
    last = found.sizes[0] if found.sizes else 0
    vanished = len(found.last - found.named)
    if (last - found.rows) * 100 > last * most:
        reasons.append(
            f"{_many(found.rows)}, more than {protection.max_drop} fewer than in the last list of protected residents"
            f" ({last})"
        )
    elif vanished * 100 > len(found.last) * most:
        reasons.append(
            f"{vanished} of {len(found.last)} residents whom the last list of protected residents named are not in it,"
            f" more than {protection.max_drop}"
        )
    return reasons


def _rows(guard: Guard, rows: int) -> list[str]:
    if guard.rows is None:
        return []
    fewest, most = guard.rows
    if rows < fewest:
        return [f"{_many(rows)}, fewer than {fewest}"]
    return [f"{_many(rows)}, more than {most}"] if rows > most else []


def _change(guard: Guard, rows: int, earlier: Sequence[int]) -> list[str]:
    if guard.change is None or not earlier:
        return []
    usual = Decimal(str(median(earlier)))
    if abs(rows - usual) * 100 <= usual * Decimal(guard.change.removesuffix("%")):
        return []
    return [
        f"{_many(rows)}, more than {guard.change} away from the usual {usual:f} (median of the last {len(earlier)})"
    ]


def _per_event(guard: Guard, arrival: Arrival) -> list[str]:
    return [
        f"{arrival.events[type_]} {type_}, more than {most}"
        for type_, most in guard.per_event.items()
        if arrival.events[type_] > most
    ]


def _many(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"
