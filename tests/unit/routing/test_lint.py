"""What `hub check` finds: each problem at its place, with its mend."""

import pytest

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
        "path: out/}",
        "path: out/, columns: {名: data.nam}}",
        "kokuho.yaml:10:51",
        "no rule sends `nam`",
        "`name`?",
        "field-unknown",
    ),
    ("path: out/}", "path: out/, columns: {名: row.x}}", "kokuho.yaml:10:51", "row is not known", "", "expression"),
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
    ("event: resident.died,", "event: event.cancelled,", "juki.yaml:9:9", "name its target", "cancels:", "target"),
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
