"""What `hub kafka` tells programs."""

import json
from datetime import datetime

import pytest

from hub.cli import kafka
from hub.cli.session import Session
from hub.errors import BrokerUnavailable, ConfigurationError, NotFound
from hub.kafka.local import LocalBroker, Status


@pytest.mark.parametrize(("started", "told"), [(1795470585.231, "2026-11-23T21:49:45.231Z"), (None, None)])
def test_when_the_broker_was_started_is_a_time_as_all_others(tmp_path, monkeypatch, capsys, started, told):
    (tmp_path / "hub.yaml").touch()
    monkeypatch.delenv("HUB_KAFKA", raising=False)
    known = Status(True, True, False, "127.0.0.1:1", 1, started, "4.4.0", "folder", "log")
    monkeypatch.setattr(LocalBroker, "status", lambda _: known)
    assert kafka.status(Session(tmp_path, json=True)) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["started"] == told
    assert told is None or datetime.fromisoformat(told).timestamp() == started


def test_an_error_without_a_code_of_its_own_is_called_as_its_class_with_hyphens():
    assert NotFound("x").code == "not-found"
    assert BrokerUnavailable("x").code == "broker-unavailable"
    assert ConfigurationError([]).code == "configuration-error"
    assert NotFound("x", code="gone").code == "gone"
