"""A system asks over HTTP for its own deliveries again, and for nobody else's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.errors import NotFound, Rejected, UsageError
from hub.server.replays import Replays
from tests.integration.jobs.town import Town
from tests.integration.semantics.world import ADDRESS, ZONE

RULE = """subscribes:
  - {id: moves, on: resident.moved, send: [name, new_address], because: 試験}"""


@pytest.fixture
def town(tmp_path, ledger_url) -> Iterator[Town]:
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE, "zei": RULE})
    for desk in made.desks.values():
        desk.error = Rejected("不可", code="no")
    made.report(made.moved(ADDRESS))
    made.deliver()
    for desk in made.desks.values():
        desk.error = None
    yield made
    made.close()


def test_only_the_callers_deliveries_go_again(town):
    replays = Replays(town.ledger, ZONE, lambda: town.foreman)
    preview = replays.begin("suido", {"status": ["dead"], "dry_run": True})
    assert (preview["no"], preview["preview"]["counts"]) == (None, {"retry": 1})
    number = replays.begin("suido", {"status": ["dead"]})["no"]
    town.deliver()
    assert (len(town.desks["suido"].taken), town.desks["zei"].taken) == (1, [])
    assert replays.show("suido", str(number))["status"] == "done"
    with pytest.raises(NotFound):
        replays.show("zei", str(number))
    with pytest.raises(NotFound):
        replays.show("zei", "1x")


@pytest.mark.parametrize(
    "asked",
    [{}, [], {"system": "zei"}, {"status": "dead"}, {"rate": 0}, {"rules": "later", "status": ["dead"]}],
)
def test_what_is_no_replay_is_refused(town, asked):
    with pytest.raises(UsageError):
        Replays(town.ledger, ZONE, lambda: town.foreman).begin("suido", asked)


def test_a_key_of_another_system_is_not_there(town):
    with pytest.raises(NotFound):
        Replays(town.ledger, ZONE, lambda: town.foreman).begin("suido", {"deliveries": ["juki/e1:zei.main:0"]})
