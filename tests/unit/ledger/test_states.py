"""The state machine of deliveries, and its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import UsageError
from hub.ledger import quarantine, states
from hub.ledger.status import DELIVERY, REASONS
from hub.stages.deciding import INSTEAD

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "statuses.md"


def test_the_page_is_the_table():
    assert PAGE.read_text(encoding="utf-8") == states.page(), (
        "mend: python -m hub.ledger.states > docs/reference/statuses.md"
    )


def test_the_page_says_where_the_hub_waits_for_a_person_and_every_status_leads_somewhere():
    assert "A person alone leads on from `dead`, `suppressed`, `superseded`." in states.page()
    assert {*DELIVERY} == {status for move in states.MOVES for status in move.start}


def test_every_move_is_between_statuses_of_the_hub_and_has_a_reason_in_both_languages():
    for moves, known in ((states.MOVES, DELIVERY), (states.ENTRY_MOVES, quarantine.STATUSES)):
        for move in moves:
            assert {*move.start, move.to} <= {*known}
            assert move.by in states.BY
            assert all(move.why)


@pytest.mark.parametrize("to", DELIVERY)
def test_only_an_answer_moves_what_is_delivered_and_only_a_death_that_was_none_what_is_cancelled(
    to,
):
    assert states.may("delivered", to) == (to in {"confirmed", "warning", "dead", "suppressed"})
    assert states.may("cancelled", to) == (to == "scheduled")


def test_what_is_protected_is_not_taken_up_again_by_the_hub_itself():
    assert {move.by for move in states.MOVES if "suppressed" in move.start} == {states.PERSON}


_ENDS = {"release": "waiting", "drop": "cancelled", "confirm": "confirmed"}


@pytest.mark.parametrize("decision", states.DECISIONS)
def test_a_decision_changes_what_a_person_may_move_and_is_refused_with_what_helps_elsewhere(decision):
    own = {start for move in states.MOVES if move.by == states.PERSON for start in move.start}
    may_be = own | {_ENDS[decision]}  # decided already
    for status in DELIVERY:
        reasons = states.DECISIONS[decision].get(status)
        if reasons is not None:
            assert status in may_be
            assert states.decidable(decision, status, reasons[0] if reasons else None)
            assert set(reasons) <= set(REASONS.get(status, ()))
        else:
            assert not states.decidable(decision, status, None)
            assert INSTEAD.get((decision, status)) or INSTEAD["", status]


@pytest.mark.parametrize(
    ("decide", "needed", "to"), [(quarantine.discard, "open", "discarded"), (quarantine.reopen, "discarded", "open")]
)
@pytest.mark.parametrize("start", quarantine.STATUSES)
def test_a_person_moves_an_entry_as_the_table_says(ledger, decide, needed, to, start):
    assert [move.by for move in states.ENTRY_MOVES if needed in move.start and move.to == to] == [states.PERSON]
    quarantine.add(ledger, [quarantine.Entry("intake", "juki", "idou", "a.csv:2", "wareki", "no date", b"x")])
    quarantine.resolve(ledger, 1, start)
    if start == needed:
        decide(ledger, 1, who="甲", why="誤り")
    else:
        with pytest.raises(UsageError, match=f"{start} already"):
            decide(ledger, 1, who="甲", why="誤り")
    assert quarantine.show(ledger, 1).status == (to if start == needed else start)
