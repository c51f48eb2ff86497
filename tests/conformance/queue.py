"""The `rpa` sink with a queue in a real ledger, which knows the kit's events."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hub.adapters import registry
from hub.adapters.conformance import SinkCase
from hub.adapters.contract import Delivery
from hub.app import WorkQueue
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from tests.conformance.helpers import site
from tests.services.blank import blank_url

EVENTS = 1_000


class RpaCase(SinkCase):
    adapter = registry.find("rpa")

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, blank_url(folder)
        ledger = Ledger(self.url)
        self.number = Desk(ledger).register(["kokuho.main"])["kokuho.main"]
        with ledger.write() as connection:
            connection.execute(sa.text("INSERT INTO name(no, kind, name) VALUES (1, 'source', '/systems/juki')"))
            rows = [{"id": f"e{n:04d}", "pos": n, "digest": b""} for n in range(EVENTS)]
            connection.execute(sa.text("INSERT INTO dedup VALUES (:id, 1, :pos, :digest, 1)"), rows)
        ledger.close()

    def open(self) -> Any:
        self.ledger = Ledger(self.url, lock_timeout=0.1)
        return registry.open_sink("rpa", {}, site(self.folder), WorkQueue(self.ledger, self.number))

    def seen(self) -> list[str]:
        self.ledger.close()
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            rows = connection.execute(sa.text("SELECT pos FROM work ORDER BY no"))
            return [f"juki/e{pos:04d}:kokuho.main:0" for (pos,) in rows]

    def away(self) -> AbstractContextManager[Any]:
        self.ledger.close()
        return locked(self.url)

    def refused(self, delivery: Delivery) -> None:  # noqa: ARG002
        return None


class locked:  # noqa: N801 - reads as a word
    """A ledger that another writer holds, as when its server does not answer."""

    def __init__(self, url: str) -> None:
        self.engine = sa.create_engine(url, poolclass=sa.NullPool)

    def __enter__(self) -> None:
        self.connection = self.engine.connect()
        self.connection.exec_driver_sql("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self.connection.rollback()
        self.connection.close()
