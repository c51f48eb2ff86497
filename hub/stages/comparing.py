"""What a row is to the state of full extracts: its key, its mark, its moment, its number, the columns kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from hub.errors import ConfigurationError, Malformed, Problem
from hub.ledger import extracts
from hub.ledger.extracts import Known, State
from hub.stages.marks import Marks, fingerprint, text_of
from hub.stages.moments import moment_at, moment_of
from hub.stages.services import Comparing, Services

KIND = "snapshot"  # of reviews
_SHAPES = 255  # of one source, as a mark has one byte for its shape


@dataclass(frozen=True, slots=True)
class Book:
    """The known rows of one extract source, as they are opened: its number, its state, and how marks are made."""

    number: int
    state: State
    marks: Marks


class Comparer:
    """Sees rows as one source's settings say; usable from one thread at a time."""

    def __init__(self, system: str, comparing: Comparing, services: Services) -> None:
        self.settings = comparing
        self._system = system
        self._services = services
        self._today: Callable[[], str] = lambda: f"{services.clock().astimezone(services.timezone):%Y-%m-%d}"

    def open(self) -> Book:
        """Open the known rows. Raises `LedgerUnavailable`, and `ConfigurationError` when the city's key is another."""
        ledger, settings = self._services.ledger, self.settings
        number, state = extracts.open_extract(ledger, self._system, settings.state)
        mine = fingerprint(settings.secret)
        if state.secret not in ("", mine):
            if not settings.baseline:
                raise ConfigurationError([_other_key(self._system, settings.state)])
            extracts.forget_all(ledger, number)
            state = State()
        if settings.columns not in state.shapes and len(state.shapes) >= _SHAPES:
            raise ConfigurationError([_too_many_shapes(self._system, settings.state)])
        shape, state = extracts.shape_of(ledger, number, state, settings.columns, mine)
        return Book(number, state, Marks(settings.secret, state.shapes, shape))

    def now(self) -> str:
        """Return the moment it is by the hub's clock."""
        return moment_at(self._services.clock(), self._services.timezone)

    @property
    def today(self) -> Callable[[], str]:
        """Return what gives the day in the city."""
        return self._today

    def key(self, row: Mapping[str, Any]) -> Any:
        """Return the value of a row's key, None when it has none; raises `Malformed`."""
        value = self.settings.key.value(row, self._today)
        return None if value is None or value in ("", []) else value

    def needed_key(self, row: Mapping[str, Any]) -> Any:
        """Return the value of a row's key; raises `Malformed`, also `empty`."""
        value = self.key(row)
        if value is None:
            raise Malformed("the row's key is empty", code="empty")
        return value

    def as_of(self, row: Mapping[str, Any]) -> str | None:
        """Return the moment a row says it is of, None when it says none; raises `Malformed`."""
        said = None if self.settings.as_of is None else self.settings.as_of.value(row, self._today)
        return None if said is None or said == "" else moment_of(said)

    def sequence(self, row: Mapping[str, Any]) -> int | None:
        """Return a row's history number, None when it has none."""
        if self.settings.sequence is None:
            return None
        try:
            value = self.settings.sequence.value(row, self._today)
        except Malformed:
            return None
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        return value if type(value) is int and 0 <= value < 2**63 else None

    def subject(self, row: Mapping[str, Any], key: Any) -> str:
        """Return whom a row is about: the resident's number, or else its key."""
        try:
            value = None if self.settings.subject is None else self.settings.subject.value(row, self._today)
        except Malformed:
            value = None
        return text_of(key if value is None or value == "" else value)

    def whom(self, row: Mapping[str, Any]) -> str | None:
        """Return whom a row is about, None when it has no key; raises `Malformed`."""
        key = self.key(row)
        return None if key is None else self.subject(row, key)

    def plain(self, row: Mapping[str, Any], before: bytes = b"") -> bytes:
        """Return the columns that are kept, as JSON; columns the row lacks are those of before."""
        kept = self.settings.plain
        names = row if kept is None else sorted(kept)
        old = orjson.loads(before) if before and any(name not in row for name in names) else {}
        return orjson.dumps({**old, **{name: row[name] for name in names if name in row}})

    def standing(self, key: bytes) -> str:
        """Return what names a row's difference among reviews."""
        return f"{KIND}:{self._system}.{self.settings.state}:{key.hex()}"


def packed(known: Known) -> dict[str, Any]:
    """Return what is known of a row as JSON."""
    parts = known._asdict()
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in parts.items()}


def unpacked(packed: Mapping[str, Any]) -> Known:
    """Return what `packed` made."""
    bare = {name: packed[name] for name in ("as_of", "sequence", "revision", "flags")}
    key, mark, plain = (bytes.fromhex(packed[name]) for name in ("key", "mark", "plain"))
    shown = None if packed["shown"] is None else bytes.fromhex(packed["shown"])
    return Known(key, mark, plain, shown=shown, **bare)


def _other_key(system: str, source: str) -> Problem:
    mend = f"put var/extracts.key back from the backup, or take the extract anew: hub source baseline {system}.{source}"
    return Problem(f"{system}.{source}", "var/extracts.key is not the key its state was made with", mend)


def _too_many_shapes(system: str, source: str) -> Problem:
    mend = f"put var/extracts.key aside and take the present extract anew: hub source baseline {system}.{source}"
    return Problem(f"{system}.{source}", f"`compare` has changed {_SHAPES} times", mend)
