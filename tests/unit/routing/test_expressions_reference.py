"""The reference of expressions tells the truth: every example is executed, every function is described."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hub.routing.expressions import Environment, ExpressionFault, Missing, compile_expression
from hub.routing.outline import BUILT_IN, MACROS, METHODS
from hub.settings.models import TableRow

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "expressions.md"
TEXT = PAGE.read_text(encoding="utf-8")
SCOPE = json.loads(re.search(r"```json\n(.*?)```", TEXT, re.DOTALL)[1])
EXAMPLES = [
    line.rsplit(" // ", 1) for block in re.findall(r"```cel\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
ENVIRONMENT = Environment(
    {
        "jiyu": (
            TableRow(code="20", value="転居"),
            TableRow(code="30", value="旧転入", until="2023-03-31"),
            TableRow(code="30", value="転入", from_="2023-04-01"),
        )
    },
    resident=lambda *key: {("kaigo", "K-7"): "1000001"}.get(key),
    local_id=lambda *key: {("kaigo", "1000001"): "K-7"}.get(key),
)


def answer(text: str) -> str:
    try:
        return json.dumps(compile_expression(text, roots=SCOPE, env=ENVIRONMENT).evaluate(SCOPE), ensure_ascii=False)
    except Missing:
        return "missing"
    except ExpressionFault as fault:
        return f"fault: {fault.message}"


@pytest.mark.parametrize(("text", "said"), EXAMPLES, ids=[text.strip() for text, _ in EXAMPLES])
def test_example(text: str, said: str) -> None:
    found = answer(text.strip())
    if said.startswith("fault: "):
        assert found.startswith("fault: ")
        assert said.removeprefix("fault: ") in found
    else:
        assert found == said


def test_every_function_has_its_heading_and_an_example() -> None:
    headings = " ".join(re.findall(r"^### (.*)$", TEXT, re.MULTILINE))
    for name in ENVIRONMENT.functions.arity:
        assert f"{name}(" in headings, f"describe {name}() in docs/reference/expressions.md"
        assert any(f"{name}(" in text for text, _ in EXAMPLES), f"give an example of {name}()"


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_function_of_cel_has_an_example_that_works(name: str) -> None:
    assert [text for text, said in EXAMPLES if f"{name}(" in text and not said.startswith("fault")]


@pytest.mark.parametrize("name", sorted(METHODS | MACROS))
def test_every_method_of_cel_has_an_example_that_works(name: str) -> None:
    assert [text for text, said in EXAMPLES if f".{name}(" in text and not said.startswith("fault")]
