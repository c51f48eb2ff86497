import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import ConfigurationError
from hub.settings.yaml import parse_yaml, read_yaml, scan_text


def refusals(text):
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("2026-11-20", "2026-11-20"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-12", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("１２", "１２"),
        ("0120-123-456", "0120-123-456"),
        ("12:345", "12:345"),
        ('"0123"', "0123"),
        ("'19:00'", "19:00"),
        ('"true"', "true"),
        ("!!str 0123", "0123"),
        ("守口 太郎", "守口 太郎"),
        ("row.宛名番号", "row.宛名番号"),
        ("in/kokuho/*.csv", "in/kokuho/*.csv"),
        ("env:NAME", "env:NAME"),
        ("|-\n  a\n  b", "a\nb"),
    ],
)
def test_a_scalar_has_the_value_of_the_core_schema(written, value):
    found = parse_yaml(f"key: {written}\n", "f.yaml").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_on_is_a_key():
    assert parse_yaml("{on: resident.died, 12: a, true: b}", "f.yaml").value == {
        "on": "resident.died",
        "12": "a",
        "true": "b",
    }


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (
            "a: 0123",
            'f.yaml:1:4: `0123` is a number with a leading zero, which would be lost (put it in quotes: "0123")',
        ),
        ("a: -01.50", "f.yaml:1:4: `-01.50` is a number with a leading zero"),
        ("0123: a", "f.yaml:1:1: `0123` is a number with a leading zero"),
        ("b: [1,\n  19:00]", 'f.yaml:2:3: `19:00` is a time without quotes (put it in quotes: "19:00")'),
        ("a: 9:30:15", "f.yaml:1:4: `9:30:15` is a time without quotes"),
        ("a: 1234567890123456789", "f.yaml:1:4: `1234567890123456789…` is too long for a number"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3:1: the key `a` stands twice (it is already on line 1)"),
        ('a: 1\n"a": 2', "f.yaml:2:1: the key `a` stands twice"),
        ("a: !secret x", "f.yaml:1:4: the tag `!secret` is not used here"),
        ("a: !!python/name:os.system", "f.yaml:1:4: the tag `!!python/name:os.system` is not used here"),
        ("!x a: 1", "f.yaml:1:1: the tag `!x` is not used here"),
        ("a: b\n\tc: d", "f.yaml:2:1: a tab where YAML wants spaces (write spaces)"),
        ("a:\n\t- b", "f.yaml:2:1: a tab where YAML wants spaces"),
        ("a: 1\nowner：課\nb: 2", "f.yaml:2:6: a full-width `：` after a key (write a colon and a space, `: `)"),
        ("a: 1\nm:\n  b: 1\n  name：row.氏名\n\n  c: 2", "f.yaml:4:7: a full-width `：` after a key"),
        ("a:\n- on:resident.moved\n  b: 2", "f.yaml:2:5: no space after the colon of a key (write `: `)"),
        ("a:\n  - b: 1\n　　c: x\n    d: 3", "f.yaml:3:1: a full-width space in the indentation (write plain spaces)"),
        ("a: b: c", "f.yaml:1:5: a `key: value` where none can stand"),
        ("a:\n  b: 1\n c: 2", "f.yaml:3:2: the indentation does not fit the lines above"),
        ("a: 'x", "f.yaml:1:6: a quotation mark or bracket that is never closed"),
        ("a: [1, 2\nb: 3", "f.yaml:2:2: a `[` that is not closed, or a comma missing"),
        ("a: {b: 1", "f.yaml:1:9: a `{` that is not closed, or a comma missing"),
        ("a: @x", "f.yaml:1:4: a text that begins with a sign YAML keeps for itself"),
        ("a: *.csv", "f.yaml:1:4: a text that begins with `*` (put the text in quotes)"),
        ("a: *b", "f.yaml:1:4: `*b` refers to nothing above it (put a text that begins with * in quotes)"),
        ("a: &守口 1", "f.yaml:1:4: a text that begins with `&`"),
        ("a: !x,y 1", "f.yaml:1:4: a text that begins with `!`"),
        ("%X\n---\na: 1", "f.yaml:1:3: a line that begins with `%`"),
        ("a: {b: 1]\nc: 2", "f.yaml:1:9: a `{` that is not closed, or a comma missing"),
        ("a: {b: }, c]", "f.yaml:1:9: more text after a closed quotation mark or bracket (put all of it in quotes)"),
        ("a: 'x' y", "f.yaml:1:8: more text after a closed quotation mark or bracket"),
        ("'x' y", "f.yaml:1:5: more text after a closed quotation mark or bracket"),
        ("  a: 1\nb: 2", "f.yaml:2:1: the indentation does not fit the lines above"),
        ("- a\nb: 1", "f.yaml:2:1: the indentation does not fit the lines above"),
        ("a: ,b", "f.yaml:1:4: no value where one must stand"),
        ("a: |x\n", "f.yaml:1:5: more than `|` or `>` on its line"),
        ("a: ? b", "f.yaml:1:4: a `? ` where none can stand"),
        ("a: \tb\n\tc: d", "f.yaml:2:1: a tab where YAML wants spaces"),
        ("a: x\u2028y", "f.yaml:1:5: the control character U+2028 (remove it)"),
        ("a: x\x85y", "f.yaml:1:5: the control character U+0085"),
        ("a: &a [*a]", "f.yaml:1:8: `*a` refers to nothing above it"),
        ("a\nb: 1", "f.yaml:2:2: a `key: value` where none can stand"),
        ("<<: {a: 1}", "f.yaml:1:1: `<<` (merge) is not part of YAML 1.2"),
        ("? [a]\n: b", "f.yaml:1:3: a key must be plain text"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1: a second document begins here"),
        ("", "f.yaml:1:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1:1: the file is empty"),
        ("a: \x07", "f.yaml:1:4: the control character U+0007"),
        ("a: 1\nb: 守口".encode("cp932"), "f.yaml:2:4: the file is not UTF-8; it looks like cp932 (Shift_JIS)"),
        ("a: 1".encode("utf-16"), "f.yaml:1:1: the file is not UTF-8; it looks like UTF-16"),
        ("[" * 60, "f.yaml:1:52: more than 50 levels of nesting"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_place_and_mend(text, refusal):
    found = refusals(text)
    assert len(found) == 1
    assert found[0].startswith(refusal)


def test_every_scalar_problem_of_a_file_is_listed():
    assert [line.split(": ")[0] for line in refusals("a: 012\nb: 19:00\na: 1\nc: !x 1\n")] == [
        "f.yaml:1:4",
        "f.yaml:2:4",
        "f.yaml:3:1",
        "f.yaml:4:4",
    ]


def test_every_key_and_value_knows_its_place():
    node = parse_yaml("a:\n  - {b: 1, 国: 守口}\n  - c\n", "systems/x.yaml")
    assert node.place_of("a", 0, "国") == "systems/x.yaml:2:15"
    assert node.items["a"].items[0].key_place("国") == "systems/x.yaml:2:12"
    assert node.place_of("a", 1) == "systems/x.yaml:3:5"
    assert node.place_of("a", 7, "nothing") == "systems/x.yaml:2:3"


def test_an_alias_stands_for_its_anchor():
    assert parse_yaml("a: &x {b: [1]}\nc: *x\nd: [*x, *x]\n", "f.yaml").value["d"] == [{"b": [1]}, {"b": [1]}]


def test_a_bomb_of_aliases_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    found = refusals("\n".join(lines))
    assert len(found) == 1
    assert "values, aliases written out" in found[0]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_byte_order_mark_and_any_line_break_are_fine(newline):
    node = parse_yaml(b"\xef\xbb\xbf" + newline.join(["a: 1", "b: 2"]).encode(), "f.yaml")
    assert node.value == {"a": 1, "b": 2}
    assert node.place_of("b") == "f.yaml:2:4"


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.yaml: the file cannot be read: No such file"):
        read_yaml(tmp_path / "none.yaml")
    (tmp_path / "systems").mkdir()
    with pytest.raises(ConfigurationError, match="systems: the file cannot be read"):
        read_yaml(tmp_path / "systems", folder=tmp_path)


def places(raw):
    """Return where the problems are, or where the value begins."""
    node, problems = scan_text(raw, "f.yaml")
    return [problem.place for problem in problems] if node is None else [node.place]


@given(st.text(alphabet=list("ab:-?[]{}&*!|>'\"%@`#,~<0189. \n\té守\\"), max_size=60) | st.text(max_size=40))
def test_any_text_is_a_value_or_a_list_of_problems(text):
    assert places(text)[0].startswith("f.yaml:")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_list_of_problems(raw):
    assert places(raw)[0].startswith("f.yaml:")


def test_the_place_names_no_folder_outside_the_city(tmp_path):
    (tmp_path / "tests").mkdir()
    path = tmp_path / "tests" / "a.yaml"
    path.write_text("a: 01")
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(path, folder=tmp_path)
    assert caught.value.problems[0].place == "tests/a.yaml:1:4"
    assert os.fspath(tmp_path) not in str(caught.value)
