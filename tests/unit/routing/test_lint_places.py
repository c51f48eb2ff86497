"""What `hub check` finds in a city whose parts stand in each other's way: files, lines of tables, cases."""

import pytest

from hub.errors import ConfigurationError
from hub.routing.lint import check
from hub.settings.load import load_city

RULE = "subscribes: [{id: r, on: resident.died, send: [name], because: 資格}]\nprotected: full\n"


@pytest.fixture
def found(tmp_path):
    """Return what is wrong with a city of these files, as (place, level, message, mend), of some codes."""

    def lint(codes, **files):
        for name, text in {"hub.yaml": "city: test\n", **files}.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        return [
            (each.place, each.level, each.message, each.mend)
            for each in check(load_city(tmp_path))
            if each.code in codes
        ]

    return lint


def two(first, second, kind="receives"):
    """Return two receivers or sources as two files."""
    return {
        f"systems/{name}.yaml": f"system: {name}\n{RULE}{kind}:\n  main: {{adapter: {text}}}\n"
        for name, text in (("a", first), ("b", second))
    }


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("jsonl, path: out/x.jsonl", "jsonl, path: out/x.jsonl", True),
        ("jsonl, path: out/x.jsonl", "jsonl, path: ./out//x.jsonl", True),
        ("jsonl, path: out/x.jsonl", "jsonl, path: out/y.jsonl", False),
        ("jsonl, path: out/x.jsonl, enabled: false", "jsonl, path: out/x.jsonl", False),
        ("csv, path: out/, name: '\"IDO.csv\"'", "csv, path: out/, name: '\"IDO.csv\"'", True),
        ("csv, path: out/, name: '\"IDO.csv\"'", "csv, path: out/, name: '\"KBN.csv\"'", False),
        ("csv, path: out/, name: '\"IDO.csv\"'", "csv, path: out/b/, name: '\"IDO.csv\"'", False),
        ("csv, path: out/, name: batch.date", "csv, path: out/, name: batch.date", True),
        ("csv, path: out/, name: delivery.key", "csv, path: out/, name: delivery.key", False),
        ("csv, path: out/", "csv, path: out/", False),
    ],
)
def test_two_receivers_do_not_write_the_same_files(found, first, second, shared):
    told = found({"place-shared"}, **two(first, second))
    assert [each[:2] for each in told] == (
        [("systems/b.yaml:5:32", "error")]
        if shared and "jsonl" in second
        else [("systems/b.yaml:5:30", "error")]
        if shared
        else []
    )
    assert all("`b.main` writes the files of `a.main`" in each[2] and "systems/a.yaml:5:" in each[2] for each in told)


@pytest.mark.parametrize(
    ("first", "second", "shared"),
    [
        ("csv, path: in/*.csv", "csv, path: in/*.csv", True),
        ("csv, path: in/*.csv, after: keep", "csv, path: in/*.csv", True),
        ("csv, path: in/*.csv, after: keep", "csv, path: in/*.csv, after: keep", False),
        ("csv, path: in/*.csv", "csv, path: in/b/*.csv", False),
    ],
)
def test_two_sources_do_not_take_the_same_files(found, first, second, shared):
    told = found({"place-shared"}, **two(first, second, "sources"))
    assert [each[:2] for each in told] == ([("systems/b.yaml:5:30", "error")] if shared else [])
    assert all("after: keep" in each[3] and "systems/a.yaml:5:30" in each[3] for each in told)


@pytest.mark.parametrize(
    ("out", "pattern", "read"),
    [
        ("jsonl, path: x/e.jsonl", "x/*.jsonl", True),
        ("jsonl, path: x/e.jsonl", "x/*.csv", False),
        ("csv, path: x/", "x/*.csv", True),
        ("csv, path: x/", "x/ERR_*.csv", False),
        ("csv, path: x/", "x/in/*.csv", False),
        ("csv, path: x/, name: '\"IDO.csv\"'", "x/I*.csv", True),
        ("csv, path: x/, name: '\"IDO.csv\"'", "x/E*.csv", False),
        ("csv, path: x/, name: '\"IDO\" + batch.date'", "x/*.csv", False),
    ],
)
def test_what_the_city_writes_it_does_not_read_back(found, out, pattern, read):
    answers = f"receives:\n  main: {{adapter: {out}}}\nsources: {{s: {{adapter: csv, path: '{pattern}'}}}}\n"
    told = found({"place-shared"}, **{"systems/a.yaml": f"system: a\n{RULE}{answers}"})
    assert [each[:2] for each in told] == ([("systems/a.yaml:6:35", "warning")] if read else [])
    assert all("`a.s` reads what `a.main` writes" in each[2] for each in told)


def test_answers_are_not_taken_by_a_source(found):
    answers = "acknowledged: {from: {adapter: csv, path: in/*.csv}, match: {no: 1}}"
    receives = f"receives:\n  main: {{adapter: csv, path: out/, {answers}}}\n"
    text = f"system: a\n{RULE}{receives}sources: {{s: {{adapter: csv, path: in/*.csv}}}}\n"
    ((place, level, message, _),) = found({"place-shared"}, **{"systems/a.yaml": text})
    assert (place, level) == ("systems/a.yaml:5:78", "error")
    assert message.startswith("`acknowledged` of `a.main` reads the files of `a.s`")


TABLE = "code,value,from,until\n"


@pytest.mark.parametrize(
    ("lines", "place", "level", "message"),
    [
        ("1,a,2026-04-01,2026-03-31\n", 2, "error", "ends on 2026-03-31, before it begins on 2026-04-01"),
        (
            "1,a,,2026-03-31\n1,b,2026-03-31,\n",
            3,
            "warning",
            "two values on the same days: the line at tables/t.csv:2:1",
        ),
        ("1,a,2026-01-01,\n1,b,,\n", 3, "warning", "`1` has two values"),
        ("1,a,,2026-03-31\n1,b,2026-04-01,\n", None, "", ""),
        (",a,,\n", 2, "warning", "`code` is empty"),
        ("1, ,,\n", 2, "warning", "`value` is empty"),
    ],
)
def test_lines_of_tables_have_a_code_a_value_and_days(found, lines, place, level, message):
    told = found({"table-days", "table-empty"}, **{"tables/t.csv": TABLE + lines})
    assert [each[:2] for each in told] == ([(f"tables/t.csv:{place}:1", level)] if place else [])
    assert all(message in each[2] and each[3] for each in told)


def test_tables_of_characters_are_left_to_those_who_read_them(found):
    system = {"systems/a.yaml": "system: a\ntext: {gaiji: tables/g.csv}\nreceives: {}\n"}
    assert found({"table-days", "table-empty"}, **{**system, "tables/g.csv": "code,value\nF040,\n"}) == []


CASES = "system: a\npublishes:\n  - from: {{adapter: csv, path: in/*.csv}}\n    subject: row.no\n    cases:\n{}"
FIRST, LAST = "      - {ignore: x, when: 'row.a == \"1\"'}\n", "      - {ignore: y}\n"


@pytest.mark.parametrize(
    ("cases", "line"), [(FIRST + LAST, None), (LAST + FIRST, 7), (LAST + FIRST + FIRST, 7), (FIRST + LAST + LAST, 8)]
)
def test_no_case_stands_behind_one_that_takes_every_row(found, cases, line):
    told = found({"shadowed"}, **{"systems/a.yaml": CASES.format(cases)})
    assert [each[:2] for each in told] == ([(f"systems/a.yaml:{line}:9", "warning")] if line else [])
    assert all("has no `when`" in each[2] and "last" in each[3] for each in told)


def test_a_list_cannot_lose_more_than_all_of_it(found):
    assert found({"shape"}, **{"hub.yaml": 'protection: {max_drop: "100%"}\n'}) == []
    with pytest.raises(ConfigurationError) as error:
        found({"shape"}, **{"hub.yaml": 'protection: {max_drop: "500%"}\n'})
    (problem,) = error.value.problems
    assert (problem.place, problem.message) == ("hub.yaml:1:24", "`max_drop`: `500%` is more than all there is")
    assert "100%" in problem.mend
