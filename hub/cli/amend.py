"""`hub correct` and `hub cancel`: putting events right, or taking them back, from whoever was told of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, jobs
from hub.cli.decisions import By, DryRun, Reason
from hub.cli.replay import document
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import Malformed, UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.ledger.views import EventFilter
    from hub.stages.foreman import Foreman
    from hub.stages.jobs import Plan

T = TypeVar("T")

Events = Annotated[list[str] | None, typer.Argument(metavar="[EVENT]...", help=word("option.cancelled-events"))]
Systems = Annotated[list[str] | None, typer.Option("--system", metavar="SYSTEM", help=word("option.reporter"))]
Edit = Annotated[Path | None, typer.Option("--edit", metavar="FILE", help=word("option.right-file"))]
Data = Annotated[str | None, typer.Option("--data", metavar="JSON", help=word("option.right-data"))]

Subject = Annotated[str | None, typer.Option("--subject", metavar="NUMBER", help=word("option.right-subject"))]


Again = Annotated[bool, typer.Option("--again", help=word("option.again"))]


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
    dry_run: DryRun = False,
    by: By = None,
) -> int:
    """Take events back."""
    with session.hub() as hub:
        foreman = hub.foreman()
        wanted = _wanted(hub, foreman, batch, system, type_, resident, since, until)
        _refuse_both(events, wanted)
        plan = foreman.cancel(wanted, events or ())
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def correct(
    session: Session,
    reason: Reason,
    events: Events = None,
    edit: Edit = None,
    data: Data = None,
    subject: Subject = None,
    again: Again = False,
    batch: filters.Batch = None,
    system: Systems = None,
    type_: filters.Types = None,
    resident: filters.Resident = None,
    since: filters.Since = None,
    until: filters.Until = None,
    dry_run: DryRun = False,
    by: By = None,
) -> int:
    """Put events right: the fields given replace those that stand, null takes one away.

    One about the wrong person is cancelled, and reported anew of the right one; one that was cancelled by mistake is
    reported anew.
    """
    values = [each for each in (edit, data) if each is not None]
    if len(values) > 1 or not (values or subject or again):
        mend = "give them with --edit FILE or --data JSON; the right person with --subject NUMBER"
        raise UsageError("what is right?", mend=mend)
    fields = _worded(lambda: document(edit) if edit is not None else _parsed(data or "{}"))
    if not isinstance(fields, dict):
        raise UsageError("the right values are a JSON object", mend='write {"field": value}')
    with session.hub() as hub:
        foreman = hub.foreman()
        wanted = _wanted(hub, foreman, batch, system, type_, resident, since, until)
        some = _refuse_both(events, wanted)
        if subject is not None and (again or some or len(events or ()) != 1):
            raise UsageError("--subject is for one event", mend="name the event that is about the wrong person")
        if again and (some or len(events or ()) != 1):
            raise UsageError("--again is for one event", mend="name the event that was cancelled by mistake")
        plan = _worded(lambda: _corrections(foreman, wanted, events or [], fields, subject, again=again))
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def _wanted(
    hub: Hub,
    foreman: Foreman,
    batch: str | None,
    system: list[str] | None,
    type_: list[str] | None,
    resident: str | None,
    since: str | None,
    until: str | None,
) -> EventFilter:
    """Return which events are meant; raises UsageError for a type or a system that nobody knows."""
    from hub.ledger.views import EventFilter

    zone = ZoneInfo(hub.city.timezone)
    wanted = EventFilter(
        source_systems=tuple(system or ()),
        types=filters.short(type_),
        subject=resident,
        batch=batch,
        since=times.since(since, zone),
        until=times.until(until, zone),
    )
    filters.refuse_unknown(hub.city, foreman.named(), wanted.source_systems, wanted.types)
    return wanted


def _refuse_both(events: list[str] | None, wanted: EventFilter) -> bool:
    """Say whether there are filters; raises UsageError when there are ids, too."""
    some = wanted != type(wanted)()
    if events and some:
        raise UsageError("events by id, or filters: not both", mend="leave one of them out")
    return some


def _corrections(
    foreman: Foreman,
    wanted: EventFilter,
    events: list[str],
    fields: dict[str, Any],
    subject: str | None,
    *,
    again: bool,
) -> Plan:
    if len(events) != 1:
        return foreman.correct_all(wanted, events, fields)
    (event,) = events
    right = {**foreman.values(event), **fields}
    whole = {name: value for name, value in right.items() if value is not None}
    if again:
        return foreman.again(event, whole)
    return foreman.correct(event, whole) if subject is None else foreman.move(event, subject, whole)


def _worded(make: Callable[[], T]) -> T:
    """Return what is made of the caller's words; what is wrong with them is wrong usage, not a finding."""
    try:
        return make()
    except Malformed as error:
        raise UsageError(error.message, place=error.place, mend=error.mend, code=error.code) from None


def _parsed(text: str) -> Any:
    from hub.events.text import parse

    return parse(text.encode())
