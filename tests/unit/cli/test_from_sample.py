"""`hub init --from-sample`: the draft checks, its test passes, and the sample goes through it."""

from __future__ import annotations

import io
import json

import openpyxl
import pytest

from hub.cli.drafting import date_form, meaning
from hub.settings.guessing import Sample, guess, guess_encoding

ROWS = [
    ["宛名番号", "履歴番号", "異動事由", "氏名", "旧住所", "新住所", "異動日", "届出日"],
    ["1000001", "2", "10", "守口 太郎", "大日町1-1", "京阪本通2-5-5", "令和8年11月16日", "R8.11.18"],
    ["1000002", "5", "10", "京阪 花子", "金田町1-1", "大日町3-2-1", "令和8年11月17日", "R8.11.18"],
    ["1000003", "7", "20", "淀川 一郎", "大日町2-2", "", "令和8年11月19日", "R8.11.20"],
]


def text(rows, sign=","):
    return "\r\n".join(sign.join(row) for row in rows) + "\r\n"


def workbook(rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


FILES = {
    "SABUN_20261120.csv": text(ROWS).encode("cp932"),
    "euc.csv": text(ROWS).encode("euc_jp"),
    "utf.csv": text(ROWS).encode(),
    "mark.csv": text(ROWS).encode("utf-8-sig"),
    "tabs.tsv": text(ROWS, "\t").encode("cp932"),
    "semicolons.txt": text(ROWS, ";").encode("cp932"),
    "book.xlsx": workbook(ROWS),
    "lines.jsonl": "".join(
        json.dumps(dict(zip(ROWS[0], row, strict=True)), ensure_ascii=False) + "\n" for row in ROWS[1:]
    ).encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_draft_checks_its_test_passes_and_the_sample_goes_through(hub, tmp_path, name):
    sample, city = tmp_path / name, tmp_path / "city"
    sample.write_bytes(FILES[name])
    made = hub("init", city, "--from-sample", sample, "--system", "juki", "--json")
    assert made.exit_code == 0, made.stderr
    assert {"hub.yaml", "systems/juki.yaml", "tests/juki.yaml"} <= set(json.loads(made.stdout)["files"])
    assert hub("check", "--city", city).exit_code == 0, hub("check", "--city", city).stdout
    assert hub("test", "--city", city).exit_code == 0, hub("test", "--city", city).stdout
    tried = json.loads(hub("adapters", "try", "juki", "--sample", sample, "--city", city, "--json").stdout)
    assert tried["counts"]["event"] == 2, tried
    first = tried["items"][0]["event"]
    assert (first["type"], first["subject"], first["sequence"]) == ("resident.moved", "1000001", 2)
    assert first["data"]["effective_on"] == "2026-11-16"
    assert first["data"]["notified_on"] == "2026-11-18"
    assert [each["receiver"] for each in tried["items"][0]["told"]] == ["juki-example.main"]
    assert tried["items"][-1]["error"]["message"]  # 転居でない行には新住所がない


def test_no_value_of_the_sample_is_written_anywhere(hub, tmp_path):
    rows = [*ROWS, ["9876543", "1", "10", "八雲 秘密", "秘密町1", "秘密町2", "令和8年11月17日", "R8.11.18"]]
    sample = tmp_path / "a.csv"
    sample.write_bytes(text(rows).encode("cp932"))
    assert hub("init", tmp_path / "city", "--from-sample", sample).exit_code == 0
    written = "".join(path.read_text("utf-8") for path in (tmp_path / "city").rglob("*") if path.is_file())
    assert "9876543" not in written
    assert "秘密" not in written


def test_what_comes_next_can_be_pasted_as_it_stands(hub, tmp_path, monkeypatch):
    shown = hub("init", tmp_path / "my city").stdout
    assert f"next: cd '{tmp_path}/my city' && hub check\n" in shown
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert "next: hub check\n" in hub("init", ".").stdout


def test_a_file_without_a_header_names_its_columns_itself(hub, tmp_path):
    sample, city = tmp_path / "bare.csv", tmp_path / "city"
    sample.write_bytes(text(ROWS[1:]).encode("cp932"))
    assert hub("init", city, "--from-sample", sample).exit_code == 0
    assert 'columns: ["列1", "列2"' in (city / "systems/bare.yaml").read_text("utf-8")
    assert hub("check", "--city", city).exit_code == 0


def test_fixed_width_is_cut_where_all_lines_change_kind(hub, tmp_path):
    lines = [f"{no:07d}{name}".encode("cp932") + b" " * 2 + day.encode() for no, name, day in (
        (1000001, "守口　太郎", "5081116"), (1000002, "京阪　花子", "5081117"), (1000003, "淀川　一郎", "5081118"),
    )]  # fmt: skip
    sample, city = tmp_path / "IDO.DAT", tmp_path / "city"
    sample.write_bytes(b"\r\n".join([*lines, b""]))
    assert guess(sample.read_bytes()).widths == (7, 12, 7)
    assert hub("init", city, "--from-sample", sample).exit_code == 0
    assert hub("check", "--city", city).exit_code == 0, hub("check", "--city", city).stdout
    assert "length: 26" in (city / "layouts/ido.yaml").read_text("utf-8")


def test_a_header_with_line_breaks_breaks_no_comment_of_the_draft(hub, tmp_path):
    sample, city = tmp_path / "kaigo.csv", tmp_path / "city"
    sample.write_text('宛名番号,"氏名\nsecret: x","own: y\x1e\n個人番号"\n1000001,守口,1\n1000002,京阪,2\n', "utf-8")
    assert hub("init", city, "--from-sample", sample).exit_code == 0
    shown = hub("check", "--city", city)
    assert shown.exit_code == 0, shown.stdout


def test_a_second_system_is_added_to_a_city_and_nothing_overwritten(hub, city, tmp_path):
    before = (city / "hub.yaml").read_text()
    sample = tmp_path / "tennyu.csv"
    sample.write_bytes(FILES["utf.csv"])
    assert hub("init", city, "--from-sample", sample).exit_code == 0
    assert (city / "hub.yaml").read_text() == before
    assert sorted(path.name for path in city.rglob("*tennyu*")) == ["tennyu", "tennyu.yaml"], "nobody else is told"
    again = hub("init", city, "--from-sample", sample)
    assert again.exit_code == 2
    assert "systems/tennyu.yaml" in again.stderr


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n"])
def test_a_file_that_tells_nothing_is_refused(hub, tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    shown = hub("init", tmp_path / "city", "--from-sample", tmp_path / "a.csv")
    assert shown.exit_code == 2
    assert not (tmp_path / "city").exists()


def test_columns_that_tell_no_event_are_left_for_a_person_and_still_check(hub, tmp_path):
    sample, city = tmp_path / "stock.csv", tmp_path / "city"
    sample.write_text("品名,数量\n机,2\n椅子,8\n", "utf-8")
    assert hub("init", city, "--from-sample", sample).exit_code == 0
    assert "# publishes:" in (city / "systems/stock.yaml").read_text("utf-8")
    assert hub("check", "--city", city).exit_code == 0


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ("氏名,住所\n髙橋,守口市\n".encode("cp932"), "cp932"),
        ("氏名,住所\n高橋 ﾀﾛｳ,守口市\n".encode("cp932"), "cp932"),
        ("氏名,住所\n高橋,守口市大日町\n".encode("euc_jp"), "euc_jp"),
        ("氏名,カナ\n高橋,タカハシ\n".encode("euc_jp"), "euc_jp"),
        ("氏名\n高橋\n".encode(), "utf-8"),
        ("氏名\n高橋\n".encode("utf-8-sig"), "utf-8"),
        ("氏名\n\ue000\n".encode("cp932"), "cp932"),
        (b"name\nx\n", "cp932"),
    ],
)
def test_the_encoding_is_told_from_the_bytes(data, encoding):
    assert guess_encoding(data)[0] == encoding


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["令和6年4月1日", "平成31年4月30日", ""], "wareki({})"),
        (["R6.4.1", "S64.1.7"], "wareki({})"),
        (["5060401"], "wareki({})"),
        (["2026-04-01"], "wareki({})"),
        (["060401", "080101"], 'wareki("R" + {})'),
        (["991399"], None),
        (["1000001"], None),
        ([""], None),
    ],
)
def test_the_form_of_a_date_is_told_from_its_values(values, form):
    assert date_form(values) == form


def test_a_my_number_is_never_taken_for_the_residents_number():
    numbers = ["379474484458", "123456789018", "379474484458"]
    told = meaning(Sample("csv", columns={"番号": numbers, "整理番号": ["1", "2", "3"]}))
    assert told.personal_numbers == ("番号",)
    assert told.subject == "整理番号"
