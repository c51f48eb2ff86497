"""What one system is expected to hold: for each resident the newest value of each column the hub has told it.

Deliveries are added the newest first. It lies in a SQLite file of its own, gone when it is closed, so that memory stays
the same however many residents there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from hub.stages.scratch import open_notes

Json = dict[str, Any]


class Expected:
    """Residents with what they are expected to have."""

    def __init__(self, folder: Path, name: str) -> None:
        create = (
            "CREATE TABLE expected(subject TEXT PRIMARY KEY, body BLOB NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID"
        )
        self._db, self._path = open_notes(folder, name, [create])

    def add(self, subject: str, values: Mapping[str, Any], key: str, *, ends: bool) -> None:
        """Add an older delivery that arrived: what newer ones said stands. With `ends` nothing older counts."""
        body = self._body(subject)
        if not body.get("ended"):
            body["values"] = {**values, **body["values"]}
            body["key"] = body["key"] or key
            body["ended"] = ends
        self._store(subject, body)

    def note(self, subject: str, what: str) -> None:
        """Note that a delivery has not arrived: `dead` or `open`."""
        body = self._body(subject)
        if not body["key"]:  # a newer one has arrived: what did not before is no matter
            body[what] = True
            self._store(subject, body)

    def forget_seen(self) -> None:
        """Begin anew with another extract."""
        self._db.execute("UPDATE expected SET seen = 0")

    def look_up(self, subject: str) -> Json | None:
        """Return what a resident is expected to have, and note that the system knows them."""
        row = self._db.execute("SELECT body FROM expected WHERE subject = ?", (subject,)).fetchone()
        if row is None:
            return None
        self._db.execute("UPDATE expected SET seen = 1 WHERE subject = ?", (subject,))
        return dict(orjson.loads(row[0]))

    def unseen(self) -> Iterator[tuple[str, Json]]:
        """Yield the residents whom the extract did not have."""
        for subject, body in self._db.execute("SELECT subject, body FROM expected WHERE seen = 0 ORDER BY subject"):
            yield subject, orjson.loads(body)

    def close(self) -> None:
        """Let go of it; nothing of it stays."""
        self._db.close()
        self._path.unlink(missing_ok=True)

    def _body(self, subject: str) -> Json:
        row = self._db.execute("SELECT body FROM expected WHERE subject = ?", (subject,)).fetchone()
        return dict(orjson.loads(row[0])) if row else {"values": {}, "key": "", "ended": False}

    def _store(self, subject: str, body: Json) -> None:
        statement = "INSERT OR REPLACE INTO expected VALUES (?, ?, 0)"
        self._db.execute(statement, (subject, orjson.dumps(body, default=str)))
