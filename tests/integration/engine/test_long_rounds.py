"""A round may be hundreds of calls and last for minutes: what changes meanwhile counts from the next call on."""

from dataclasses import replace

import pytest

from hub.errors import Transient
from hub.ledger.protected import Register, protect_early
from hub.stages import receiver as receiver_module
from hub.stages import watch
from hub.stages.shutters import Shut

from .town import Shelf, died, listens, rule, until

ADDRESS = {"text": "大阪府守口市京阪本通二丁目5番5号"}


@pytest.fixture
def town(town_of):
    made = town_of(listens("kokuho", rule("kokuho", send=("name", "address"))))
    made.dispatch(*(died(number, str(number), address=ADDRESS) for number in range(3)))
    return made


@pytest.mark.parametrize("features", [{"batch": 1}, {"batch": 1, "idempotent": False}])
async def test_who_becomes_protected_during_a_round_is_not_located_by_it(town, monkeypatch, features):
    monkeypatch.setattr(watch, "SERVES", 0.0)
    sink = Shelf(lambda _: protect_early(town.ledger, [("2", "/systems/juki/x")]), **features)
    port = replace(town.port(sink), protection=Register(town.ledger))
    async with town.working(port=port) as worker:
        await until(lambda: len(sink.taken) == 3 and not worker.busy)
    told = {delivery.subject: sorted(delivery.data) for delivery in sink.taken}
    assert told == {"0": ["address", "name"], "1": ["address", "name"], "2": ["name"]}
    assert town.holds() == []


async def test_an_answer_serves_for_a_second(town):
    asked = []
    sink = Shelf(batch=1)
    port = replace(town.port(sink), protection=lambda subjects: asked.append(sorted(subjects)) or {})
    async with town.working(port=port) as worker:
        await until(lambda: len(sink.taken) == 3 and not worker.busy)
    assert asked == [["0", "1", "2"]]


async def test_a_pause_counts_from_the_next_call_on(town):
    shut = []
    sink = Shelf(lambda _: shut.append(Shut("paused", None)), batch=1)
    port = replace(town.port(sink), shut=lambda _: shut[0] if shut else None)
    async with town.working(port=port) as worker:
        await until(lambda: sink.taken and not worker.busy)
        await until(town.holds)
        assert len(sink.taken) == 1
        shown = town.inquiry.event("1")["deliveries"][0]
        assert (shown["status"], shown["reason"]) == ("held", "paused")
        sink.answer = lambda _: None
        shut.clear()
        await until(lambda: len(sink.taken) == 3)


async def test_what_was_not_tried_goes_out_when_the_system_is_open_and_back(town, monkeypatch):
    monkeypatch.setattr(receiver_module, "PROBES", (0.02, 0.03))
    shut = []

    def goes(_):
        shut.append(Shut("maintenance", None))
        return Transient("gone", reached=False)

    sink = Shelf(goes, batch=1)
    port = replace(town.port(sink), shut=lambda _: shut[0] if shut else None)
    async with town.working(port=port):
        await until(lambda: len(town.holds()) == 3)
        sink.answer = lambda _: None
        shut.clear()
        await until(lambda: len(sink.taken) == 3)
    assert sorted(sink.ids) == ["0", "1", "2"]
