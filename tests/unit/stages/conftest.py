import pytest

from hub.stages import reader


@pytest.fixture(autouse=True)
def retries_come_at_once(monkeypatch):
    """What a drain waits before it reads again what could not be read: long enough for another task to run."""
    monkeypatch.setattr(reader, "_DRAIN_RETRIES", tuple(0.01 for _ in reader._DRAIN_RETRIES))
