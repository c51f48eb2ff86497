"""Small integers for names that stand on many rows: sources and event types."""

from __future__ import annotations

import sqlalchemy as sa

from hub.ledger.engine import Ledger
from hub.ledger.tables import name


class Names:
    """Names of one kind, interned in the ledger and remembered in the process."""

    def __init__(self, ledger: Ledger, kind: str) -> None:
        self._ledger = ledger
        self._kind = kind
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def number(self, text: str) -> int:
        """Return the number of a name, giving it one when it is new."""
        found = self._numbers.get(text)
        return found if found is not None else self._intern(text)

    def text(self, number: int) -> str:
        """Return the name of a number; raises KeyError."""
        if number not in self._names:
            self._load()
        return self._names[number]

    def find(self, text: str) -> int | None:
        """Return the number of a name, or None when it was never used."""
        if text not in self._numbers:
            self._load()
        return self._numbers.get(text)

    def _load(self) -> None:
        with self._ledger.read() as connection:
            for number, text in connection.execute(sa.select(name.c.no, name.c.name).where(name.c.kind == self._kind)):
                self._numbers[text] = number
                self._names[number] = text

    def _intern(self, text: str) -> int:
        self._load()
        if text not in self._numbers:
            with self._ledger.write() as connection:
                connection.execute(
                    sa.text("INSERT INTO name(kind, name) VALUES (:kind, :name) ON CONFLICT (kind, name) DO NOTHING"),
                    {"kind": self._kind, "name": text},
                )
            self._load()
        return self._numbers[text]
