"""Who is told: one delivery per receiver, three-valued tests, nothing lost on the way."""

import orjson
import pytest
from msgspec import Raw

from hub.errors import ConfigurationError
from hub.events.wire import Lazy
from hub.routing.expressions import Environment
from hub.routing.plan import Planned, View
from hub.settings.models import Receiver

from .cities import EMPTY, KOKUHO, router, rule, view


def plan(*rules, event=None, facts=KOKUHO, after=None, **keys):
    return list(router(*rules, **keys).plan(event or view(), facts, after))


def told(*rules, **keys):
    return [(each.receiver, each.rule) for each in plan(*rules, **keys)]


def test_a_rule_without_a_condition_tells_every_receiver_of_its_system():
    assert plan(rule(), receivers=("main", "desk")) == [Planned(0, 0), Planned(1, 0)]
    assert told(rule(to=("desk",)), receivers=("main", "desk")) == [(1, 0)]


def test_only_the_types_it_names():
    rules = [rule(on=("resident.moved", "resident.died")), rule("koki", on="resident.moved")]
    assert told(*rules) == [(0, 0)]
    assert told(*rules, event=view("resident.moved")) == [(0, 0), (1, 1)]
    assert told(*rules, event=view("tax.assessed")) == []
    assert told(*rules, event=view("event.cancelled")) == []
    assert told(rule(on="event.cancelled"), event=view("event.cancelled")) == [(0, 0)]


def test_the_first_rule_in_file_order_that_speaks_wins_per_receiver():
    rules = [rule(id="a", when='data.name == "x"'), rule(id="b", to=("desk",), when="true"), rule(id="c")]
    assert told(*rules, receivers=("main", "desk")) == [(1, 1), (0, 2)]


@pytest.mark.parametrize(
    ("facts", "unknown", "expected"),
    [
        (KOKUHO, "skip", (None, 1)),
        ({**EMPTY, "insurance": {"kokuho": {"active": False}}}, "ask", (None, 0)),
        (EMPTY, "skip", (None, 0)),
        (EMPTY, "send", (None, 1)),
        (EMPTY, "ask", ("ask", 1)),
        ({**EMPTY, "insurance": {"kokuho": {"active": None}}}, "ask", ("ask", 1)),
    ],
)
def test_true_false_and_unknown(facts, unknown, expected):
    planned = plan(rule(when="facts.insurance.kokuho.active", unknown=unknown), facts=facts)
    assert ((planned[0].hold if planned else None), len(planned)) == expected


def test_the_negation_of_unknown_is_unknown():
    assert told(rule(when="!facts.insurance.kokuho.active"), facts=EMPTY) == []
    asked = plan(rule(when='data.kana == "x" || !facts.insurance.kokuho.active', unknown="ask"), facts=EMPTY)
    assert asked[0].hold == "ask"
    assert asked[0].detail == (
        "systems/kokuho.yaml:9:5: `when` is unknown: data.kana, facts.insurance.kokuho.active is missing"
    )


def test_has_makes_absence_an_answer():
    assert told(rule(when="!has(facts.insurance.koki)")) == [(0, 0)]
    assert told(rule(when="!has(facts.insurance.kokuho)")) == []
    assert told(rule(when="has(data.kana)"), event=view(kana="モリ")) == [(0, 0)]


def test_a_fault_holds_this_one_and_all_others_go_on():
    rules = [rule(when='int(data.name) > 1 && data.name != ""'), rule("koki", when="data.died_on"), rule("kaigo")]
    first, second, third = plan(*rules)
    assert (first.hold, second.hold, third.hold) == ("ask", "ask", None)
    assert first.detail.startswith("systems/kokuho.yaml:9:5: ")
    assert "true or false" in second.detail


def test_a_fault_in_what_is_sent_holds_too():
    (planned,) = plan(rule(send=("name", {"age": "int(data.name)"}, {"day": "data.died_on + '!'"})))
    assert planned.hold == "ask"
    assert planned.values == {"day": "2026-11-20!"}


def test_a_whole_group_can_be_sent():
    fields = {"name": "守口 太郎", "new_address": {"text": "京阪本通2-5-5"}}
    data = Lazy({name: Raw(orjson.dumps(value)) for name, value in fields.items()})
    event = View("resident.moved", 1, "1000001", view().attributes, data)
    groups = {"data": "data", "facts": "facts", "event": "event", "list": "[data]"}
    (planned,) = plan(rule(on="resident.moved", send=(groups,)), event=event)
    values = orjson.loads(orjson.dumps(planned.values))
    assert (values["data"], values["facts"], values["list"]) == (fields, KOKUHO, [fields])


def test_computed_values_are_planned_and_missing_ones_absent():
    sends = (
        "name",
        {"kana": "facts.resident.kana"},
        {"old": "data.died_on"},
        {"a": "age_on(facts.resident.b, '2026-01-01')"},
    )
    assert plan(rule(send=sends))[0].values is None
    facts = {**EMPTY, "resident": {"kana": "モリ", "b": "1950-05-05"}}
    assert plan(rule(send=sends), facts=facts)[0].values == {"kana": "モリ", "a": 75}


def test_require_holds_what_is_incomplete():
    send = ("name", "kana", {"sex": "facts.resident.sex"}, "address.town", {"no": "data.household_no"})
    complete = {"kana": "モリ", "address": {"text": "x", "town": "京阪本通"}, "household_no": "77"}
    facts = {**EMPTY, "resident": {"sex": "男"}}
    needs = rule(send=send, require=("kana", "sex", "address.town", "no", "birth_date"))
    (planned,) = plan(needs)
    assert planned.hold == "incomplete"
    assert planned.detail == "systems/kokuho.yaml:9:5: kana, sex, address.town, no, birth_date is missing"
    (planned,) = plan(needs, facts=facts, event=view(**complete))
    assert planned.detail == "systems/kokuho.yaml:9:5: birth_date is missing"
    (planned,) = plan(needs, facts=facts, event=view(**complete, birth_date="1950-05-05"))
    assert (planned.hold, planned.values) == (None, {"sex": "男"})


def test_require_asks_nothing_of_a_type_without_the_field():
    needs = rule(on=("resident.died", "resident.moved"), send=("died_on", "new_address"), require=("new_address",))
    assert plan(needs)[0].hold is None
    assert plan(needs, event=view("resident.moved"))[0].hold == "incomplete"


def test_what_is_disabled_is_suppressed_and_never_vanishes():
    (off,) = plan(rule(enabled=False, send=({"x": "facts.resident.kana"},)))
    assert (off.suppressed, off.detail) == ("disabled", "the rule kokuho.r is disabled")
    closed = Receiver(name="main", system="kokuho", adapter="csv", enabled=False)
    first, second = plan(rule(), receivers=(closed, "desk"))
    assert (first.suppressed, first.detail) == ("disabled", "the receiver kokuho.main is disabled")
    assert (second.receiver, second.suppressed) == (1, None)


def test_a_disabled_rule_does_not_stand_before_one_that_is_not():
    (planned,) = plan(rule(id="a", enabled=False), rule(id="b"))
    assert (planned.rule, planned.suppressed) == (1, None)
    (planned,) = plan(rule(id="a", enabled=False, when="facts.insurance.kokuho.active"), rule(id="b", when="false"))
    assert (planned.rule, planned.suppressed) == (0, "disabled")


def test_rules_see_the_event_the_subject_and_what_comes_after():
    assert told(rule(when='event.source == "/systems/juki" && event.type == "resident.died" && event.version == 1'))
    assert told(rule(when='subject == "1000001"'))
    assert not told(rule(when="after.resident.alive"))
    assert told(rule(when="after.resident.alive"), after={"resident": {"alive": True}})


def test_remembered_answers_keep_types_apart():
    one = router(rule(when="facts.x == 1"), rule("b", when="facts.x == true"), rule("c", when='facts.x == "1"'))
    for value, expected in ((1, 0), (True, 1), ("1", 2), (1, 0)):
        alone = router(
            *[rule(when="facts.x == 1"), rule("b", when="facts.x == true"), rule("c", when='facts.x == "1"')]
        )
        assert one.plan(view(), {"x": value}, None) == alone.plan(view(), {"x": value}, None)
        assert Planned(expected, expected) in one.plan(view(), {"x": value}, None)


def test_tables_and_numbers_are_lent():
    tables = {
        "jiyu": [
            {"code": "1", "value": "旧", "until": "2026-10-31"},
            {"code": "1", "value": "新", "from": "2026-11-01"},
        ]
    }
    dated = rule(when='lookup("jiyu", "1") == "新"')
    assert told(dated, tables=tables)
    assert not told(dated, tables=tables, event=view(effective_on="2026-10-01"))
    asks = rule(send=({"no": 'local_id("kaigo", subject)'},))
    seen = []
    env = Environment(local_id=lambda system, resident: seen.append(resident) or f"{system}-{resident}-{len(seen)}")
    routed = router(asks, env=env)
    assert [routed.plan(view(), EMPTY, None)[0].values for _ in range(2)] == [
        {"no": "kaigo-1000001-1"},
        {"no": "kaigo-1000001-2"},
    ]


def test_the_facts_rules_may_use_are_named():
    routed = router(
        rule(when="facts.insurance.kokuho.active && has(after.resident.alive)", send=({"k": "facts.resident.kana"},)),
        rule(on="resident.moved", when="facts.household.size > 1"),
    )
    assert routed.fact_paths_of("resident.died") == {
        ("insurance", "kokuho", "active"),
        ("resident", "alive"),
        ("resident", "kana"),
    }
    assert routed.fact_paths == routed.fact_paths_of("resident.died") | {("household", "size")}
    assert (routed.uses_household("resident.died"), routed.uses_household("resident.moved")) == (False, True)
    assert (routed.uses_after("resident.died"), routed.uses_after("resident.moved")) == (True, False)
    assert routed.fact_paths_of("tax.assessed") == frozenset()


def test_every_expression_that_does_not_compile_is_listed():
    with pytest.raises(ConfigurationError) as error:
        router(rule(when="data.x =="), rule("koki", send=({"a": "nothing.there"},), line=4), rule("b", when="true"))
    assert [problem.place for problem in error.value.problems] == ["systems/kokuho.yaml:9:5", "systems/koki.yaml:4:5"]
    assert "`send: a`" in error.value.problems[1].message
