"""`hub correct` and `hub cancel`: putting events right, or taking them back, from whoever was told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, jobs
from hub.cli.replay import document
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import Malformed, UsageError
from hub.stages import times

T = TypeVar("T")

Events = Annotated[list[str] | None, typer.Argument(metavar="[EVENT]...", help=word("option.cancelled-events"))]
Event = Annotated[str, typer.Argument(metavar="EVENT", help=word("option.event"))]
Systems = Annotated[list[str] | None, typer.Option("--system", metavar="SYSTEM", help=word("option.reporter"))]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help=word("option.reason"))]
Edit = Annotated[Path | None, typer.Option("--edit", metavar="FILE", help=word("option.right-file"))]
Data = Annotated[str | None, typer.Option("--data", metavar="JSON", help=word("option.right-data"))]

Subject = Annotated[str | None, typer.Option("--subject", metavar="NUMBER", help=word("option.right-subject"))]


def cancel(
    session: Session,
    reason: Reason,
    events: Events = None,
    batch: filters.Batch = None,
    system: Systems = None,
    type_: filters.Types = None,
    resident: filters.Resident = None,
    since: filters.Since = None,
    until: filters.Until = None,
    dry_run: jobs.DryRun = False,
    by: jobs.By = None,
) -> int:
    """Take events back."""
    from hub.ledger.views import EventFilter

    with session.hub() as hub:
        zone = ZoneInfo(hub.city.timezone)
        wanted = EventFilter(
            source_systems=tuple(system or ()),
            types=filters.short(type_),
            subject=resident,
            batch=batch,
            since=times.since(since, zone),
            until=times.until(until, zone),
        )
        foreman = hub.foreman()
        filters.refuse_unknown(hub.city, foreman.named(), wanted.source_systems, wanted.types)
        plan = foreman.cancel(wanted, events or ())
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def correct(
    session: Session,
    event: Event,
    reason: Reason,
    edit: Edit = None,
    data: Data = None,
    subject: Subject = None,
    dry_run: jobs.DryRun = False,
    by: jobs.By = None,
) -> int:
    """Put one event right: the fields given replace those that stand, null takes one away.

    One about the wrong person is cancelled, and reported anew of the right one.
    """
    values = [each for each in (edit, data) if each is not None]
    if len(values) > 1 or not (values or subject):
        mend = "give them with --edit FILE or --data JSON; the right person with --subject NUMBER"
        raise UsageError("what is right?", mend=mend)
    fields = _worded(lambda: document(edit) if edit is not None else _parsed(data or "{}"))
    if not isinstance(fields, dict):
        raise UsageError("the right values are a JSON object", mend='write {"field": value}')
    with session.hub() as hub:
        foreman = hub.foreman()
        right = {**foreman.values(event), **fields}
        whole = {name: value for name, value in right.items() if value is not None}
        plan = _worded(
            lambda: foreman.correct(event, whole) if subject is None else foreman.move(event, subject, whole)
        )
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def _worded(make: Callable[[], T]) -> T:
    """Return what is made of the caller's words; what is wrong with them is wrong usage, not a finding."""
    try:
        return make()
    except Malformed as error:
        raise UsageError(error.message, place=error.place, mend=error.mend, code=error.code) from None


def _parsed(text: str) -> Any:
    from hub.events.text import parse

    return parse(text.encode())
