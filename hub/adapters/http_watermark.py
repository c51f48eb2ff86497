"""How far a service was read by a growing value of its rows, and which rows at that border were handed over.

Services differ in whether they give rows *at* the value asked for or only above it, so those at the border, and within
`overlap` below it, are known by their digests and left out when they come again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from hub.adapters.contract import Row
from hub.adapters.http_rows import at
from hub.errors import Transient

Value = int | float | str


@dataclass(slots=True)
class Watermark:
    """What was read before this pass (`value`, `seen`), and what this one has come to (`newest`, `fresh`)."""

    column: str
    overlap: float
    value: Value | None = None
    seen: dict[str, Value] = field(default_factory=dict)  # digest → the row's value
    newest: Value | None = None
    fresh: dict[str, Value] = field(default_factory=dict)

    @classmethod
    def read(cls, column: str, overlap: float, kept: Mapping[str, Any]) -> Watermark:
        """Return the one a position holds."""
        return cls(
            column, overlap, kept.get("since"), kept.get("seen", {}), kept.get("newest"), dict(kept.get("fresh", {}))
        )

    def dump(self, *, ended: bool) -> dict[str, Any]:
        """Return what the position holds, in the middle of a pass or at its end."""
        if not ended:
            return {"since": self.value, "seen": self.seen, "newest": self.newest, "fresh": self.fresh}
        if self.newest is None:
            return {"since": self.value, "seen": self.seen}
        newest = self.newest if self.value is None else _larger(self.newest, self.value)
        return {"since": newest, "seen": self._above({**self.seen, **self.fresh}, newest)}

    def asked(self) -> Value | None:
        """Return the value from which rows are asked for, None at the very beginning."""
        return None if self.value is None else _before(self.value, self.overlap)

    def takes(self, row: Row) -> bool:
        """Say whether a row is new, and remember it."""
        value = at(row.values, self.column)
        if row.error is not None or isinstance(value, bool) or not isinstance(value, (int, float, str)):
            return True  # nobody can say where it stands: it comes again as long as the service gives it
        digest = hashlib.sha256(row.raw).hexdigest()[:24]
        self.newest = value if self.newest is None else _larger(self.newest, value)
        if len(self.fresh) > 2000:
            self.fresh = self._above(self.fresh, self.newest)
        self.fresh[digest] = value
        return digest not in self.seen

    def settle(self) -> None:
        """Keep of this pass only what stands at the border: positions stay small."""
        if self.newest is not None:
            self.fresh = self._above(self.fresh, self.newest)

    def _above(self, seen: Mapping[str, Value], newest: Value) -> dict[str, Value]:
        low = _before(newest, self.overlap)
        return {digest: value for digest, value in seen.items() if _larger(value, low) == value}


def _larger(one: Value, other: Value) -> Value:
    try:
        return max(one, other)
    except TypeError:
        raise Transient("`since`: the column holds numbers and texts", code="setting") from None


def _before(value: Value, overlap: float) -> Value:
    """Return a value `overlap` lower, in its own form: seconds for times, steps for numbers."""
    if not overlap:
        return value
    if not isinstance(value, str):
        return value - (overlap if isinstance(value, float) else int(overlap))
    try:
        moment = datetime.fromisoformat(value) - timedelta(seconds=overlap)
    except ValueError:
        raise Transient("`overlap` needs a column of numbers or times", code="setting") from None
    if len(value) == len("YYYY-MM-DD"):
        return moment.date().isoformat()
    precise = "auto" if moment.microsecond else ("seconds" if value.count(":") > 1 else "minutes")
    text = moment.isoformat(value[10], precise)
    return text.removesuffix("+00:00") + "Z" if value.endswith("Z") else text
