"""What holds for every test with a ledger."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.ledger.engine import Ledger
from tests.services.states import watch


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """A new ledger, once on SQLite and once on PostgreSQL."""
    made = Ledger(ledger_url)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def moves_of_the_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hold what becomes of deliveries to the state machine (`hub.ledger.states`)."""
    found = watch(monkeypatch)
    yield
    assert not found
