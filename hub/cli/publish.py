"""`hub publish`: CloudEvents from a file or stdin."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from hub.cli import output
from hub.cli.codes import in_words
from hub.cli.loop import run
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError


def publish(
    session: Session,
    file: Annotated[str, typer.Argument(metavar="FILE", help=word("option.file"))],
    system: Annotated[str | None, typer.Option("--as", metavar="SYSTEM", help=word("option.as"))] = None,
    facts_only: Annotated[bool, typer.Option("--facts-only", help=word("option.facts-only"))] = False,
) -> int:
    """Publish a file or stdin."""
    city = session.city() if system is not None else None
    if city is not None and system not in city.systems:
        raise UsageError(f"there is no system {system}", mend="one of: " + ", ".join(city.systems))
    with opened(file) as stream, session.kafka() as broker, session.hub(city, broker) as hub:
        with output.counter(word("publish.progress")) as progress:
            result = run(hub.publish(stream, system=system, name=file, facts_only=facts_only, progress=progress))
        refused = [entry_json(hub.ledger, no) for no in result.quarantined]
    found = {
        "accepted": result.accepted,
        "duplicates": result.repeats,
        "reused": result.reused,
        "quarantined": refused,
        "batch": result.batch_id,
    }

    def for_people() -> None:
        output.line(word("publish.done", **{**found, "quarantined": len(refused)}))
        if result.reused:
            output.line("  " + word("publish.reused", count=result.reused))
        for entry in refused:
            said = in_words(entry["code"], entry["message"])
            output.line(f"  {entry['place']}: {said} ({entry['code']}, hub quarantine show {entry['no']})")

    session.answer(found, for_people)
    return int(bool(refused))


def opened(name: str) -> AbstractContextManager[BinaryIO]:
    """Return the bytes of a file, or of stdin for `-`. Raises `UsageError`."""
    if name == "-":
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None


def entry_json(ledger: Any, no: int) -> dict[str, Any]:
    """Return what a quarantined part of the stream is, and why."""
    from hub.ledger import quarantine

    item = quarantine.show(ledger, no)
    return {"no": item.no, "place": item.place, "code": item.code, "message": item.message}
