"""What is evaluated without CEL means what CEL says it means."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.expressions import Compiled, Environment, ExpressionFault, Missing, compile_expression
from hub.settings.models import TableRow

ENVIRONMENT = Environment({"jiyu": (TableRow(code="20", value="転居"),)})
SIMPLE = [
    "row.a",
    "row.a == row.b",
    "row.a != row.b",
    'row.a == "x"',
    'row.a != "x"',
    "row.a < row.b",
    "row.a >= row.b",
    "row.a > 1",
    'row.a <= "b"',
    '"x" in row.a',
    "row.a in row.b",
    'row.a in ["x", "y", 1]',
    "!row.a",
    "row.a && row.b",
    "row.a || !row.b",
    '(row.a == "x" || row.b == 1) && row.a != row.b',
    '[row.a, row.b, "x", 1, true]',
    "has(row.a)",
    "!has(row.a)",
    'lookup("jiyu", row.a) == "転居"',
    "wareki(row.a)",
    'wareki(row.a) >= "2024-01-01"',
    "pad(row.a, 3) == row.b",
    "true",
    '"\\u5b88" == row.a',
]
ABSENT = object()
SCALARS = [ABSENT, None, "", "x", "y", "b", "20", "守", "令和6年4月1日", 0, 1, 2, -1, 1.0, 1.5, True, False, 2**70]
VALUES = st.sampled_from([*SCALARS, ["x", 1], [], {"x": 1}, {}, ["守", True]])


def outcome(compiled: Compiled, row: dict[str, Any]) -> Any:
    try:
        value = compiled.evaluate({"row": row})
    except Missing:
        return "missing"
    except ExpressionFault:
        return "fault"
    return type(value), value


@pytest.mark.parametrize("text", SIMPLE)
@given(a=VALUES, b=VALUES)
def test_direct_and_cel_agree(text: str, a: Any, b: Any) -> None:
    row = {name: value for name, value in (("a", a), ("b", b)) if value is not ABSENT}
    compiled = compile_expression(text, roots={"row"}, env=ENVIRONMENT)
    by_cel = compile_expression(text, roots={"row"}, env=ENVIRONMENT)
    assert compiled._direct is not None
    by_cel._direct = None
    assert outcome(compiled, row) == outcome(by_cel, row)


@pytest.mark.parametrize(
    "text",
    [
        'has(row.a) && row.a == "x"',
        'row.a == "x" && lookup("jiyu", row.b) == "転居"',
        'row.a ? "x" : "y"',
        "row.a + row.b",
        "row.a[row.b]",
        'row.a.startsWith("x")',
        'b"x" == row.a',
        "row.a == null",
        '{"a": row.a}',
        "-row.a",
    ],
)
def test_the_rest_is_left_to_cel(text: str) -> None:
    assert compile_expression(text, roots={"row"}, env=ENVIRONMENT)._direct is None


def test_a_lookup_behind_a_decided_and_is_not_asked() -> None:
    compiled = compile_expression('row.a == "x" && lookup("jiyu", row.b) == "転居"', roots={"row"}, env=ENVIRONMENT)
    assert compiled.evaluate({"row": {"a": "y", "b": "no such code"}}) is False
