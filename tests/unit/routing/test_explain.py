"""Why each system is told, and why each other one is not."""

import json

import pytest

from hub.routing.explain import Told
from hub.settings.models import Because, Receiver, Within

from .cities import EMPTY, KOKUHO, router, rule, view

DEATH = rule(
    id="death",
    when="facts.insurance.kokuho.active",
    send=("name", "kana", "died_on", {"no": "facts.insurance.kokuho.certificate_no"}),
    because=Because(purpose="資格喪失", provision="国民健康保険法 要確認"),
    within=Within(days=14, roll="next-open"),
)


def explained(*rules, facts=KOKUHO, event=None, lang="ja", **keys):
    return router(*rules, **keys).explain(event or view(), facts, None, lang)


def why(*rules, system="kokuho", lang="ja", **keys):
    (found,) = [each for each in explained(*rules, lang=lang, **keys).not_told if each["system"] == system]
    return found


def test_who_is_told_by_which_rule_and_with_what():
    told = explained(DEATH).told
    assert told == [
        Told(
            system="kokuho",
            receiver="kokuho.main",
            rule="death",
            place="systems/kokuho.yaml:9:5",
            because="資格喪失",
            provision="国民健康保険法 要確認",
            within={"days": 14, "from": "known", "roll": "next-open"},
            deadline="知った日から14日以内（閉庁日なら翌開庁日まで）",
            fields=["name", "died_on"],
            hold=None,
            detail="",
        )
    ]
    english = explained(DEATH, lang="en").told[0]
    assert english["deadline"] == "within 14 days of being told, rolled to the next open day"


def test_it_is_json():
    explanation = explained(DEATH, rule(id="other"), rule("koki", on="resident.moved"))
    assert json.loads(json.dumps(explanation.as_dict())) == explanation.as_dict()
    assert set(explanation.as_dict()) == {"told", "not_told", "covered"}


@pytest.mark.parametrize(
    ("facts", "ja", "en"),
    [
        (
            {**EMPTY, "insurance": {"kokuho": {"active": False}}},
            (
                "ルール death: 条件が成り立ちません: "
                "facts.insurance.kokuho.active（facts.insurance.kokuho.active = false）"
            ),
            "rule death: the condition is false: facts.insurance.kokuho.active (facts.insurance.kokuho.active = false)",
        ),
        (
            EMPTY,
            "ルール death: 条件を判断できません: facts.insurance.kokuho.active（不明: facts.insurance.kokuho.active）",
            (
                "rule death: the condition cannot be told: "
                "facts.insurance.kokuho.active (missing: facts.insurance.kokuho.active)"
            ),
        ),
    ],
)
def test_a_condition_that_failed_shows_what_it_saw(facts, ja, en):
    assert why(DEATH, facts=facts)["why"] == ja
    assert why(DEATH, facts=facts, lang="en")["why"] == en
    assert why(DEATH, facts=facts)["rule"] == "death"
    assert why(DEATH, facts=facts)["place"] == "systems/kokuho.yaml:9:5"


def test_absent_values_are_shown_as_absent_and_long_ones_cut():
    seen = why(rule(when='has(data.kana) && data.name == "x"'), event=view(name="あ" * 200), lang="en")["why"]
    assert "data.kana = absent" in seen
    assert len(seen) < 250


def test_every_rule_on_the_type_says_why_and_the_first_is_the_nearest():
    found = why(rule(id="a", when="false"), rule(id="b", when='data.kana == "x"'), lang="en")
    assert (found["rule"], found["reason"]) == ("a", "false")
    assert "rule a: " in found["why"]
    assert "rule b: " in found["why"]


def test_a_system_without_a_rule_on_the_type_has_the_most_similar_one_shown():
    rules = [rule(id="tax", on="tax.assessed"), rule(id="out", on=("resident.moved-out", "resident.moved-in"))]
    found = why(*rules, event=view("resident.moved"))
    assert (found["rule"], found["reason"]) == ("out", "type")
    assert "resident.moved-out、resident.moved-in" in found["why"]


def test_a_system_without_rules():
    found = why(DEATH, system="juki", systems=("juki",), lang="en")
    assert found["rule"] is None
    assert found["why"] == "it has no rules; it reported this event itself"


def test_the_reporting_system_is_told_like_any_other():
    assert [each["system"] for each in explained(rule("juki")).told] == ["juki"]


def test_what_is_disabled_is_not_told_and_says_so():
    off = why(rule(enabled=False), lang="en")
    assert off["why"] == "rule r: the condition holds, but the rule is disabled"
    closed = Receiver(name="main", system="kokuho", adapter="csv", enabled=False)
    assert "receiver kokuho.main is disabled" in why(rule(), receivers=(closed,), lang="en")["why"]
    assert explained(rule(enabled=False)).planned[0].suppressed == "disabled"
    assert "受け口がありません" in why(rule(), receivers=())["why"]


def test_covered_rules_name_the_one_that_told():
    rules = [rule(id="a", to=("desk",)), rule(id="b"), rule(id="c", when="false"), rule(id="d")]
    covered = explained(*rules, receivers=("main", "desk")).covered
    assert [(each["receiver"], each["rule"], each["by"]) for each in covered] == [
        ("kokuho.desk", "b", "a"),
        ("kokuho.main", "d", "b"),
        ("kokuho.desk", "d", "a"),
    ]


def test_a_held_delivery_is_told_with_its_hold():
    told = explained(rule(when="facts.insurance.koki.active", unknown="ask")).told
    assert (told[0]["hold"], "facts.insurance.koki.active" in told[0]["detail"]) == ("ask", True)
