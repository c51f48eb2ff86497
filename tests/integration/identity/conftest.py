"""A city for each test."""

from __future__ import annotations

import pytest

from tests.integration.identity.city import Living


@pytest.fixture
def living(tmp_path, ledger_url, kafka_bootstrap, topic_prefix) -> Living:
    return Living(tmp_path / "city", ledger_url, kafka_bootstrap, topic_prefix)


@pytest.fixture
def lone(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix) -> Living:
    """A city on SQLite, where the database makes no difference."""
    return Living(tmp_path / "city", sqlite_url, kafka_bootstrap, topic_prefix)
