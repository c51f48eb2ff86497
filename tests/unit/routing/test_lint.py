"""What `hub check` finds: each problem at its place, with its mend."""

import pytest

from hub.errors import ConfigurationError
from hub.routing.lint import check
from hub.settings.load import load_city

from .cities import city as built
from .cities import rule

JUKI = """\
system: juki
owner: 総合窓口課
protected: {mode: full}
publishes:
  - from: {adapter: csv, path: in/*.csv}
    subject: row.宛名番号
    defaults: {effective_on: wareki(row.異動日)}
    cases:
      - {event: resident.died, when: 'row.種別 == "死亡"', map: {name: row.氏名, died_on: row.死亡日}}
      - {event: resident.moved, map: {name: row.氏名, old_address: address(row.旧), new_address: address(row.新)}}
receives: {}
"""
KOKUHO = """\
system: kokuho
owner: 保険課
protected: {mode: without-location}
subscribes:
  - id: death
    on: resident.died
    when: facts.insurance.kokuho.active
    send: [name, died_on, {kana: facts.resident.kana}]
    because: 資格喪失
receives: {adapter: csv, path: out/}
"""


@pytest.fixture
def lint(tmp_path):
    """Return a function that checks a city of these files, changed by (before, after) pairs."""

    def lint(*changes, hub="city: test\n", **files):
        texts = {"juki": JUKI, "kokuho": KOKUHO, **files}
        for before, after in changes:
            assert any(before in text for text in texts.values()), before
            texts = {name: text.replace(before, after) for name, text in texts.items()}
        (tmp_path / "systems").mkdir(exist_ok=True)
        (tmp_path / "tables").mkdir(exist_ok=True)
        (tmp_path / "hub.yaml").write_text(hub, "utf-8")
        (tmp_path / "tables" / "jiyu.csv").write_text("code,value,from,until\n1,転居,,\n", "utf-8")
        for name, text in texts.items():
            (tmp_path / "systems" / f"{name}.yaml").write_text(text, "utf-8")
        return check(load_city(tmp_path, environ={"TOKEN": "t0p"}))

    return lint


def test_a_good_city_has_no_problems(lint):
    assert lint() == []


WHEN = "when: facts.insurance.kokuho.active"
SEND = "send: [name, died_on, {kana: facts.resident.kana}]"
ERRORS = [
    # before, after, place, part of the message, part of the mend, code
    (
        "on: resident.died",
        "on: resident.dead",
        "kokuho.yaml:6:9",
        "`resident.dead`",
        "`resident.died`?",
        "type-unknown",
    ),
    (
        "event: resident.died",
        "event: resident.deid",
        "juki.yaml:9:17",
        "`resident.deid`",
        "`resident.died`?",
        "type-unknown",
    ),
    (SEND, "send: [name, address.city]", "kokuho.yaml:8:18", "`address.city` to send", "there is", "field-unknown"),
    (SEND, "send: [name, namae]", "kokuho.yaml:8:18", "`namae` to send", "`name`?", "field-unknown"),
    (SEND, "send: [name.first]", "kokuho.yaml:8:12", "`name.first`", "`name` has no parts", "field-unknown"),
    (
        SEND,
        "send: [scheme]",
        "kokuho.yaml:8:12",
        "`resident.died` has no field",
        "facts.resident",
        "field-unknown",
    ),
    (SEND, "send: [name, {name: data.kana}]", "kokuho.yaml:8:25", "`name` is sent twice", "remove one", "send-twice"),
    (SEND, "send: [{k: facts.resident.knaa}]", "kokuho.yaml:8:16", "`facts.resident.knaa`", "`kana`?", "fact-unknown"),
    (SEND, 'send: [{k: \'lookup("jiyo", "1")\'}]', "kokuho.yaml:8:24", "table jiyo", "jiyu", "expression"),
    (WHEN, "when: kna(data.name) == 'x'", "kokuho.yaml:7:11", "no function kna()", "kana", "expression"),
    (WHEN, "when: 'data.name == '", "kokuho.yaml:7:25", "ends too early", "", "expression"),
    (WHEN, "when: \"data.nmae == 'x'\"", "kokuho.yaml:7:12", "`data.nmae`", "`name`?", "field-unknown"),
    (
        WHEN,
        "when: true && data.new_address.town == 'x'",
        "kokuho.yaml:7:19",
        "`data.new_address.town`",
        "`address`?",
        "field-unknown",
    ),
    (
        WHEN,
        "when: facts.insurence.kokuho.active",
        "kokuho.yaml:7:11",
        "there is no fact",
        "`insurance`?",
        "fact-unknown",
    ),
    (WHEN, "when: facts.insurance.kokuho.activ", "kokuho.yaml:7:11", "no fact", "`active`?", "fact-unknown"),
    (WHEN, "when: after.resident.alive.x", "kokuho.yaml:7:11", "after.resident.alive.x", "", "fact-unknown"),
    (WHEN, "when: event.data.name == 'x'", "kokuho.yaml:7:11", "`event.data.name`", "data.", "path-unknown"),
    (WHEN, 'when: local_id("kokuhoo", subject) == "1"', "kokuho.yaml:7:20", "`kokuhoo`", "`kokuho`?", "system-unknown"),
    (WHEN, "when: 1 > 2", "kokuho.yaml:7:11", "can never match: the condition is always false", "enabled", "never"),
    (WHEN, 'when: data.name == "a" && data.name == "b"', "kokuho.yaml:7:11", "cannot be both", "", "never"),
    (
        WHEN,
        "when: \"'a' == data.name && data.kana > 'x' && data.name == 'b'\"",
        "kokuho.yaml:7:11",
        "both",
        "",
        "never",
    ),
    (WHEN, "when: facts.protected && !facts.protected", "kokuho.yaml:7:11", "both true and false", "", "never"),
    (WHEN, 'when: event.type == "resident.moved"', "kokuho.yaml:7:11", "never on", "", "never"),
    ("because: 資格喪失", "within: 14d", "kokuho.yaml:5:5", "does not say why", "because", "because-missing"),
    ("because: 資格喪失", "because: ' '", "kokuho.yaml:9:14", "does not say why", "because", "because-missing"),
    (
        "because: 資格喪失",
        "because: 資格喪失\n    require: [kan]",
        "kokuho.yaml:10:15",
        "`kan`",
        "`kana`?",
        "require-unknown",
    ),
    (
        "receives: {adapter: csv, path: out/}",
        "receives: {}",
        "kokuho.yaml:5:5",
        "no receiver",
        "receives",
        "receiver-missing",
    ),
    ("map: {name: row.氏名, died_on", "map: {died_on", "juki.yaml:9:17", "needs `name`", "name: row.", "field-missing"),
    (
        "map: {name: row.氏名, died_on",
        "map: {nmae: row.x, name: row.氏名, died_on",
        "juki.yaml:9:68",
        "`nmae`",
        "`name`?",
        "field-unknown",
    ),
    ("died_on: row.死亡日", "died_on: warek(row.死亡日)", "juki.yaml:9:85", "warek()", "wareki", "expression"),
    ("subject: row.宛名番号", "subject: data.x", "juki.yaml:6:14", "data is not known", "", "expression"),
    (
        "defaults: {",
        "defaults: {effective: row.x, ",
        "juki.yaml:7:27",
        "`effective`",
        "`effective_on`?",
        "field-unknown",
    ),
    (
        "event: resident.died, when: 'row.種別 == \"死亡\"', map: {name: row.氏名, died_on: row.死亡日}",
        "event: event.cancelled",
        "juki.yaml:9:9",
        "name its target",
        "cancels:",
        "target",
    ),
    (
        "event: resident.died,",
        "event: resident.died, cancels: {sequence: row.x},",
        "juki.yaml:9:41",
        "belongs to",
        "event:",
        "target",
    ),
]


@pytest.mark.parametrize(("before", "after", "place", "message", "mend", "code"), ERRORS)
def test_errors_stand_at_their_place_with_the_mend(lint, before, after, place, message, mend, code):
    found = [problem for problem in lint((before, after)) if problem.level == "error"]
    assert [(problem.place, problem.code) for problem in found] == [(f"systems/{place}", code)]
    (problem,) = found
    assert message in problem.message
    assert mend in problem.mend


DEATH = "on: resident.died\n    "
NEVER = [
    # on, when, column, message, mend
    ("resident.died", "data.effective_on > 5", 11 + 20, "a date and cannot be compared with 5", '"2026-04-01"'),
    ("resident.died", "data.died_on == 20260401", 11 + 16, "is a date and is never 20260401", "in quotes"),
    ("resident.died", 'facts.resident.alive == "yes"', 11 + 24, 'true or false and is never "yes"', "by itself"),
    ("resident.died", '"true" != facts.resident.alive', 11, 'is never "true"', "!facts.resident.alive"),
    ("resident.died", 'facts.household.size >= "2"', 11 + 24, "is a number", "without quotes"),
    ("resident.died", 'facts.household.members == "1"', 11 + 27, "is a list", "in facts.household.members"),
    ("resident.died", "subject == 1000001", 11 + 11, "`subject` is a text", '"1000001"'),
    ("resident.died", "data.name == -1", 11 + 14, "is a text", "in quotes"),
    ("resident.died", 'data.died_on < "2026/1/1"', 11 + 15, 'a date, and "2026/1/1" is none', 'write "2026-01-01"'),
    ("resident.died", 'data.died_on == "20260401"', 11 + 16, "is none", 'write "2026-04-01"'),
    ("resident.died", 'data.died_on == "2026-02-31"', 11 + 16, "is none", "YYYY-MM-DD"),
    ("resident.died", 'data.died_on >= "R8.4.1"', 11 + 16, "is none", "YYYY-MM-DD"),
    ("resident.died", 'facts.insurance["kokuho"].since > "令和8年"', 11 + 34, "is a date", "YYYY-MM-DD"),
    ("resident.died", 'facts.resident.status == "deda"', 11 + 25, 'is never "deda"', "did you mean `dead`?"),
    ("resident.died", 'facts.resident.address == "大宮"', 11 + 26, "has parts", "`text`"),
    ("household.changed", '(data.kind == "spilt" || facts.protected)', 11 + 14, '"spilt"', "did you mean `split`?"),
    ("[resident.died, household.changed]", 'data.kind == "spilt"', 11 + 13, '"spilt"', "`split`?"),
]


@pytest.mark.parametrize(("on", "when", "column", "message", "mend"), NEVER)
def test_what_can_never_be_equal_is_found_by_its_kind(lint, on, when, column, message, mend):
    found = lint((DEATH, f"on: {on}\n    "), (WHEN, f"when: '{when}'"), (SEND, "send: [effective_on]"))
    (problem,) = [each for each in found if each.level == "error"]
    assert (problem.place, problem.code) == (f"systems/kokuho.yaml:7:{column + 1}", "never")
    assert message in problem.message
    assert mend in problem.mend


@pytest.mark.parametrize(
    "when",
    [
        'data.effective_on > "2026-04-01" && data.died_on >= "2026-04" && data.died_on < "2027"',
        'data.died_on <= "2026-02-31"',
        'facts.resident.alive == true && facts.household.size > 1.5 && facts.resident.status != "dead"',
        'facts.insurance.kokuho.until == "9999-12-31" && age_on(data.birth_date, data.died_on) >= 75',
        'size(data.name) > 5 || data.name + "x" == "yx" || !facts.protected == true',
        "facts.household.members.exists(m, m == 1) && event.sequence == 5 && event.version == 1",
        'string(facts.household.size) == "2" && fiscal_year(data.died_on) == 2026',
        'facts["resident"]["status"] == "dead" || data.name in ["a", "b"] && data.kana == null',
        'data.died_on == "" || facts.resident.status != ""',
        '(data.died_on > data.effective_on ? "a" : "b") == "a"',
    ],
)
def test_what_may_be_equal_is_let_be(lint, when):
    found = lint((WHEN, f"when: |\n      {when}"))
    assert [each for each in found if each.level == "error"] == []


def test_one_type_that_can_be_so_is_enough(lint):
    found = lint((DEATH, "on: [household.changed, guardian.appointed]\n    "), (WHEN, 'when: data.kind == "補助"'),
                 (SEND, "send: [effective_on]"))  # fmt: skip
    assert [each for each in found if each.level == "error"] == []


def test_comparisons_of_what_is_sent_are_looked_at_too(lint):
    found = lint((SEND, "send: [{dead: facts.resident.alive == 0}]"))
    (problem,) = [each for each in found if each.level == "error"]
    assert (problem.place, problem.code) == ("systems/kokuho.yaml:8:43", "never")


def warnings(problems):
    assert [problem for problem in problems if problem.level == "error"] == []
    return [(problem.place, problem.code) for problem in problems]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("on: resident.died", "on: [resident.died, resident.born]", ("kokuho.yaml:6:25", "unpublished")),
        ("on: resident.died", "on: [resident.died, event.corrected]", ("kokuho.yaml:6:25", "on-amendment")),
        (
            "because: 資格喪失",
            "because: {purpose: 資格喪失, provision: 法第9条（要確認）}",
            ("kokuho.yaml:9:14", "because-unconfirmed"),
        ),
        ("protected: {mode: without-location}\n", "", None),
        (WHEN, "when: size(data.name) > 1", ("kokuho.yaml:7:11", "size-of-text")),
        (WHEN, "when: data.name.size() > 1 && size(facts.insurance) > 0", ("kokuho.yaml:7:21", "size-of-text")),
        (WHEN, "when: size([data.name]) > 1", None),
        (WHEN, 'when: event.tiem > "2026"', ("kokuho.yaml:7:11", "attribute-unknown")),
        (
            "died_on: row.死亡日",
            "died_on: 'size(row.死亡日) > 1 ? row.死亡日 : \"\"'",
            ("juki.yaml:9:86", "size-of-text"),
        ),
    ],
)
def test_warnings(lint, before, after, expected):
    assert warnings(lint((before, after))) == ([(f"systems/{expected[0]}", expected[1])] if expected else [])


@pytest.mark.parametrize(
    "send",
    [
        "[address]",
        "[address.town]",
        "[household_no]",
        "[{home: facts.resident.address.text}]",
        "[{no: data.household_no}]",
        "[{all: data}]",
        "[{all: facts}]",
    ],
)
def test_sending_where_a_person_is_asks_for_an_own_protection(lint, send):
    sends = (SEND, f"send: {send}")
    assert warnings(lint(sends)) == []
    own = ("protected: {mode: without-location}\n", "")
    assert [code for _, code in warnings(lint(sends, own))] == ["protected-missing"]
    ruled = ("because: 資格喪失", "because: 資格喪失\n    protected: {mode: full}")
    assert warnings(lint(sends, own, ruled)) == []


def test_a_system_that_does_nothing(lint):
    assert warnings(lint(idle="system: idle\n")) == [("systems/idle.yaml:1:1", "idle")]
    hub = "city: test\nprotection: {list: idle.shien}\n"
    assert warnings(lint(hub=hub, idle="system: idle\nsources: {shien: {adapter: csv, path: x}}\n")) == []


def test_names_in_hub_yaml(lint):
    hub = (
        'city: test\nauthority:\n  resident.dead: [juki]\n  "resident.*": [juki, kosek]\n'
        "protection: {list: juki.main2}\n"
    )
    assert [(problem.place, problem.code, problem.mend) for problem in lint(hub=hub)] == [
        ("hub.yaml:3:18", "type-unknown", "did you mean `resident.died`?"),
        ("hub.yaml:4:24", "system-unknown", "there is juki, kokuho"),
        ("hub.yaml:5:20", "source-unknown", "did you mean `juki.main`?"),
    ]


def test_a_list_of_protected_residents_cannot_be_a_full_extract(lint):
    hub = "city: test\nprotection: {list: idle.shien}\n"
    idle = "system: idle\nsources: {shien: {adapter: csv, path: x, mode: snapshot, key: row.a}}\n"
    found = [problem for problem in lint(hub=hub, idle=idle) if problem.place.startswith("hub.yaml")]
    assert [(problem.place, problem.code, problem.level) for problem in found] == [
        ("hub.yaml:2:20", "snapshot", "error")
    ]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("password: hunter2", "10:48"),
        ("api_key: abc", "10:47"),
        ("url: 'postgresql://hub:pw@db/x'", "10:43"),
        ("url: 'https://x/y?token=abc'", "10:43"),
        ("headers: {Authorization: Bearer abc}", "10:63"),
        ("password: env:TOKEN", None),
        ("headers: {Authorization: env:TOKEN}", None),
        ("url: 'postgresql://db/x'", None),
        ("url: 'https://x/y?token={subject}'", None),
        ("token_url: 'https://x'", None),
        ("columns: {password: data.name}", None),
    ],
)
def test_secrets_stand_outside_the_file(lint, written, place):
    problems = lint(("path: out/}", f"path: out/, {written}}}"))
    assert [(p.place, p.code) for p in problems] == ([(f"systems/kokuho.yaml:{place}", "secret")] if place else [])
    assert not any("hunter2" in str(p) or "pw@" in str(p) or "abc" in str(p) for p in problems)


@pytest.mark.parametrize(
    ("first", "second", "shadowed"),
    [
        ("", "", True),
        (", when: data.name == 'a'", "", False),
        (", when: 'true'", ", when: data.name == 'a'", True),
        (", when: data.name=='a'", ", when: data.name == 'a'", True),
        (", when: data.name == 'a'", ", when: data.name == 'a', unknown: send", False),
        (", when: data.name == 'a', unknown: ask", ", when: data.name == 'a', unknown: ask", True),
        (", when: data.name == 'a'", ", when: data.name == 'b'", False),
        (", enabled: false", "", False),
        ("", ", enabled: false", False),
        (", to: a", "", False),
        (", to: a", ", to: a", True),
        (", to: a", ", to: b", False),
    ],
)
def test_a_rule_that_earlier_ones_leave_nothing(lint, first, second, shadowed):
    head, _ = KOKUHO.split("  - id: death")
    rules = [
        f"  - {{id: {name}, on: resident.died, send: [name], because: x{keys}}}"
        for name, keys in (("a", first), ("b", second))
    ]
    text = head + "\n".join(rules) + "\nreceives: {a: {adapter: csv, path: a/}, b: {adapter: csv, path: b/}}\n"
    found = lint(kokuho=text)
    assert [(p.place, p.code) for p in found] == ([("systems/kokuho.yaml:6:5", "shadowed")] if shadowed else [])
    if shadowed:
        assert "`a` before it takes all" in found[0].message


def test_several_rules_together_leave_nothing(lint):
    head, _ = KOKUHO.split("  - id: death")
    on = ("resident.died", "resident.moved", "[resident.moved, resident.died]")
    rules = [f"  - {{id: r{i}, on: {types}, send: [name], because: x}}" for i, types in enumerate(on)]
    (problem,) = lint(kokuho=head + "\n".join(rules) + "\nreceives: {adapter: csv, path: a/}\n")
    assert "`r0`, `r1` before it" in problem.message


def test_places_of_expressions_over_several_lines_name_the_line_within(lint):
    (problem,) = lint((WHEN, "when: |\n      data.name == 'a' &&\n      datta.name == 'b'"))
    assert problem.place == "systems/kokuho.yaml:7:11"
    assert "line 2, column 1" in problem.message


def test_a_field_one_of_the_types_has_is_enough(lint):
    types = ("on: resident.died", "on: [resident.died, resident.moved]")
    assert lint(types, (SEND, "send: [died_on, new_address.town]"), (WHEN, "when: has(data.new_address)")) == []


def test_a_city_made_without_files_has_the_places_its_models_know():
    problems = check(built(rule(on="resident.dead", when="data.x ==", because=None)))
    assert {problem.place for problem in problems} == {"systems/kokuho.yaml:9:5"}
    assert {problem.code for problem in problems} == {"type-unknown", "expression", "because-missing"}


def test_what_ties_an_acknowledgement_to_a_delivery_is_compiled_at_its_place(lint):
    kaigo = (
        "system: kaigo\nreceives:\n  adapter: csv\n  path: out/\n"
        "  acknowledged: {from: {adapter: csv, path: in/*.csv}, match: {no: int(line.連番)}}\n"
    )
    assert ("5", "expression") in [
        (problem.place.split(":")[1], problem.code) for problem in lint(kaigo=kaigo) if problem.level == "error"
    ]


def test_settings_without_effect_say_not_yet(lint):
    kaigo = (
        "system: kaigo\n"
        "ids: {name: 被保険者番号}\n"
        "sources:\n"
        "  zenken: {adapter: csv, path: in/z/*.csv, mode: snapshot, key: row.宛名番号, compare: 氏名}\n"
        "subscribes:\n"
        "  - {id: death, on: resident.died, send: [name], because: 資格, unidentified: true}\n"
        "receives: {adapter: csv, path: out/}\n"
    )
    found = warnings(lint(kaigo=kaigo))
    assert [place for place, code in found if code == "not-yet"] == []


SNAPSHOT = """system: juki
sources:
  zenken: {{adapter: csv, path: in/*.csv, mode: snapshot, {settings}}}
publishes:
  - from: zenken
    event: insurance.enrolled
    subject: row.宛名番号
    map: {{scheme: {scheme}, effective_on: batch.date}}
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("key: row.宛名番号", "needs `compare`"),
        ("compare: 氏名", "needs `key`"),
        ("key: row.宛名番号, compare: [氏名, 氏名]", "names 氏名 twice"),
        ("key: row.宛名番号, compare: 氏名, on_missing: publish", "no case says what a missing row means"),
        ("key: row.宛名番号, compare: 氏名, shares_state_with: zenken", "no other source"),
        ("key: row.宛名番号, compare: 氏名, as_of: was.a", "was"),
        ("key: row.宛名番号, compare: 氏名, reconcile: {氏名: row.氏名}", "row"),
    ],
)
def test_a_full_extract_that_cannot_be_compared(lint, settings, message):
    try:
        found = lint(juki=SNAPSHOT.format(settings=settings, scheme="was.保険"))
    except ConfigurationError as error:
        found = error.problems
    assert [message in problem.message for problem in found if problem.level == "error"] == [True]


def test_what_is_to_be_published_needs_a_mapping_and_differences_see_what_was(lint):
    settings = "key: row.宛名番号, compare: 氏名, on_change: publish"
    sound = lint(juki=SNAPSHOT.format(settings=settings, scheme="'change + was.保険 + changed[0]'"))
    assert [problem for problem in sound if problem.level == "error"] == []
    bare = SNAPSHOT.format(settings=settings, scheme="x").partition("publishes:")[0]
    assert [problem.code for problem in lint(juki=bare) if problem.level == "error"] == ["snapshot"]
