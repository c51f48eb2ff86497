"""`hub adapters new` and `hub adapters check`: a transport of one's own, and whether it keeps its promises."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.adapters.conformance.runner import Check


def new(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help=word("option.new-adapter"))],
    folder: Annotated[Path | None, typer.Option("--dir", metavar="DIR", help=word("option.new-dir"))] = None,
) -> None:
    """Write a package with one small adapter, the case it is tried on, and its test."""
    from hub.adapters.scaffold import write_package

    target = folder or Path(name)
    written = [path.relative_to(target).as_posix() for path in write_package(name, target)]

    def for_people() -> None:
        output.line(word("init.done", count=len(written), folder=target))
        output.line(word("new.next", folder=target))

    session.answer({"adapter": name, "folder": str(target.resolve()), "files": written}, for_people)


def check(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help=word("option.checked"))],
) -> int:
    """Run the conformance kit."""
    from hub.adapters import registry
    from hub.adapters.conformance.runner import checks

    items: list[dict[str, Any]] = []
    untried = []
    known = registry.known(name)
    if not known:
        raise UsageError(
            f"{name} names no adapter", mend='write [project.entry-points."hub.adapters"] in pyproject.toml'
        )
    for adapter in known:
        if not registry.cases(adapter):
            untried.append(adapter)
        for one in checks(adapter):
            items.append(_run(one))
            if not session.json:
                _show(items[-1])
    failed = sum(not each["passed"] for each in items)
    answer = {"items": items, "next": None, "passed": len(items) - failed, "failed": failed, "untried": untried}

    def for_people() -> None:
        for adapter in untried:
            output.line(word("check.untried", adapter=adapter))
        output.line(word("test.counts", passed=len(items) - failed, failed=failed))

    session.answer(answer, for_people)
    return int(bool(failed or untried))


def _run(one: Check) -> dict[str, Any]:
    from hub.adapters.conformance import Failure

    why = ""
    try:
        one.run()
    except Failure as failure:
        why = str(failure)
    return {
        "adapter": one.adapter,
        "case": one.case,
        "check": one.name,
        "passed": not why,
        "why": why,
        "means": " ".join(one.means.split()),
    }


def _show(item: dict[str, Any]) -> None:
    sign = "✓" if item["passed"] else "✗"
    output.line(f"{sign} {' '.join(filter(None, (item['adapter'], item['case'], item['check'])))}")
    if not item["passed"]:
        output.line(f"    {item['why']}")
        output.line(f"    {item['means']}")
    output.flush()
