"""`event` holds the same in a rule, whether the event is in Kafka, in a test of the rules, or only proposed."""

from __future__ import annotations

from typing import Any

import pytest

from hub.events.envelope import event_from
from hub.events.wire import decode
from hub.routing.lint_expressions import ATTRIBUTES
from hub.routing.plan import View, attributes_of, sources_of
from hub.stages.records import record_of
from hub.stages.scene import attributes

DATA = {"name": "守口 太郎", "died_on": "2026-03-31", "effective_on": "2026-03-31"}
BARE = {
    "specversion": "1.0",
    "id": "1",
    "source": "/systems/juki",
    "type": "resident.died",
    "subject": "1",
    "data": DATA,
}


@pytest.mark.parametrize("more", [{}, {"sequence": 3, "batchid": "b", "traceparent": "00-1"}])
def test_an_event_has_the_same_attributes_before_it_is_in_kafka_and_there(more: dict[str, Any]) -> None:
    event = event_from({**BARE, **more}, city="city", now="2026-03-31T09:00:00+09:00")
    before = attributes_of(event)
    assert before == attributes(decode(record_of(event, "city")[1]))
    seen = sources_of(View(event.type, 1, event.subject, before, event.data), {}, {})["event"]
    assert set(seen) == set(ATTRIBUTES) - (set() if more else {"sequence", "batchid"})
