"""A round from the log: no object for a delivery until somebody looks, and then as if there had always been one."""

import pytest

from hub.ledger.delivered import Stretch, stretches
from hub.stages.entries import Entry, Item
from hub.stages.rounds import Made, Round, Work

from .test_entries import entry_of, rules_of

RULES = rules_of()


def entry(pos):
    return Entry(pos, entry_of(str(pos)).wire, RULES)


def of_log(*positions):
    made = Round()
    made.extend([entry(pos) for pos in positions], [Item(0, 0) for _ in positions])
    return made


def test_a_round_of_the_log_is_plain_until_somebody_looks_at_one():
    works = of_log(1, 2)
    works.extend([entry(5)], [Item(0, 0)])
    assert works.begin(7) == 3
    assert works.begin(9) == 0, "it has its numbers"
    assert (works.positions, list(works.numbers), list(works.waited)) == ([1, 2, 5], [7, 8, 9], [])
    assert [*works.subjects, *works.subjects] == ["9"] * 6
    assert works.is_plain
    assert [(work.entry.pos, work.no, work.job, work.hold, work.cut) for work in works] == [
        (pos, no, 0, None, False) for pos, no in ((1, 7), (2, 8), (5, 9))
    ]
    assert not works.is_plain
    assert works[1] is works[1], "what is changed of one stays changed"
    assert (works.positions, list(works.numbers), len(works.waited)) == ([1, 2, 5], [7, 8, 9], 3)


def test_what_comes_after_one_with_more_to_it_has_an_object_too():
    works = of_log(1)
    held = Work(entry(2), Item(0, 0), 4, 0)
    works.append(held)
    works.extend([entry(3)], [Item(0, 0)])
    assert [work.entry.pos for work in works] == [1, 2, 3]
    assert (works[1] is held, works.is_plain, bool(works), bool(Round())) == (True, False, True, False)
    assert [work.job for work in works[1:]] == [4, 0]


def test_an_intent_names_a_round_of_the_log_by_stretches():
    works = of_log(1 << 40, (1 << 40) + 4, 2 << 40)
    works.begin(5)
    plain = works.intent(3, {"a": 1}, "2026-04-01")
    assert (plain.members, plain.stretches) == ((), [Stretch(1 << 40, 5, [0, 4]), Stretch(2 << 40, 7, [0])])
    works[0].cut = True
    assert works.intent(3, None, "2026-04-01").members == [
        (1 << 40, 0, 5, True), ((1 << 40) + 4, 0, 6, False), (2 << 40, 0, 7, False)
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 5])
def test_stretches_leave_nothing_out(count):
    positions = [(stream << 40) + 3 * at for stream in (4, 5, 9) for at in range(count)]
    found = stretches(positions, 11)
    assert [each.first + offset for each in found for offset in each.offsets] == positions
    assert [each.no + at for each in found for at in range(len(each.offsets))] == list(range(11, 11 + len(positions)))
    assert all(each.first >> 40 == each.last >> 40 for each in found)
    assert len(found) == (3 if count else 0)


def test_deliveries_are_made_when_somebody_looks(monkeypatch):
    works = of_log(1, 2, 3)
    works.begin(4)
    made, asked = Made(works), []
    delivery = Entry.delivery
    monkeypatch.setattr(
        Entry, "delivery", lambda self, *given, **named: asked.append(self.pos) or delivery(self, *given, **named)
    )
    lines = made.lines
    assert (len(made), asked) == (3, [])
    assert [each.no for each in made[:1]] == [4]
    assert asked == [1]
    assert b"".join(each.body + b"\n" for each in made) == lines
    assert [each.no for each in made] == [4, 5, 6]
    assert asked == [1, 1, 2, 3]
    assert made[2] is list(made)[2]


def test_what_was_made_with_the_others_is_what_is_sent():
    works = Round()
    pieces = [b'{"a":"', b"x", b'"}\n', b'{"b":"', b"y", b'"}\n']
    works.extend([entry(1)], [Item(0, 0)], pieces[:3])
    works.extend([], [], None)  # of a stretch in which it is sent nothing
    works.extend([entry(2)], [Item(0, 0)], pieces[3:])
    works.begin(4)
    made = Made(works)
    assert made.lines == b"".join(pieces)
    assert [(each.no, each.event_id, each.body) for each in made] == [(4, "1", b'{"a":"x"}'), (5, "2", b'{"b":"y"}')]


@pytest.mark.parametrize("first", [True, False])
def test_a_round_of_which_only_a_part_was_made_makes_the_whole(first):
    works, pieces = Round(), [b"not ", b"used", b"\n"]
    works.extend([entry(1)], [Item(0, 0)], pieces if first else None)
    works.extend([entry(2)], [Item(0, 0)], None if first else pieces)
    works.begin(4)
    assert Made(works).lines == b"".join(entry(pos).body(Item(0, 0)) + b"\n" for pos in (1, 2))


def test_there_are_no_lines_where_a_body_has_a_line_break():
    works = of_log(1)
    works.entries[0].wire.data["name"] = b'{\n"text":"x"}'
    assert Made(works).lines is None


def test_fewer_pieces_than_deliveries_are_refused():
    with pytest.raises(ValueError, match="3 pieces were made of 2 deliveries"):
        Round().extend([entry(1), entry(2)], [Item(0, 0)] * 2, [b"a", b"b", b"c"])


def test_positions_asked_for_too_early_are_not_kept():
    works = Round()
    assert works.positions == []
    works.extend([entry(3)], [Item(0, 0)])
    assert works.positions == [3]
