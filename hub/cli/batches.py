"""`hub batches`: what arrived together, and what a person decides of one that is held."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, output
from hub.cli.codes import in_words
from hub.cli.decisions import By, DryRun, Reason, person
from hub.cli.session import Session
from hub.cli.words import word
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.batches import Item

Reference = Annotated[str, typer.Argument(metavar="BATCH", help=word("option.batch-reference"))]


def listing(
    session: Session,
    system: filters.Systems = None,
    source: Annotated[str | None, typer.Option("--source", metavar="SOURCE", help=word("option.source"))] = None,
    status: filters.Statuses = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List batches, the newest first."""
    from hub.ledger import batches

    zone = ZoneInfo(session.city().timezone)
    with session.ledger() as ledger:
        items, following = batches.listing(
            ledger,
            systems=system or (),
            source=source,
            statuses=filters.codes(status, "batch-state"),
            since=times.since(since, zone),
            until=times.until(until, zone),
            limit=limit,
            cursor=cursor,
        )
    found = [told(item) for item in items]
    session.answer({"items": found, "next": following}, lambda: _write_list(found, following))


def show(session: Session, batch: Reference) -> None:
    """Show one batch."""
    from hub.ledger import batches

    with session.ledger() as ledger:
        found = told(batches.show(ledger, batch))
    session.answer(found, lambda: _write(found))


def release(session: Session, batch: Reference, reason: Reason, dry_run: DryRun = False, by: By = None) -> None:
    """Let a held batch go; intake publishes it."""
    from hub.ledger import batches

    with session.ledger() as ledger:
        found = told(batches.release(ledger, batch, who=person(by), why=reason, dry_run=dry_run))
    said = word("batches.would-release" if dry_run else "batches.released", **found)
    session.answer(found, lambda: _write_decision(found, said, dry_run=dry_run))


def reject(session: Session, batch: Reference, reason: Reason, dry_run: DryRun = False, by: By = None) -> None:
    """Refuse a held batch; nothing of it is published."""
    from hub.ledger import batches

    with session.ledger() as ledger:
        found = told(batches.reject(ledger, batch, who=person(by), why=reason, dry_run=dry_run))
    said = word("batches.would-reject" if dry_run else "batches.rejected", **found)
    session.answer(found, lambda: _write_decision(found, said, dry_run=dry_run))


def told(item: Item) -> dict[str, Any]:
    """Return a batch as JSON."""
    from hub.stages.times import moment

    found = {name: value for name, value in asdict(item).items() if name not in {"no", "spool"}}
    times_of = {name: moment(found[name]) for name in ("first_seen", "last_seen")}
    return {**found, **times_of, "decided_at": moment(item.decided_at) if item.decided_at is not None else None}


def _write_decision(found: dict[str, Any], said: str, *, dry_run: bool) -> None:
    if dry_run:
        _write_fields(found)
        output.line()
    output.line(said)


def _write_fields(found: dict[str, Any]) -> None:
    said = {"status": output.standing("batch", found["status"]), "reason": in_words("", found["reason"])}
    output.fields({**found, **said})


def _write(found: dict[str, Any]) -> None:
    _write_fields(found)
    if found["status"] in {"held", "missing"}:
        key = output.place(found["system"], found["source"])
        named, held = shlex.quote(f"{key}/{found['id']}"), found["status"] == "held"
        what = word("step.batch-reject" if held else "step.batch-noted")
        steps = [(what, f"hub batches reject {named} --reason {word('step.text')}")]
        if held:
            steps.insert(0, (word("step.batch-release"), f"hub batches release {named} --reason {word('step.text')}"))
        output.steps("", steps)


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("recorded", "batch", "source", "rows", "events", "quarantined", "status", "why")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["first_seen"],
                item["id"],
                output.place(item["system"], item["source"]),
                item["rows"],
                sum(item["events"].values()),
                item["quarantined"],
                output.standing("batch", item["status"]),
                in_words("", item["reason"]),
            )
            for item in items
        ],
        following,
    )
