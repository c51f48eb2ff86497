"""The filters that lists share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from hub.cli.words import WORDS, word

if TYPE_CHECKING:
    from hub.settings.models import City

T = TypeVar("T")

Systems = Annotated[list[str] | None, typer.Option("--system", metavar="SYSTEM", help=word("option.system"))]
Statuses = Annotated[list[str] | None, typer.Option("--status", metavar="STATUS", help=word("option.status"))]
Types = Annotated[list[str] | None, typer.Option("--type", metavar="TYPE", help=word("option.type"))]
Resident = Annotated[str | None, typer.Option("--resident", metavar="NUMBER", help=word("option.resident"))]
Batch = Annotated[str | None, typer.Option("--batch", metavar="ID", help=word("option.batch"))]
Since = Annotated[str | None, typer.Option("--since", metavar="TIME", help=word("option.since"))]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help=word("option.until"))]
Error = Annotated[str | None, typer.Option("--error", metavar="TEXT", help=word("option.error"))]
Limit = Annotated[int, typer.Option("--limit", min=1, max=10_000, help=word("option.limit"))]
Cursor = Annotated[str | None, typer.Option("--cursor", metavar="CURSOR", help=word("option.cursor"))]


def codes(values: Iterable[str] | None, kind: str = "state") -> tuple[str, ...]:
    """Return statuses as they are stored; their Japanese names are taken as well."""
    named = {names[0]: key.partition(".")[2] for key, names in WORDS.items() if key.startswith(f"{kind}.")}
    return tuple(named.get(value, value) for value in values or ())


def refuse_unknown(
    city: City, named: tuple[frozenset[str], frozenset[str]], systems: tuple[str, ...], types: tuple[str, ...]
) -> None:
    """Raise `UsageError` as `hub.stages.finding.refuse_unknown` does."""
    from hub.stages import finding

    finding.refuse_unknown(city, named, systems, types)


def short(types: list[str] | None) -> tuple[str, ...]:
    """Return event types in their short form; both forms are taken, and Japanese names."""
    from hub.cli.naming import short_of
    from hub.events.wire import type_of

    return tuple(type_of(text)[0] if text.startswith("jp.lg.") else short_of(text) for text in types or ())
