"""Towns on SQLite and PostgreSQL."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.settings.models import System

from .town import Town, listens


@pytest.fixture
def town_of(ledger_url: str, tmp_path: Path) -> Iterator[Callable[..., Town]]:
    """Give a function that makes the test's town of systems; one that is told of deaths unless said otherwise."""
    towns: list[Town] = []

    def made(*systems: System, **settings: Any) -> Town:
        towns.append(Town(ledger_url, tmp_path, *(systems or (listens("kokuho"),)), **settings))
        return towns[-1]

    yield made
    for town in towns:
        town.close()
