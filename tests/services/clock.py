"""The database's clock, moved on for what takes long."""

import pytest

from hub.ledger.engine import Ledger


def later(monkeypatch: pytest.MonkeyPatch, milliseconds: int) -> None:
    """Let the ledger's clock be ahead by so much for the rest of the test."""
    clock = Ledger.clock.fget
    assert clock is not None
    monkeypatch.setattr(Ledger, "clock", property(lambda self: f"({clock(self)} + {milliseconds})"))
