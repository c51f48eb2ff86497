"""The texts keep their promises: what they name exists, and what must be written down is."""

from __future__ import annotations

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

from hub.cli.reserved import NAMES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")])
_TEST = re.compile(r"`((?:tests|hub)/[\w/]+\.py)::(\w+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for link in _LINK.findall(text):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = page.parent / target if target else page
        assert path.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in _anchors(path), f"{page.name}: {link}"


def test_every_test_of_a_guarantee_exists():
    named = _TEST.findall((ROOT / "docs/guarantees.md").read_text(encoding="utf-8"))
    assert len(named) > 40
    missing = [f"{path}::{name}" for path, name in named if f"def {name}(" not in _text(path)]
    assert not missing


def test_every_dependency_has_its_reason_and_its_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["project"]["optional-dependencies"].values()
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"], *chain(*extras)]
    names = {re.split(r"[\[<>=;~! ]", each)[0] for each in wanted}
    rows = re.findall(
        r"^\| `([\w.-]+)(?:\[\w+\])?` \| (\S.*) \| (\S.*) \|$", _text("docs/decisions/dependencies.md"), re.MULTILINE
    )
    assert {name for name, _, _ in rows} == names


@pytest.mark.parametrize(("page", "begins"), [("README.md", "- Commands: "), ("README.ja.md", "- コマンド: ")])
def test_commands_said_to_be_missing_are_the_reserved_ones(page, begins):
    said = _text(page).split(begins)[1].split("\n- ")[0]
    assert re.findall(r"`([\w -]+)`", said) == list(NAMES)


@pytest.mark.parametrize("page", ["docs/operations.md", "docs/reference/city-folder.md"])
def test_variables_of_the_environment_are_described(page):
    """Every `HUB_` variable the code asks for stands in the operators' page, those of a city in the reference too."""
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "hub").rglob("*.py"))
    asked = set(re.findall(r'(?:environ(?:\.get\(|\[)|envvar=)"(HUB_\w+)"', code))
    assert {"HUB_CITY", "HUB_KAFKA", "HUB_LEDGER"} <= asked
    wanted = asked if "operations" in page else {"HUB_CITY", "HUB_KAFKA", "HUB_LEDGER"}
    assert wanted <= set(re.findall(r"`(HUB_\w+)`", _text(page)))


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
