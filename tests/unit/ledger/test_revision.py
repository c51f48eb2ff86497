"""Which ledgers a program works with, and what an older hub makes of what a newer one has stored."""

from __future__ import annotations

import orjson
import pytest

from hub.cli import output
from hub.ledger import revision, schema, status
from hub.ledger.revision import fits, state_of
from hub.stages.entries import Item, pack_made, pack_plan, unpack_made, unpack_plan


@pytest.fixture
def program(monkeypatch):
    """Return a program that needs 0004 and makes 0005."""
    monkeypatch.setattr(revision, "NEEDS", "0004")
    monkeypatch.setattr(revision, "HEAD", "0005")


@pytest.mark.parametrize(
    ("found", "oldest", "state", "works"),
    [
        (None, None, "empty", False),
        ("0003", "0003", "pre-open", False),
        ("0004", "0003", "post-open", True),
        ("0005", "0005", "current", True),
        ("0006", "0005", "ahead", True),  # a newer program's `pre` step
        ("0007", "0007", "too-new", False),  # and its `post` step
        ("0006", None, "too-new", False),
    ],
)
@pytest.mark.usefixtures("program")
def test_a_program_works_with_what_it_needs_and_with_what_still_allows_it(found, oldest, state, works):
    assert (state_of(found, oldest), fits(found, oldest)) == (state, works)


def test_migrations_grow_by_number_and_say_when_they_run():
    numbers, phases = zip(*schema.steps(), strict=True)
    assert list(numbers) == [f"{n:04}" for n in range(1, len(numbers) + 1)]
    assert phases[0] == ""
    assert set(phases[1:]) <= {"pre", "post"}
    assert numbers[-1] == revision.HEAD
    assert max(number for number, phase in zip(numbers, phases, strict=True) if phase != "post") == revision.NEEDS


def test_an_older_hub_passes_over_what_a_newer_one_says_besides():
    newer = [[3, 9], [0, 1, {"a": 1}, None, "", None, None, 5, {"since": "0002"}]]
    assert pack_plan(unpack_plan(orjson.dumps(newer))) == pack_plan([Item(3, 9), Item(0, 1, {"a": 1}, due=5)])
    packed = orjson.loads(pack_made(4, Item(0, 1, due=5)))
    packed[1].append("more")
    number, item = unpack_made(orjson.dumps([*packed, "more"]))
    assert (number, item.due) == (4, 5)


def test_statuses_and_reasons_that_a_newer_hub_has_stored_are_shown():
    code = len(status.DELIVERY) * 16
    held = status.delivery_code("held") + 15
    assert status.delivery_words(code) == (f"status-{len(status.DELIVERY)}", None)
    assert status.delivery_words(held) == ("held", "reason-15")
    assert status.event_word(99) == "status-99"
    assert output.state(*status.delivery_words(held)).endswith("reason-15")
