"""Rule tests pass when plan and fields are exactly as said, and say in words where they are not."""

import dataclasses
import json

import pytest

from hub.errors import ConfigurationError
from hub.routing.ruletest import run_tests
from hub.settings.models import Protected, Receiver

from .cities import city, rule

DEATH = rule(
    id="death",
    on=("resident.died", "event.cancelled"),
    when="facts.insurance.kokuho.active",
    unknown="ask",
    send=("name", "died_on", "household_no", {"no": "facts.insurance.kokuho.certificate_no"}),
)
KOKI = rule("koki", id="off", when="facts.insurance.koki.active", send=("name",))
PASSES = """
- test: a death reaches the insurer the resident belonged to
  given: {facts: {insurance: {kokuho: {since: 2020-04-01, active: true}}}}
  event: {type: resident.died, subject: "1000001", data: {name: 守口 太郎, died_on: 2026-11-20,
    effective_on: 2026-11-20, household_no: "77"}}
  expect: {kokuho: {name: 守口 太郎, died_on: 2026-11-20, household_no: "77"}}
  not: [koki]
"""


@pytest.fixture
def run(tmp_path):
    def run(*texts, rules=(DEATH, KOKI), lang="en", **keys):
        (tmp_path / "tests").mkdir(exist_ok=True)
        for number, text in enumerate(texts):
            (tmp_path / "tests" / f"{number}.yaml").write_text(text, encoding="utf-8")
        return run_tests(city(*rules, **keys).model_copy(update={"folder": str(tmp_path)}), lang)

    return run


def test_the_contracts_own_test_passes(run):
    (result,) = run(PASSES)
    assert (result.passed, result.name) == (True, "a death reaches the insurer the resident belonged to")
    assert result.place == "tests/0.yaml:2:3"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "died_on: 2026-11-20, house",
            "died_on: 2026-11-21, house",
            ("died_on", "differs", "2026-11-21", "2026-11-20"),
        ),
        ('no: "77"}}\n  not', "no: 77}}\n  not", ("household_no", "differs", 77, "77")),
        ('household_no: "77"}}\n  not', "kana: モリ}}\n  not", ("kana", "is not sent", "モリ", None)),
    ],
)
def test_a_wrong_field_is_shown_with_both_values(run, before, after, expected):
    text = PASSES.split("expect:")
    (result,) = run(text[0] + "expect:" + ("expect:".join(text[1:])).replace(before, after))
    assert expected in [(d.field, d.message, d.expected, d.actual) for d in result.differences]
    assert (result.differences[0].receiver, result.differences[0].place) == ("kokuho.main", "tests/0.yaml:6:12")


def test_what_is_sent_beyond_the_expected_fails(run):
    (result,) = run(PASSES.replace(', household_no: "77"}}\n  not', "}}\n  not"))
    assert [(d.field, d.message, d.actual) for d in result.differences] == [("household_no", "is sent too", "77")]
    assert "\n".join(result.lines()) == ('kokuho.main (tests/0.yaml:6:12)\n    household_no: is sent too\n      + "77"')


def test_who_is_not_told_is_explained(run):
    text = PASSES.replace("active: true", "active: false")
    (result,) = run(text)
    assert result.differences[0].message.startswith("is not told: rule death: the condition is false")
    assert "伝わりません" in run(text, lang="ja")[0].differences[0].message


def test_who_must_not_be_told_and_is(run):
    (result,) = run(PASSES.replace("not: [koki]", "not: [kokuho, kokuho.main]"))
    assert [d.place for d in result.differences] == ["tests/0.yaml:7:9", "tests/0.yaml:7:17"]
    assert result.differences[0].message.startswith('is told by rule death: {"died_on"')


def test_a_held_delivery_is_not_a_told_one(run):
    held = PASSES.replace("given: {facts: {insurance: {kokuho: {since: 2020-04-01, active: true}}}}", "given: {}")
    (result,) = run(held)
    assert "is held by rule death (ask)" in result.differences[0].message
    held = held.split("  expect")[0]
    assert run(held + "  held: {kokuho: ask}\n")[0].passed
    (result,) = run(held + "  held: {kokuho.main: incomplete, koki: ask}\n")
    assert [(d.receiver, d.expected, d.actual) for d in result.differences] == [
        ("kokuho.main", "incomplete", "ask"),
        ("koki", "ask", None),
    ]
    (result,) = run(PASSES + "  held: {kokuho: ask}\n")
    assert result.differences[0].message == "is not held, but told by rule death"


def test_computed_fields_and_every_receiver_of_a_system_are_compared(run):
    text = PASSES.replace("active: true", "active: true, certificate_no: A1").replace(
        '"77"}}\n  not', '"77", no: A1}}\n  not'
    )
    assert run(text, receivers=("main", "desk"))[0].passed
    (result,) = run(PASSES.replace("active: true", "active: true, certificate_no: A1"), receivers=("main", "desk"))
    assert [d.receiver for d in result.differences] == ["kokuho.main", "kokuho.desk"]


def test_what_is_disabled_is_not_told(run):
    (result,) = run(PASSES, receivers=(Receiver(name="main", system="kokuho", adapter="csv", enabled=False),))
    assert "disabled" in result.differences[0].message


def test_after_has_the_event_applied(run):
    gone = rule(id="gone", when="facts.resident.alive && !after.resident.alive", send=("name",))
    text = PASSES.replace("insurance: {kokuho: {since: 2020-04-01, active: true}}", "resident: {alive: true}").split(
        "  expect"
    )
    assert run(text[0] + "  expect: {kokuho: {name: 守口 太郎}}\n", rules=(gone,))[0].passed


MOVED = """
- test: a protected resident moves
  given: {facts: {protected: true}}
  event: {type: resident.moved, subject: "1", data: {name: 守口 花子, effective_on: 2026-11-20,
    old_address: {text: 旧}, new_address: {text: 新}}}
"""
FLAGS = "protected: true, do_not_post: true"


@pytest.mark.parametrize(
    ("mode", "send_flag", "then"),
    [
        ("without-location", True, f"expect: {{kokuho: {{name: 守口 花子, {FLAGS}}}}}"),
        ("without-location", False, "expect: {kokuho: {name: 守口 花子}}"),
        ("flag-only", False, f"expect: {{kokuho: {{{FLAGS}}}}}"),
        ("full", False, "expect: {kokuho: {name: 守口 花子, new_address: {text: 新}}}"),
        ("none", False, "not: [kokuho]"),
    ],
)
def test_a_protected_resident_is_told_of_as_at_delivery(run, mode, send_flag, then):
    move = rule(
        id="moved",
        on="resident.moved",
        send=("name", "new_address"),
        protected=Protected(mode=mode, send_flag=send_flag),
    )
    (result,) = run(MOVED + f"  {then}\n", rules=(move,))
    assert [each.message for each in result.differences] == []
    unprotected = MOVED.replace("protected: true", "protected: false") + f"  {then}\n"
    assert run(unprotected, rules=(move,))[0].passed == (mode == "full")


def test_a_rule_that_tells_nothing_of_the_protected_says_so(run):
    move = rule(id="moved", on="resident.moved", send=("name",), protected=Protected(mode="none"))
    (result,) = run(MOVED + "  expect: {kokuho: {name: 守口 花子}}\n", rules=(move,))
    assert result.differences[0].message == (
        "is not told: the resident is protected, and rule moved tells nothing of such (protected: none)"
    )


def test_who_becomes_protected_by_the_event_is_protected_in_its_test(run):
    starts = rule(id="starts", on="resident.protection-started", send=({"home": "facts.resident.address"}, "kind"))
    text = """
- test: protection begins
  given: {facts: {resident: {address: {text: 旧}}}}
  event: {type: resident.protection-started, subject: "1", data: {kind: DV, effective_on: 2026-11-20}}
  expect: {kokuho: {kind: DV}}
"""
    assert run(text, rules=(starts,))[0].passed


def test_an_event_that_would_be_refused_fails_the_test(run):
    (result,) = run(PASSES.replace("died_on: 2026-11-20,\n    effective", "dead: 2026-11-20,\n    effective"))
    assert not result.passed
    assert result.differences[0].place == "tests/0.yaml:4:10"
    assert result.differences[0].message.startswith("the event is refused: ")


def test_results_are_json(run):
    result = run(PASSES.replace("not: [koki]", "not: [kokuho]"))[0]
    assert json.loads(json.dumps(dataclasses.asdict(result)))["differences"][0]["receiver"] == "kokuho.main"


@pytest.mark.parametrize(
    ("text", "place", "message", "mend"),
    [
        (PASSES.replace("not:", "nott:"), "0.yaml:7:3", "a test has no key `nott`", "did you mean not?"),
        (
            PASSES.replace("koki]", "kouki]"),
            "0.yaml:7:9",
            "there is no system or receiver `kouki`",
            "did you mean koki?",
        ),
        (PASSES.replace("expect: {kokuho:", "expect: {kokuho.desk:"), "0.yaml:6:12", "there is no", "mean kokuho"),
        (PASSES.replace("insurance:", "insurence:"), "0.yaml:3:19", "no facts called `insurence`", "insurance"),
        (
            PASSES.replace("active: true", "actve: true"),
            "0.yaml:3:59",
            "no fact `facts.insurance.kokuho.actve`",
            "`active`?",
        ),
        (PASSES.replace("active: true", 'active: "yes"'), "0.yaml:3:67", 'active` cannot be "yes"', "true or false"),
        (PASSES.replace("2020-04-01", "2020/04/01"), "0.yaml:3:47", 'cannot be "2020/04/01"', "YYYY-MM-DD"),
        (
            PASSES.replace("{insurance", "{resident: {status: died}, insurance"),
            "0.yaml:3:38",
            '"died"',
            "moved-out, dead",
        ),
        (PASSES.replace("{insurance", "{resident: {kana: 1}, insurance"), "0.yaml:3:36", "cannot be 1", "quotes"),
        (
            PASSES.replace("{insurance", "{protected: 1, insurance"),
            "0.yaml:3:30",
            "`facts.protected` cannot be 1",
            "true",
        ),
        (PASSES.replace("{insurance", "{resident: 1, insurance"), "0.yaml:3:29", "must be a mapping", "{fact: value}"),
        (PASSES.replace("{facts:", "{fact:"), "0.yaml:3:11", "`given` has no key `fact`", "facts"),
        (PASSES.split("  expect", maxsplit=1)[0], "0.yaml:2:3", "the test expects nothing", "expect"),
        ("- test: x\n  not: [koki]\n", "0.yaml:1:3", "a test needs an `event`", "type"),
        ("- just text\n", "0.yaml:1:3", "a test is a mapping", "test:"),
        ("- {test: x, event: [], not: [koki]}\n", "0.yaml:1:20", "`event` must be a mapping", ""),
        ("- test: x\n\tnot: y\n", "0.yaml:2:1", "", ""),
    ],
)
def test_files_that_are_no_tests_are_refused_with_the_mend(run, text, place, message, mend):
    with pytest.raises(ConfigurationError) as error:
        run(text)
    problem = error.value.problems[0]
    assert problem.place == f"tests/{place}"
    assert message in problem.message
    assert mend in problem.mend
