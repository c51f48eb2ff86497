"""`hub reconcile`: what a system was told beside what its own extract says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import filters, output
from hub.cli.session import Session
from hub.cli.words import word

System = Annotated[str, typer.Argument(metavar="SYSTEM", help=word("option.one-system"))]
Source = Annotated[str | None, typer.Option("--source", metavar="NAME", help=word("option.reconciled"))]
File = Annotated[Path | None, typer.Option("--file", metavar="FILE", help=word("option.extract"))]


def reconcile(
    session: Session, system: System, source: Source = None, file: File = None, limit: filters.Limit = 1000
) -> int:
    """List how a system's extract differs from what it was told, with what would mend each; exit 1 if it does."""
    with session.hub() as hub:
        found = asdict(hub.reconcile(system, source, None if file is None else file.absolute(), limit=limit))
    session.answer({**found, "next": None}, lambda: _write(found))
    return 1 if found["items"] else 0


def _write(found: dict[str, Any]) -> None:
    counts = ", ".join(f"{name} {count}" for name, count in found["counts"].items())
    output.line(word("reconcile.compared", extract=found["extract"] or "–", counts=counts or "–"))
    headers = ("subject", "what", "told", "has", "why", "do")
    rows = []
    for item in found["items"]:
        parts = item["columns"] or {"": {"told": None, "has": None}}
        for name, each in parts.items():
            told, has = (None if each[side] is None else str(each[side]) for side in ("told", "has"))
            what = f"{item['kind']}: {name}" if name else item["kind"]
            rows.append((item["subject"], what, told, has, item["why"], item["mend"]))
    output.listing([word(f"column.{name}") for name in headers], rows, None)
