"""A round from the log: no object for a delivery until somebody looks, and then as if there had always been one."""

import random
from types import MappingProxyType

import pytest

from hub.ledger.delivered import Stretch, stretches
from hub.routing.protection import Cut
from hub.stages.entries import Chunk, Entry, Item, Plan
from hub.stages.rounds import Made, Round, Work

from .test_entries import entry_of, rules_of

RULES = rules_of()


def entry(pos):
    return Entry(pos, entry_of(str(pos)).wire, RULES)


def take(works, *events, pieces=None, beside=(), odd=MappingProxyType({})):
    """Let a round take events of a stretch in which `beside` are, too; of some places there is more to say."""
    chunk = Chunk(0, 0, 1 << 50, 0)
    taken = [entry(each) if isinstance(each, int) else each for each in events]
    for each in (*taken, *beside):
        chunk.add(each, Plan.of([], RULES), 1)
    works.join(Round.of(taken, [odd.get(at, Item(0, 0)) for at in range(len(taken))], pieces, chunk, odd))


def of_log(*positions):
    made = Round()
    take(made, *positions)
    return made


def test_a_round_of_the_log_is_plain_until_somebody_looks_at_one():
    works = of_log(1, 2)
    take(works, 5)
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
    take(works, 3)
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
    take(works, 1, pieces=pieces[:3])
    take(works)  # of a stretch in which it is sent nothing
    take(works, 2, pieces=pieces[3:])
    works.begin(4)
    made = Made(works)
    assert made.lines == b"".join(pieces)
    assert [(each.no, each.event_id, each.body) for each in made] == [(4, "1", b'{"a":"x"}'), (5, "2", b'{"b":"y"}')]


@pytest.mark.parametrize("first", [True, False])
def test_a_round_of_which_only_a_part_was_made_makes_the_whole(first):
    works, pieces = Round(), [b"not ", b"used", b"\n"]
    take(works, 1, pieces=pieces if first else None)
    take(works, 2, pieces=None if first else pieces)
    works.begin(4)
    assert Made(works).lines == b"".join(entry(pos).body(Item(0, 0)) + b"\n" for pos in (1, 2))


def test_there_are_no_lines_where_a_body_has_a_line_break():
    works = of_log(1)
    works.entries[0].wire.data["name"] = b'{\n"text":"x"}'
    assert Made(works).lines is None


def test_fewer_pieces_than_deliveries_are_refused():
    with pytest.raises(ValueError, match="3 pieces were made of 2 deliveries"):
        take(Round(), 1, 2, pieces=[b"a", b"b", b"c"])


def test_positions_asked_for_too_early_are_not_kept():
    works = Round()
    assert works.positions == []
    take(works, 3)
    assert works.positions == [3]


def about(pos, subject):
    made = entry(pos)
    made.wire.subject = made.subject = subject
    return made


def test_a_round_is_about_whom_it_tells_and_nobody_who_is_beside():
    works = Round()
    take(works, 1, beside=[about(2, "beside")])
    take(works, about(3, "second"), 4, about(5, "second"))
    flags = ({}, {"other": True}, {"beside": True}, {"9": False}, {"second": True}, dict.fromkeys("abcde"))
    assert [works.about(each) for each in flags] == [[], [], [], [0, 2], [1, 3], []]
    assert works.is_plain, "to find that out nobody looks at a delivery"
    works.append(Work(about(4, "waited"), Item(0, 0), 0, 0))
    assert (works.about({"waited": True}), works.about({"beside": True})) == ([4], [])


CUT = Cut(suppressed=False, names=frozenset({"name"}), everything=False, flags=True)
RIGHT = {"action": "correct", "data": {"name": "京阪"}, "corrects": "juki/1"}


@pytest.mark.parametrize("pieces", [True, False])
def test_of_a_few_another_thing_is_sent_than_of_all_others(pieces):
    made = [entry(pos).body(Item(0, 0)) for pos in range(1, 6)]
    cooked = [[b for body in made[at : at + 2] for b in (body, b"", b"\n")] if pieces else None for at in (0, 2)]
    works = Round()
    take(works, 1, 2, pieces=cooked[0])
    take(works, 3, 4, pieces=cooked[1], odd={1: Item(0, 0, made=RIGHT)})
    assert works.is_cut(2) is works.is_cut(3) is False
    works.cut(1, CUT)
    works.begin(7)
    told = list(Made(works))
    assert [(each.no, each.action) for each in told] == [(7, "new"), (8, "new"), (9, "new"), (10, "correct")]
    assert [dict(each.data) for each in told] == [
        {"name": "守"}, {"protected": True, "do_not_post": True}, {"name": "守"}, {"name": "京阪"},
    ]  # fmt: skip
    assert Made(works).lines == b"".join(each.body + b"\n" for each in told)
    assert [works.is_cut(at) for at in range(4)] == [False, True, False, False]
    assert works.intent(3, None, "").stretches == [Stretch(1, 7, [0]), (2, 0, 8, True), Stretch(3, 9, [0, 1])]
    assert works.is_plain
    assert [work.cut for work in works] == [False, True, False, False], "who looks at one sees it"


def test_whom_a_round_is_about_is_found_wherever_it_was_joined_and_whatever_left_it():
    draw = random.Random(7)  # noqa: S311 - not a secret
    for _ in range(200):
        works = Round()
        for stream in draw.choices(range(3), k=draw.randint(1, 4)):
            some = sorted(draw.sample(range(9), draw.randint(0, 4)))
            own = [about(stream * 10 + pos, draw.choice("abc")) for pos in some]
            take(works, *own, beside=[about(stream * 10 + 9, "d")])
            if draw.random() < 0.3:
                works = works.without(set(draw.sample(range(len(works)), len(works) // 2)))
        who = dict.fromkeys(draw.sample("abcd", 2), True)
        found = works.about(who)
        assert works.is_plain
        assert found == [at for at, entry in enumerate(works.entries) if entry.subject in who]
        assert found == Round(list(works)).about(who)


def test_who_is_told_twice_of_one_event_is_found_twice():
    chunk = Chunk(0, 0, 1 << 50, 0)
    before, twice, after = events = [about(1, "b"), about(2, "a"), about(3, "b")]
    for each in events:
        chunk.add(each, Plan.of([], RULES), 1)
    works = Round.of([before, twice, twice, after], [Item(0, 0)] * 4, None, chunk)
    assert works.about({"a": True}) == [1, 2]


def test_a_round_that_does_not_know_all_its_stretches_is_gone_through():
    works = Round()
    take(works, about(1, "b"), about(2, "a"))
    works.entries.append(about(3, "a"))
    assert works.about({"a": True}) == [1, 2]


def test_what_is_left_out_is_recorded_in_order():
    works = Round()
    take(works, 1, 2, 3, 4, odd={3: Item(0, 0, made=RIGHT)})
    works.cut(3, CUT)
    works.cut(1, CUT)
    works.begin(1)
    assert works.intent(3, None, "").stretches == [
        Stretch(1, 1, [0]),
        (2, 0, 2, True),
        Stretch(3, 3, [0]),
        (4, 0, 4, True),
    ]


def test_there_are_no_lines_either_where_one_that_was_not_made_with_the_others_has_a_line_break():
    works, broken = Round(), about(2, "9")
    broken.wire.data["name"] = b'{\n"text":"x"}'
    take(works, 1, broken, pieces=[b"{}", b"", b"\n", b"", b"", b""], odd={1: Item(0, 0, due=5)})
    works.begin(1)
    assert Made(works).lines is None


def test_without_some_a_round_is_as_if_they_had_never_been_in_it():
    pieces = [b"a", b"", b"\n", b"", b"", b"", b"c", b"", b"\n", b"d", b"", b"\n"]
    works = Round()
    take(works, 1, 2, 3, 4, pieces=pieces, odd={1: Item(0, 0, made=RIGHT)})
    works.cut(3, CUT)
    left = works.without({0})
    assert (left.positions, left.apart, left.is_plain) == ([2, 3, 4], {0: None, 2: CUT}, True)
    assert (left.pieces, left.about({"9": True})) == (pieces[3:], [0, 1, 2])
    assert works.without([]) is works
    whole = Round(list(works)).without({0, 2})
    assert [(work.entry.pos, work.cut) for work in whole] == [(2, False), (4, True)]
    assert (whole.is_cut(0), whole.is_cut(1), whole.work(1).entry.pos) == (False, True, 4)


def test_a_round_joins_another_that_has_been_looked_at():
    works, other = of_log(1), of_log(2, 3)
    other.cut(1, CUT)
    assert len(list(other)) == 2
    works.join(other)
    assert [(work.entry.pos, work.cut) for work in works] == [(1, False), (2, False), (3, True)]


def test_whom_a_stretch_is_about_holds_for_every_share():
    chunk = Chunk(0, 0, 1 << 50, 0)
    for at, subject in enumerate("abca"):
        items = [Item(0, 0)] if at % 2 else []
        chunk.add(about(at, subject), Plan.of(items, RULES), 1)
    assert chunk.about is chunk.about
    assert chunk.about == {"a": [0, 3], "b": [1], "c": [2]}
    assert {each.subject for share in chunk.planned.values() for each in share.entries} == {"b", "a"}
