"""`hub replay`: deliveries again, to the receivers that are named and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, jobs
from hub.cli.decisions import By, DryRun, Why
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

Keys = Annotated[list[str] | None, typer.Argument(metavar="[DELIVERY]...", help=word("option.deliveries"))]
Rules = Annotated[Literal["then", "now"], typer.Option("--rules", help=word("option.rules"))]
Edit = Annotated[Path | None, typer.Option("--edit", metavar="FILE", help=word("option.edit"))]


def replay(
    session: Session,
    deliveries: Keys = None,
    system: filters.Systems = None,
    status: filters.Statuses = None,
    type_: filters.Types = None,
    resident: filters.Resident = None,
    batch: filters.Batch = None,
    since: filters.Since = None,
    until: filters.Until = None,
    error: filters.Error = None,
    dry_run: DryRun = False,
    rules: Rules = "then",
    edit: Edit = None,
    rate: jobs.Rate = None,
    even_if_stale: jobs.Stale = False,
    include_outward: jobs.Outward = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Plan a replay, and begin it unless it is only to be seen."""
    from hub.stages.inquiry import DeliveryFilter

    if edit is not None and not reason:
        raise UsageError("an edit needs a reason", mend="--reason TEXT")
    with session.hub() as hub:
        zone = ZoneInfo(hub.city.timezone)
        wanted = DeliveryFilter(
            systems=tuple(system or ()),
            statuses=filters.codes(status),
            types=filters.short(type_),
            resident=resident,
            batch=batch,
            since=times.since(since, zone),
            until=times.until(until, zone),
            error=error,
        )
        foreman = hub.foreman()
        plan = foreman.replay(
            wanted,
            deliveries or (),
            now=rules == "now",
            edit=None if edit is None else document(edit),
            rate=rate,
            even_if_stale=even_if_stale,
            include_outward=include_outward,
        )
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def document(file: Path) -> Any:
    """Return the JSON of a file; raises UsageError and Malformed."""
    from hub.events.text import parse

    try:
        return parse(file.read_bytes())
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
