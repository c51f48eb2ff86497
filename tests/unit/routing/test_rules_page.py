"""The examples of docs/reference/rules.md are a city that is clean and passes its own tests."""

import re
from pathlib import Path

from hub.routing.lint import check
from hub.routing.ruletest import run_tests
from hub.settings.load import load_city
from hub.settings.models import Subscription

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "rules.md"
BLOCK = re.compile(r"```yaml\n# (?P<file>\S+)\n(?P<text>.*?)```", re.DOTALL)


def test_the_pages_examples_hold(tmp_path):
    (tmp_path / "hub.yaml").write_text("city: test\n", "utf-8")
    for block in BLOCK.finditer(PAGE.read_text("utf-8")):
        path = tmp_path / block["file"]
        path.parent.mkdir(exist_ok=True)
        path.write_text(block["text"], "utf-8")
    city = load_city(tmp_path, environ={})
    assert {problem.code for problem in check(city)} == {"unpublished", "because-unconfirmed"}
    results = run_tests(city)
    assert [result.name for result in results if not result.passed] == []
    assert len(results) == 4


def test_the_page_names_every_key_of_a_rule():
    page = PAGE.read_text("utf-8")
    keys = {"id", "place", "written", "system", "deliver", "unidentified"}  # in the list of the city's folder
    assert [
        key for key in Subscription.model_fields if key not in keys and f"`{key}" not in page and f"{key}:" not in page
    ] == []
