from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.expressions import (
    Compiled,
    Environment,
    ExpressionError,
    ExpressionFault,
    Missing,
    compile_expression,
)
from hub.settings.models import TableRow

ROOTS = frozenset({"row", "data", "facts", "subject"})
TABLES = {"jiyu": (TableRow(code="20", value="転居"),), "kikan": (TableRow(code="1", value="旧", until="2023-03-31"),)}


def compiled(text: str, **env: Any) -> Compiled:
    return compile_expression(text, roots=ROOTS, env=Environment(TABLES, **env), place="systems/juki.yaml:4:7")


def evaluate(text: str, **scope: Any) -> Any:
    return compiled(text).evaluate(scope)


# --- what is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("row.氏名", "守口"),
        ('row["氏名"]', "守口"),
        ("row['氏名']", "守口"),
        (r'row["\u6c0f\u540d"]', "守口"),
        ("row . 氏名", "守口"),
        ("row\n  .氏名", "守口"),
        ('row.氏名 + "row.氏名"', "守口row.氏名"),
        ("row.氏名 + 'row.氏名 \"'", '守口row.氏名 "'),
        ('row.氏名 + """a "row.氏名" b"""', '守口a "row.氏名" b'),
        ("row.氏名 + '''it's\nrow.氏名'''", "守口it's\nrow.氏名"),
        (r'row.氏名 + r"\row.氏名\"', r"守口\row.氏名" + "\\"),
        (r'row.氏名 + "\"row.氏名"', '守口"row.氏名'),
        ("row.氏名 // row.年齢 == '", "守口"),
        ("// row.年齢\nrow.氏名", "守口"),
        ("row.１番 + row.2年 + row.in", "abc"),
        ("[{'名': row.氏名}].map(x, x.名)[0]", "守口"),
        ("[row].exists(x, x.氏名 == '守口')", True),
    ],
)
def test_names_of_any_script_are_members_and_never_touched_in_texts(text: str, value: Any) -> None:
    assert evaluate(text, row={"氏名": "守口", "１番": "a", "2年": "b", "in": "c"}) == value


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("facts.insurance.kokuho.active", {"facts.insurance.kokuho.active"}),
        ('"x" in facts.insurance', {"facts.insurance"}),
        ("facts.insurance[data.scheme].active", {"facts.insurance", "data.scheme"}),
        ('facts.insurance["kokuho"].active', {"facts.insurance.kokuho.active"}),
        ("data.fields.exists(f, f.name == row.氏名)", {"data.fields", "row.氏名"}),
        ("data.name.startsWith(data.kana)", {"data.name", "data.kana"}),
        ("subject == data.guardian || subject == '1'", {"subject", "data.guardian"}),
        ("has(facts.a) && facts.a.b", {"facts.a", "facts.a.b"}),
        ('"facts.a" == "b" // facts.c', set()),
    ],
)  # fmt: skip
def test_static_paths(text: str, paths: set[str]) -> None:
    expression = compiled(text)
    assert {".".join(path) for path in expression.paths} == paths
    assert expression.names == {path.split(".")[0] for path in paths}


def test_what_has_tests_is_guarded_with_all_beneath_it() -> None:
    expression = compiled("has(facts.insurance.kaigo) && facts.insurance.kaigo.active && data.count > 1")
    assert {".".join(path) for path in expression.guarded} == {"facts.insurance.kaigo", "facts.insurance.kaigo.active"}


# --- compile errors ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "mend"),
    [
        ("", 1, 1, "is empty", "write"),
        ("  ", 1, 1, "is empty", "write"),
        ("row.氏名 ==", 1, 10, "ends too early", "write what is missing"),
        ("row.氏名 == + 1", 1, 11, "unexpected '+'", ""),
        ("row.氏名 row.住所", 1, 8, "unexpected 'row.住所'", ""),
        ("data.a +\n  data.b data.c", 2, 10, "unexpected 'data.c'", ""),
        ('row.氏名 == "守口', 1, 11, "not closed", 'closing "'),
        ("(data.a", 1, 1, "not closed", "add )"),
        ("data.a)", 1, 7, "closes nothing", ""),
        ("[data.a)", 1, 8, "closes nothing", ""),
        ("fact.insurance", 1, 1, "fact is not known here", "did you mean facts?"),
        ("data.a && nonsense", 1, 11, "nonsense is not known here", "known: data, facts, row, subject"),
        ("氏名", 1, 1, "氏名 is not known here", "row.氏名"),
        ("koki", 1, 1, "koki is not known here", """for the text write '"koki"'; known: data, facts, row, subject"""),
        ("jido-teate", 1, 1, "jido is not known here", """for the text write '"jido-teate"'; known"""),
        ("児童手当", 1, 1, "児童手当 is not known here", """write '"児童手当"'; a column is written row.児童手当"""),
        ("data.a and data.b", 1, 8, "and is not known here", "&&"),
        ('data.a = "x"', 1, 8, "= is not a sign", "=="),
        ("data.a & data.b", 1, 8, "& is not a sign", "&&"),
        ("data.a == “x”", 1, 11, "“ is not a sign", "half-width"),
        ("warek(row.氏名)", 1, 1, "no function warek()", "did you mean wareki?"),
        ("row.氏名.startWith('x')", 1, 8, "no method startWith()", "did you mean startsWith?"),
        ("wareki()", 1, 1, "takes 1 to 2 values, not 0", ""),
        ("pad(1)", 1, 1, "takes 2 to 3 values, not 1", ""),
        ('data.a && lookup("jiy", data.b) == "x"', 1, 18, "no table jiy", "did you mean jiyu?"),
        ("has(data.a + 1)", 1, 1, "has() takes one path", "write has("),
        ("data.fields.exists(data, data.x)", 1, 20, "cannot be a macro's own name", "take another"),
        ("Person{name: 1}", 1, 1, "Person is not known", ""),
        (".data", 1, 1, "a name must stand before", ""),
    ],
)
def test_compile_errors_say_where_and_how_to_mend(text: str, line: int, column: int, message: str, mend: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    error = caught.value
    assert (error.line, error.column) == (line, column)
    assert message in error.message
    assert mend in error.mend
    assert error.place == "systems/juki.yaml:4:7"


@given(st.text(alphabet="abrow.d氏(){}[]\"'\\ \n,=!<>&|?:+-*/%0129rb#$守`@", max_size=30))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    with suppress(ExpressionError):
        compile_expression(text, roots={"row", "a", "b"})


# --- missing, guarded, faulty --------------------------------------------------------------------------------------

PARTLY = {"insurance": {"kokuho": {"active": True, "until": None}}, "list": [1]}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("facts.insurance.kaigo.active", ("facts", "insurance", "kaigo", "active")),
        ("!facts.insurance.kaigo.active", ("facts", "insurance", "kaigo", "active")),
        ("facts.insurance.kokuho.until", ("facts", "insurance", "kokuho", "until")),
        ("true || facts.insurance.kaigo.active", ("facts", "insurance", "kaigo", "active")),
        ("subject", ("subject",)),
        ("facts.insurance.kokuho.active.deeper", ("facts", "insurance", "kokuho", "active", "deeper")),
        ('"a" in facts.benefits', ("facts", "benefits")),
        ("facts.insurance['ka' + 'igo'].active", ("facts", "insurance", "kaigo")),
        ("facts.insurance['koku' + 'ho'].until", ("facts", "insurance", "until")),
        ("facts.list[1 + 4]", ("facts", "list", "index out of bounds: 5")),
        ("has(facts.insurance.kaigo) || facts.insurance.kaigo.active", ("facts", "insurance", "kaigo", "active")),
    ],
)
def test_missing(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(Missing) as caught:
        evaluate(text, facts=PARTLY)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("has(facts.insurance.kaigo)", False),
        ("has(facts.insurance.kokuho)", True),
        ("has(facts.insurance.kokuho.until)", False),
        ("has(data.anything.at.all)", False),
        ("!has(row.列) || row.列 == 'x'", True),
        ("has(row.列) ? row.列 : 'none'", "none"),
        ("has(facts.insurance.kaigo) && facts.insurance.kaigo.active", False),
        ("facts.insurance.kokuho.active || has(facts.insurance.kaigo)", True),
    ],
)
def test_guarded(text: str, value: Any) -> None:
    assert evaluate(text, facts=PARTLY) == value


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ("row.a > 1", "row.a is a text", "kinds"),
        ("row.a && true", "row.a is a text", "kinds"),
        ("int(row.a)", "int() cannot read the text", "int"),
        ("1 / (row.n - 1)", "division by zero", "expression"),
        ("row.n + 9223372036854775807", "overflow", "expression"),
        ("row.huge", "more than 64 bits", "expression"),
        ("row.odd == 1", "cannot hold (object)", "expression"),
        ("timestamp('2024-01-01T00:00:00Z')", "gives a datetime", "expression"),
        (
            "timestamp(row.a).getDate('Asia/Tokyo')",
            "timestamp() cannot read the text: write a time with its offset",
            "time",
        ),
        ("row.a.getDate('Asia/Tokyo')", "getDate(): needs a time, as timestamp() reads it, not 'x'", "getDate"),
        ("string(row.a == 'x')", "string() does not take these values: row.a is a text", "kinds"),
        ("row.n.matches('1')", "matches() does not take these values: row.n is a whole number", "kinds"),
        ("row.a.substring(2)", "has no position 2, only 0 to 1", "substring"),
        ("max(row.a, row.n)", "needs numbers alone, or texts alone", "max"),
        ("wareki(row.a)", "is not a date in any known form", "wareki"),
        ("wareki(row.a) == 'x' || true", "is not a date in any known form", "wareki"),
        ("era(row.n)", "needs a text, not 1", "era"),
        ("birthday_on('2000-01-01', true)", "needs a whole number", "birthday_on"),
        ("chars([row.a])", "needs a text", "chars"),
        ("lookup('jiyu', row.a)", "has no code 'x'", "lookup"),
        ("lookup('kikan', '1')", "a date is needed", "lookup"),
        ("resident('kaigo', '1')", "no numbers of other systems", "resident"),
    ],
)
def test_faults_are_told_in_words_and_never_printed(
    text: str, message: str, code: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ExpressionFault) as caught:
        evaluate(text, row={"a": "x", "n": 1, "huge": 2**70, "odd": object()})
    assert message.lower() in caught.value.message.lower()
    assert text in caught.value.message
    assert (caught.value.place, caught.value.code) == ("systems/juki.yaml:4:7", code)
    assert capfd.readouterr() == ("", "")


def test_a_fault_does_not_linger() -> None:
    expression = compiled("wareki(row.a)")
    with pytest.raises(ExpressionFault):
        expression.evaluate({"row": {"a": "x"}})
    assert expression.evaluate({"row": {"a": "R6.4.1"}}) == "2024-04-01"


def test_an_unknown_number_is_missing() -> None:
    expression = compiled("local_id('kaigo') == 'K1'", local_id=lambda _, resident: {"1": "K1"}.get(resident))
    assert expression.evaluate({"subject": "1"}) is True
    with pytest.raises(Missing) as caught:
        expression.evaluate({"subject": "2"})
    assert caught.value.path == ("local_id",)


# --- values --------------------------------------------------------------------------------------------------------


def test_values_tell_types_apart() -> None:
    expression = compiled("data.a == 1")
    keys = [expression.values({"data": {"a": a}}) for a in (1, True, 1.0, "1", "true", None, [1], {"a": 1})]
    assert len(set(keys)) == len(keys)
    assert expression.values({"data": {}}) == expression.values({"data": {"a": None}})


def test_values_have_one_order() -> None:
    assert compiled("data.b == data.a").values({"data": {"a": "1", "b": "2"}}) == ("1", "2")


@pytest.mark.parametrize(
    ("text", "pure"),
    [
        ("wareki(row.a) == data.b", True),
        ("lookup('jiyu', row.a)", True),
        ("lookup('kikan', row.a)", False),
        ("lookup('kikan', row.a, data.effective_on)", True),
        ("lookup(row.t, row.a)", False),
        ("resident('kaigo', row.a)", False),
        ("local_id('kaigo') == '1'", False),
    ],
)
def test_pure(text: str, pure: bool) -> None:
    assert compiled(text).pure is pure


def test_values_of_databases_become_plain() -> None:
    row = {"d": date(2024, 4, 1), "t": datetime(2024, 4, 1, 9, 30), "n": Decimal(12), "x": Decimal("1.5")}  # noqa: DTZ001
    assert evaluate("[row.d, row.t, row.n, row.x]", row=row) == ["2024-04-01", "2024-04-01T09:30:00", 12, 1.5]
    assert evaluate("row.d >= '2024-04-01' && row.n + 1 == 13", row=row) is True


def test_today_dates_a_lookup() -> None:
    expression = compiled("lookup('kikan', row.a)")
    assert expression.evaluate({"row": {"a": "1"}}, today="2023-03-31") == "旧"
    assert expression.evaluate({"row": {"a": "1"}}, today=lambda: "2023-03-31") == "旧"
    with pytest.raises(ExpressionFault):
        expression.evaluate({"row": {"a": "1"}}, today="2023-04-01")


def test_threads_do_not_see_each_others_faults() -> None:
    inside, other_is_done = Event(), Event()

    def resolve(_: str, number: str) -> str:
        if number == "bad":
            raise ValueError("not a number")
        inside.set()
        assert other_is_done.wait(10)
        return "1000001"

    expression = compiled("resident('kaigo', row.a)", resident=resolve)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(expression.evaluate, {"row": {"a": "good"}})
        assert inside.wait(10)
        with pytest.raises(ExpressionFault, match="not a number"):
            expression.evaluate({"row": {"a": "bad"}})
        other_is_done.set()
        assert answer.result(10) == "1000001"
