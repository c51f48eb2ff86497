"""`hub adapters`: the transports that are installed, and the manual page of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.words import word

if TYPE_CHECKING:
    from hub.adapters.contract import Adapter


def listing(session: Session) -> None:
    """List the adapters, plug-ins too."""
    from hub.adapters import reference, registry

    found = [registry.find(name) for name in registry.names()]
    rows = [(each.name, each.title[lang()], reference.features_of(each)) for each in found]

    def for_people() -> None:
        output.table([word("column.adapter"), word("column.title"), word("column.features")], rows)

    session.answer({"items": [_json(each) for each in found], "next": None}, for_people)


def show(
    session: Session, name: Annotated[str, typer.Argument(metavar="ADAPTER", help=word("option.adapter"))]
) -> None:
    """Show one adapter's manual page; raises ConfigurationError for an unknown one."""
    from hub.adapters import reference, registry

    adapter = registry.find(name)
    page = reference.page_of(adapter)
    session.answer({**_json(adapter), "page": page}, lambda: output.line(page))


def _json(adapter: type[Adapter]) -> dict[str, Any]:
    return {"name": adapter.name, "title": adapter.title, "features": asdict(adapter.features)}
