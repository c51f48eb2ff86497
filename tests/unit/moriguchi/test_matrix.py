"""Who must be told: the city's rules against the table of systems and kinds of change.

● is always (for those the system knows as its own), ○ on a condition, – never. A ● is asked with an event that has only
what it must have, so that no condition on the event passes for one.
"""

import pytest

from hub.events.envelope import event_from
from hub.events.facts import delta, empty, merge
from hub.routing.plan import Router, View
from hub.routing.rules import RuleSet
from hub.settings.load import load_city

from .test_sample_city import CITY

KINDS = {
    "転入": "resident.moved-in",
    "転居": "resident.moved",
    "転出": "resident.moved-out",
    "出生": "resident.born",
    "死亡": "resident.died",
    "婚姻": "resident.married",
    "離婚": "resident.divorced",
    "氏名": "resident.name-changed",
    "世帯(主)": "household.changed",
}
MATRIX = """
| |転入|転居|転出|出生|死亡|婚姻|離婚|氏名|世帯(主)|取消|
|印鑑|–|●|●|–|●|○|○|○|–|●|
|国保|○|●|●|○|●|○|○|●|●|●|
|年金|○|○|○|○|●|○|○|●|–|●|
|後期高齢|○|●|●|–|●|○|○|●|●|●|
|介護|○|●|●|–|●|○|○|●|●|●|
|児童手当|○|○|○|●|●|○|●|○|○|●|
|子ども医療|○|●|●|○|●|○|○|●|○|●|
|保育(無償化)|○|●|●|○|●|○|○|●|○|●|
|住民税|●|●|●|–|●|○|○|●|○|●|
|固定・軽自|○|●|●|–|●|○|○|●|–|●|
|水道|○|○|○|–|○|○|○|○|–|○|
|就学|●|●|●|○|●|○|●|●|○|●|
|選挙|○|●|●|–|●|●|●|●|–|●|
|障害福祉|○|●|●|○|●|○|○|●|○|●|
|個番カード|●|●|○|○|●|●|●|●|–|●|
"""
ALSO = {  # told beside the table: system → kinds it must have a rule for
    "jido-fuyo": ("離婚", "死亡", "婚姻", "転居", "転出", "氏名", "世帯(主)"),
    "hitorioya": ("離婚", "死亡", "婚姻", "転居", "転出", "氏名", "世帯(主)"),
    "kenko": ("出生", "転入", "転居", "転出", "死亡", "氏名"),
    "seiho": ("転居", "転出", "死亡", "婚姻", "離婚", "氏名", "世帯(主)"),
    "jutaku": ("転居", "転出", "死亡", "婚姻", "離婚", "氏名", "世帯(主)"),
    "atena": ("転入", "転居", "転出", "出生", "死亡", "婚姻", "離婚", "氏名", "世帯(主)"),
    "koseki": ("転入", "転居", "転出", "氏名"),
}
PARENT, PUPIL = "1986-06-01", "2016-06-01"
PARENTS = {"benefits": {"jido_teate": {"active": True}}}
# The system of each row, and what it knows its own by: facts, and the date of birth.
ROWS = {
    "印鑑": ("inkan", {"contracts": {"inkan": {"active": True}}}, PARENT),
    "国保": ("kokuho", {"insurance": {"kokuho": {"active": True}}}, PARENT),
    "年金": ("nenkin", {"insurance": {"nenkin": {"active": True}}}, PARENT),
    "後期高齢": ("koki", {"insurance": {"koki": {"active": True}}}, "1944-07-22"),
    "介護": ("kaigo", {"insurance": {"kaigo": {"active": True}}}, "1944-07-22"),
    "児童手当": ("jido-teate", PARENTS, PARENT),
    "子ども医療": ("kodomo-iryo", {"benefits": {"kodomo_iryo": {"active": True}}}, PUPIL),
    "保育(無償化)": ("hoiku", {"benefits": {"hoiku": {"active": True}}}, "2023-06-01"),
    "住民税": ("zei", {}, PARENT),
    "固定・軽自": ("kotei", {"contracts": {"kotei": {"active": True}}}, PARENT),
    "水道": ("suido", {"contracts": {"suido": {"active": True}}}, PARENT),
    "就学": ("shugaku", PARENTS, PUPIL),  # the children's guardian for 離婚, the pupil for all else
    "選挙": ("senkyo", {}, PARENT),
    "障害福祉": ("shogai", {"benefits": {"shogai": {"active": True}}}, PARENT),
    "個番カード": ("kobango", {"contracts": {"kobango": {"active": True}}}, PARENT),
}


def cells():
    head, *rows = [line.strip("|").split("|") for line in MATRIX.strip().splitlines()]
    return [(row[0], kind, mark) for row in rows for kind, mark in zip(head[1:], row[1:], strict=True)]


CELLS = [cell for cell in cells() if cell[1] != "取消"]


@pytest.fixture(scope="module")
def city():
    return load_city(CITY, environ={})


@pytest.fixture(scope="module")
def router(city):
    return Router(RuleSet.of(city))


def rules_on(city, system, type_):
    return [rule for rule in city.systems[system].subscribes if type_ in rule.on]


def least(kind, birth):
    """Return the data of an event with only what it must have; a newcomer and a child bring their date of birth."""
    address = {"text": "大阪府守口市桃町2番2号"}
    return {
        "effective_on": "2026-11-20",
        **({"birth_date": "2026-11-20" if kind == "出生" else birth} if kind in {"転入", "出生"} else {}),
        **({"kind": "head"} if kind == "世帯(主)" else {"name": "守口 花子"}),
        **({"new_address": address} if kind in {"転入", "転居"} else {}),
        **({"old_address": address} if kind in {"転居", "転出"} else {}),
        **({"died_on": "2026-11-20"} if kind == "死亡" else {}),
        **({"registered_on": "2026-11-20"} if kind in {"婚姻", "離婚"} else {}),
        **({"old_name": "門真 花子"} if kind == "氏名" else {}),
    }


def told(router, kind, facts, birth):
    event = {"specversion": "1.0", "id": "1", "source": "/systems/test", "type": KINDS[kind], "subject": "1000001"}
    event = event_from({**event, "data": least(kind, birth)}, city="moriguchi", now="2026-11-20T09:00:00+09:00")
    known = {} if kind == "出生" else {"resident": {"birth_date": birth}}
    facts = merge(merge(empty(), facts), known)
    view = View(event.type, event.version, event.subject, {"id": event.id, "source": event.source}, event.data)
    plan = router.plan(view, facts, merge(facts, delta(event.type, event.data)))
    return {router.rules.rules[each.rule].system for each in plan if each.suppressed is None and each.hold is None}


def test_the_table_is_whole():
    assert len(CELLS) == 15 * 9
    assert {row for row, _, _ in CELLS} == ROWS.keys()


@pytest.mark.parametrize(("row", "kind", "mark"), CELLS)
def test_who_must_be_told_has_a_rule_and_who_must_not_has_none(city, row, kind, mark):
    found = rules_on(city, ROWS[row][0], KINDS[kind])
    if mark == "–":
        assert not found
    elif mark == "○":
        assert found
        assert all(rule.when for rule in found)
    else:
        assert found


@pytest.mark.parametrize(("row", "kind"), [(row, kind) for row, kind, mark in CELLS if mark == "●"])
def test_who_must_always_be_told_is_told_of_its_own(router, row, kind):
    system, facts, birth = ROWS[row]
    assert system in told(router, kind, facts, birth)


@pytest.mark.parametrize(("row", "kind"), [(row, kind) for row, kind, mark in CELLS if mark == "○"])
def test_a_condition_leaves_somebody_out(router, row, kind):
    """Someone nobody knows anything of, and who brings nothing along but an age that no ○ asks for."""
    facts = {"resident": {"alive": True}} if kind == "出生" else {}  # the second report of a birth
    birth = {"後期高齢": PARENT, "介護": PARENT, "国保": "1944-07-22", "年金": PUPIL, "選挙": PUPIL}.get(row, PARENT)
    assert ROWS[row][0] not in told(router, kind, facts, birth)


@pytest.mark.parametrize(("system", "kind"), [(system, kind) for system, kinds in ALSO.items() for kind in kinds])
def test_those_beside_the_table_have_their_rules(city, system, kind):
    assert rules_on(city, system, KINDS[kind])


def test_what_is_taken_back_can_be_told_everybody(city):
    """Cancellations need no rule; a receiver with columns of its own must still be able to say them."""
    for receiver in city.receivers():
        options = receiver.options
        if receiver.adapter == "database":
            assert options["on_cancel"], receiver.place
        elif receiver.adapter == "fixed_width":
            layout = city.layouts[options["layout"].removeprefix("layouts/").removesuffix(".yaml")]
            assert any("delivery.action" in str(field.value) for field in layout.record), receiver.place
        elif "columns" in options:
            assert any("delivery.action" in str(text) for text in options["columns"].values()), receiver.place
