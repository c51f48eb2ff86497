"""What `hub check` finds in expressions over rows whose columns the city's files name."""

import pytest

from hub.routing.lint import check
from hub.settings.load import load_city

LAYOUT = "record:\n  - {name: 宛名番号, width: 10}\n  - {name: 氏名, width: 20}\n  - {name: 異動日, width: 8}\n"
JUKI = """\
system: juki
sources:
  sabun: {{adapter: fixed_width, path: in/*.DAT, layout: layouts/juki.yaml{more}}}
publishes:
  - from: sabun
    subject: {subject}
    event: resident.died
    when: '{when}'
    map: {{name: row.氏名, died_on: {died_on}, effective_on: wareki(row.異動日)}}
"""
KAIGO = """\
system: kaigo
receives:
  adapter: csv
  path: out/
  acknowledged: {from: {adapter: fixed_width, path: in/e/*.DAT, layout: layouts/juki.yaml}, match: {no: int(row.連香)}}
"""


@pytest.fixture
def found(tmp_path):
    """Return what is wrong with a source, as (place, message, mend)."""

    def lint(
        subject="row.宛名番号", died_on="wareki(row.異動日)", when='row.氏名 != ""', more="", header="", **systems
    ):
        for folder in ("systems", "layouts"):
            (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / "hub.yaml").write_text("city: test\n", "utf-8")
        (tmp_path / "layouts" / "juki.yaml").write_text(header + LAYOUT, "utf-8")
        juki = JUKI.format(subject=subject, died_on=died_on, when=when, more=more)
        for name, text in {"juki": juki, **systems}.items():
            (tmp_path / "systems" / f"{name}.yaml").write_text(text, "utf-8")
        problems = [each for each in check(load_city(tmp_path)) if each.level == "error"]
        assert {each.code for each in problems} <= {"column-unknown", "personal-number"}
        return [(each.place.removeprefix("systems/"), each.message, each.mend) for each in problems]

    return lint


def test_the_columns_of_a_layout_are_there(found):
    assert found() == []


def test_a_field_of_the_header_that_is_only_read_is_a_column(found):
    header = "header: [{name: 区分, width: 1, constant: H}, {name: 作成日, width: 8, type: date}]\n"
    assert found(died_on="wareki(row.作成日)", header=header) == []
    assert found(died_on="wareki(row.区分)", header=header)[0][1] == "`map: died_on`: the source has no column `区分`"


@pytest.mark.parametrize(
    ("written", "place", "message", "mend"),
    [
        (
            {"subject": "row.宛名晩号"},
            "juki.yaml:6:14",
            "`subject`: the source has no column `宛名晩号`",
            "`宛名番号`?",
        ),
        (
            {"died_on": "wareki(row.作成日)"},
            "juki.yaml:9:41",
            "`map: died_on`: the source has no column `作成日`",
            "there is 宛名番号",
        ),
        ({"when": 'row["区分"] == "1"'}, "juki.yaml:8:11", "`when`: the source has no column `区分`", "there is"),
        ({"more": ", identity: '[row.番号]'"}, "juki.yaml:3:88", "`identity`", ""),
        (
            {"more": ", mode: snapshot, key: row.宛名番号, compare: [氏名, 住所]"},
            "juki.yaml:3:121",
            "`compare`: the source has no column `住所`",
            "there is",
        ),
    ],
)
def test_a_column_that_the_layout_does_not_have_is_an_error(found, written, place, message, mend):
    ((at, words, help_),) = found(**written)
    assert at == place
    assert message in words
    assert mend in help_


def test_a_column_that_may_be_there_is_asked_for_freely(found):
    assert found(when='has(row.区分) && row.区分 == "1"') == []


def test_the_columns_of_answers_are_those_of_their_layout(found):
    ((at, words, mend),) = found(kaigo=KAIGO)
    assert at == "kaigo.yaml:5:109"
    assert "`match`: the source has no column `連香`" in words
    assert "異動日" in mend


def test_the_columns_of_a_file_without_a_header_are_those_that_are_named(found):
    kaigo = KAIGO.replace(
        "fixed_width, path: in/e/*.DAT, layout: layouts/juki.yaml", "csv, path: in/*, columns: [番, 日]"
    )
    assert found(kaigo=kaigo)[0][1] == "`match`: the source has no column `連香`"
    assert found(kaigo=kaigo.replace("連香", "番")) == []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("subject: row.個人番号", "4:45"),
        ("subject: row.番号, sequence: int(row.マイナンバー)", "4:67"),
        ("subject: row.番号, map: {form: 'row[\"個人番号\"]'}", "4:65"),
        ("subject: row.番号, map: {form: row.my_number}", "4:65"),
        ("subject: row.番号, map: {form: 'has(row.住民票コード) ? row.住民票コード : \"\"'}", "4:70"),
        ("subject: row.番号, when: 'row.個人番号 != \"\"'", None),
        ("subject: row.番号, map: {form: row.個人番号カード}", None),
    ],
)
def test_a_my_number_is_passed_on_by_no_expression(tmp_path, text, place):
    (tmp_path / "systems").mkdir()
    (tmp_path / "hub.yaml").write_text("city: test\n", "utf-8")
    body = (
        f"sources: {{s: {{adapter: csv, path: in/*.csv}}}}\npublishes:\n  - {{from: s, event: form.scanned, {text}}}\n"
    )
    (tmp_path / "systems" / "ocr.yaml").write_text(f"system: ocr\n{body}", "utf-8")
    found = [each for each in check(load_city(tmp_path)) if each.code == "personal-number"]
    assert [each.place.removeprefix("systems/ocr.yaml:") for each in found] == ([place] if place else [])
    assert all("宛名番号" in each.mend and each.level == "error" for each in found)
