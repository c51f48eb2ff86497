"""`hub check` of every expression that a receiver's adapter compiles, wherever it stands."""

import json

import pytest

from hub.adapters.csv import Csv

RULE = "subscribes:\n  - {id: moved, on: resident.moved, send: [new_address, kana], because: 資格管理}\n"
LAYOUT = "record:\n  - {name: 氏名, width: 20, value: %s}\n  - {name: 日, width: 8, type: date, value: delivery.no}\n"


@pytest.fixture
def found(hub, city):
    """Return what `hub check` finds in a city with one receiver, and other files, as (place, code, message, mend)."""

    def check(receives, rule=RULE, **files):
        kaigo = city / "systems" / "kaigo.yaml"
        kaigo.write_text(f"system: kaigo\nprotected: full\n{rule}receives:\n  {receives}\n", encoding="utf-8")
        for name, text in files.items():
            path = city / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        items = json.loads(hub("check", "--json", "--city", city).stdout)["items"]
        items = [each for each in items if each["level"] == "error" or each["place"].startswith("systems/kaigo")]
        items = [each for each in items if each["code"] != "cancel-unread"]
        return [(each["place"], each["code"], each["message"], each["mend"]) for each in items]

    return check


FILES = "adapter: csv\n  path: out/kaigo/\n  "
RECEIVERS = [
    # what is received, place within systems/kaigo.yaml, code, part of the message, part of the mend
    (FILES + "name: foo + 1", "8:9", "expression", "`name`: foo is not known", ""),
    (FILES + "name: '\"KAIGO_'", "8:10", "expression", "a text is not closed", "closing"),
    (FILES + "name: padd(batch.no,3)", "8:9", "expression", "no function padd()", "pad"),
    (FILES + 'name: lookup("nix","1")', "8:16", "expression", "no table nix", "known: jiyu"),
    (FILES + "name: batch.dat", "8:9", "path-unknown", "`name`: there is no `batch.dat`", "`date`?"),
    (
        FILES + "columns: {住所: data.new_addres}",
        "8:17",
        "field-unknown",
        "no rule sends `new_addres`",
        "`new_address`?",
    ),
    (FILES + "columns: {住所: data.new_address.txt}", "8:17", "path-unknown", "`data.new_address.txt`", "`text`?"),
    (FILES + "columns: {旗: data.protected}", "8:16", "field-unknown", "no rule sends `protected`", "`send`"),
    (FILES + "columns: {名: row.x}", "8:16", "expression", "row is not known", ""),
    (FILES + "columns: {名: delivery.actoin}", "8:16", "path-unknown", "`delivery.actoin`", "`action`?"),
    ("{adapter: http, url: 'http://x/{subjct}'}", "6:35", "expression", "`url`: subjct is not known", "subject"),
    (
        "{adapter: http, url: 'http://x', headers: {X: 'a-{data.knaa}'}}",
        "6:53",
        "field-unknown",
        "`headers: X`: no rule sends `knaa`",
        "`kana`?",
    ),
    (
        "{adapter: http, url: 'http://x', body: {a: {b: data.nix}}, confirm: {url: 'http://x/{delivery.key}'}}",
        "6:50",
        "field-unknown",
        "`body: a: b`",
        "",
    ),
    ("{adapter: jsonl, path: out/kaigo/, name: batch.num}", "6:44", "path-unknown", "`batch.num`", "there is date, no"),
    (
        "{adapter: chat, url: 'http://x', text: '{count}\n\n    {subjct}'}",
        "6:42",
        "expression",
        "`text`, line 1, column 1: subjct is not known",
        "subject",
    ),
    ("{adapter: csv, path: out/kaigo/, columns: {a: event.system}}", "6:49", "attribute-unknown", "`event.system`", ""),
    (
        "{adapter: mail, host: x, from: a@b, to: [c@d], security: none, subject: '{event.tpye}'}",
        "6:77",
        "attribute-unknown",
        "`subject`: few events have `event.tpye`",
        "`type`?",
    ),
    ("{adapter: chat, url: 'http://x', template: nix}", "", "template", "cannot be read", "UTF-8"),
]


@pytest.mark.parametrize(("receives", "place", "code", "message", "mend"), RECEIVERS)
def test_an_expression_of_a_receiver_is_checked_where_it_stands(found, receives, place, code, message, mend):
    ((at, said, words, help_),) = [each for each in found(receives) if each[1] not in {"secret", "setting"}]
    assert (at, said) == (f"systems/kaigo.yaml:{place}" if place else "templates/nix.txt", code)
    assert message in words
    assert mend in help_


def test_every_place_of_one_expression_is_named(found):
    places = [each[0] for each in found(FILES + "columns: {a: data.x, b: data.x}")]
    assert places == ["systems/kaigo.yaml:8:16", "systems/kaigo.yaml:8:27"]


@pytest.mark.parametrize(
    ("value", "place", "code", "message"),
    [
        ("subjct", "2:34", "expression", "`subjct`: subjct is not known"),
        ("hankakuu(data.kana)", "2:34", "expression", "no function hankakuu()"),
        ("data.nix", "2:34", "field-unknown", "no rule sends `nix`"),
    ],
)
def test_expressions_of_a_layout_are_checked_in_the_layout(found, value, place, code, message):
    layout = LAYOUT % value
    ((at, said, words, _),) = found(
        "{adapter: fixed_width, path: out/k/, layout: layouts/k.yaml}", **{"layouts/k.yaml": layout}
    )
    assert (at, said) == (f"layouts/k.yaml:{place}", code)
    assert message in words


def test_a_record_field_that_nothing_decides_is_an_error_of_the_layout(found):
    layout = "record:\n  - {name: 氏名, width: 20}\ncolumns_by:\n  resident.died: {}\n"
    (told,) = found("{adapter: fixed_width, path: out/k/, layout: layouts/k.yaml}", **{"layouts/k.yaml": layout})
    assert told[:3] == ("layouts/k.yaml:2:5", "adapter-setting", "nothing says what `氏名` holds")
    assert "write `value:`" in told[3]


def test_other_expressions_for_a_type_are_checked_at_their_own_place(found):
    layout = LAYOUT % "data.kana" + "columns_by:\n  resident.moved: {日: data.nix}\n"
    (told,) = found("{adapter: fixed_width, path: out/k/, layout: layouts/k.yaml}", **{"layouts/k.yaml": layout})
    assert told[:2] == ("layouts/k.yaml:5:23", "field-unknown")


def test_expressions_of_a_template_are_checked_in_the_template(found):
    text = "{count} 件\n---\n{event.type} {data.knaa}\n"
    receives = "{adapter: chat, url: 'http://x', template: k, fields: [knaa]}"
    told = [each for each in found(receives, **{"templates/k.txt": text}) if each[1] != "secret"]
    assert [each[:2] for each in told] == [("templates/k.txt:3:15", "field-unknown")]


def test_what_is_there_only_at_delivery_is_no_error(found):
    columns = (
        "a: delivery.action, b: event.action, c: event.data.kana, d: data.restored.kana, e: batch.date, f: subject"
    )
    assert found(FILES + f"columns: {{{columns}}}") == []


def test_an_adapter_that_breaks_when_it_is_opened_is_named_without_its_words(found, monkeypatch):
    def breaks(settings, site, port):
        raise ZeroDivisionError("geheim")

    monkeypatch.setattr(Csv, "sink", breaks)
    told = [each for each in found("{adapter: csv, path: out/}") if each[0].startswith("systems/kaigo")]
    ((place, code, message, mend),) = told
    assert (place, code) == ("systems/kaigo.yaml:6:3", "adapter-setting")
    assert message == "`kaigo.main` cannot be opened: `csv` fails with ZeroDivisionError"
    assert "hub adapters show csv" in mend


def test_checking_writes_and_makes_nothing(found, city):
    before = {path for path in city.rglob("*") if path.name != "kaigo.yaml"}
    found(FILES + "name: foo")
    found("{adapter: jsonl, path: out/x.jsonl}")
    assert {path for path in city.rglob("*") if path.name != "kaigo.yaml"} == before
