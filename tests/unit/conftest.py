from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.ledger.engine import Ledger
from tests.services.blank import blank_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger on SQLite."""
    ledger = blank_ledger(tmp_path)
    yield ledger
    ledger.close()
