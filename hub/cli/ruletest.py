"""`hub test`: the city's rule tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.routing.ruletest import RuleTestResult


def rule_tests(
    session: Session,
    files: Annotated[list[Path] | None, typer.Argument(metavar="[FILES]", help=word("option.tests"))] = None,
) -> int:
    """Run the rule tests, all or those of some files."""
    from hub.routing.ruletest import run_tests

    wanted = [_name(session.folder, file) for file in files or ()]
    results = [each for each in run_tests(session.city(), lang()) if not wanted or _file(each) in wanted]
    failed = sum(not each.passed for each in results)

    def for_people() -> None:
        for each in results:
            output.line(("✓ " if each.passed else "✗ ") + each.name)
            for text in each.lines():
                output.line(f"    {text}")
        output.line(word("test.counts", passed=len(results) - failed, failed=failed))

    items = [_json(each) for each in results]
    session.answer({"items": items, "next": None, "passed": len(results) - failed, "failed": failed}, for_people)
    return int(bool(failed))


def _name(folder: Path, file: Path) -> str:
    """Return a test file's path from the city folder; it may be given from there or from the current folder."""
    tests = (folder / "tests").resolve()
    for path in (file, folder / file, tests / file):
        if path.is_file() and path.resolve().is_relative_to(tests):
            return path.resolve().relative_to(folder.resolve()).as_posix()
    raise UsageError(f"there is no test file {file}", mend=f"rule tests stand in {folder / 'tests'}")


def _file(result: RuleTestResult) -> str:
    return result.place.rsplit(":", 2)[0]


def _json(result: RuleTestResult) -> dict[str, Any]:
    return {
        "test": result.name,
        "place": result.place,
        "passed": result.passed,
        "differences": [asdict(each) for each in result.differences],
    }
