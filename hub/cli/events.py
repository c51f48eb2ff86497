"""`hub events`: what was reported, and what became of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, output
from hub.cli.codes import error_of
from hub.cli.language import lang
from hub.cli.naming import type_name
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.views import EventFilter
    from hub.stages.inquiry import Inquiry

RELATIONS = {
    "duplicate_of": "events.duplicate-of",
    "replaces": "events.replaces",
    "replaced_by": "events.replaced-by",
    "identifies": "events.identifies",
    "identified_by": "events.identified-by",
}
AMENDS = {
    "cancels": "events.cancels",
    "corrects": "events.corrects",
    "enriches": "events.enriches",
    "contradicts": "events.contradicts",
}
AMENDED = {
    "cancels": "events.cancelled-by",
    "corrects": "events.corrected-by",
    "enriches": "events.enriched-by",
    "contradicts": "events.contradicted-by",
}

DONE = {
    "cancels": "events.cancels-short",
    "corrects": "events.corrects-short",
    "enriches": "events.enriches-short",
    "contradicts": "events.contradicts-short",
}
DOING = {
    "cancels": "events.cancels-which",
    "corrects": "events.corrects-which",
    "enriches": "events.enriches-which",
    "contradicts": "events.contradicts-which",
}


def listing(
    session: Session,
    system: filters.Systems = None,
    status: filters.Statuses = None,
    type_: filters.Types = None,
    resident: filters.Resident = None,
    batch: filters.Batch = None,
    since: filters.Since = None,
    until: filters.Until = None,
    error: filters.Error = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List events."""
    from hub.ledger.status import EVENT
    from hub.ledger.views import EventFilter

    statuses = filters.codes(status)
    if unknown := sorted(set(statuses) - set(EVENT)):
        raise UsageError(f"no such status: {', '.join(unknown)}", mend="one of " + ", ".join(EVENT))
    zone = ZoneInfo(session.city().timezone)
    wanted = EventFilter(
        source_systems=tuple(system or ()),
        types=filters.short(type_),
        statuses=tuple(EVENT.index(each) for each in statuses),
        subject=resident,
        batch=batch,
        since=times.since(since, zone),
        until=times.until(until, zone),
    )
    with session.inquiry() as inquiry:
        filters.refuse_unknown(session.city(), inquiry.named(), wanted.source_systems, wanted.types)
        ask = inquiry.events if error is None else partial(_with_error, inquiry, error)
        page = ask(wanted, limit=limit, cursor=cursor)
    session.answer(page, lambda: _write_list(page))


def _with_error(inquiry: Inquiry, error: str, wanted: EventFilter, *, limit: int, cursor: str | None) -> dict[str, Any]:
    """Return the page's events of which a delivery has such an error; a page may be short and still have a `next`."""
    page = inquiry.events(wanted, limit=limit, cursor=cursor)
    kept = [item for item in page["items"] if item["deliveries"] and _has_error(inquiry, item, error)]
    return {**page, "items": kept}


def _has_error(inquiry: Inquiry, item: dict[str, Any], error: str) -> bool:
    shown = inquiry.event(f"{item['source'].removeprefix('/systems/')}/{item['id']}")
    found = [each["error"] for each in shown["deliveries"] if each["error"] is not None]
    return any(error in f"{each['code']} {each['message']}" for each in found)


def show(session: Session, event: Annotated[str, typer.Argument(metavar="EVENT", help=word("option.event"))]) -> None:
    """Show one event."""
    with session.inquiry() as inquiry:
        found = inquiry.event(event, lang=lang())
    session.answer(found, lambda: _write_event(found))


def _write_list(page: dict[str, Any]) -> None:
    headers = ("recorded", "event", "type", "subject", "source", "status", "deliveries")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["recorded_at"],
                item["id"],
                type_name(item["type"]),
                item["subject"],
                item["source"].removeprefix("/systems/"),
                stands(item),
                item["deliveries"],
            )
            for item in page["items"]
        ],
        page["next"],
    )


def stands(event: dict[str, Any]) -> str:
    """Return an event's status in the person's language, with what was done to it, and what it does to another."""
    done = word(DONE[event["amended"]]) if event["amended"] else ""
    doing = word(DOING[event["amends"]], event=event["corrects"]) if event["amends"] else ""
    return output.state(event["status"]) + done + doing


def _write_standing(type_: str, was: dict[str, Any], stands: dict[str, Any]) -> None:
    """Write the values that stand now where they are not the event's own."""
    changed = {name: stands.get(name) for name in {**was, **stands} if stands.get(name) != was.get(name)}
    if changed:
        output.line(word("events.stands"))
        gone = word("events.gone")
        output.data(type_, {name: gone if value is None else value for name, value in changed.items()})


def _write_event(found: dict[str, Any]) -> None:
    event = found["event"]
    named = f"{event['source'].removeprefix('/systems/')}/{event['id']}"
    output.line(f"{type_name(event['type'])}  {event['subject']}  {named}")
    output.line(f"{output.when(found['recorded_at'])}  {output.state(found['status'])}")
    if found["seen"] > 1:
        output.line(word("events.seen", count=found["seen"]))
    if found["corrects"] is not None:
        output.line(word(AMENDS[found["amends"]], event=found["corrects"]))
    if found["corrected_by"] is not None:
        output.line(word(AMENDED[found["amended"]], event=found["corrected_by"]))
    for name, key in RELATIONS.items():
        if found[name] is not None:
            output.line(word(key, event=found[name]))
    if "identity" in found:
        output.line(word("events.awaits-identity", no=found["identity"]))
    output.data(event["type"], event["data"])
    output.withheld(event["type"], found)
    if found["stands"] is not None:
        _write_standing(event["type"], event["data"], found["stands"])
    output.section(
        [word("events.told"), word("column.status"), word("column.rule"), word("column.error")],
        [
            (
                f"{each['system']}.{each['receiver']}",
                output.state(each["status"], each["reason"]),
                each["rule"],
                error_of(each),
            )
            for each in found["deliveries"]
        ],
    )
    output.section(
        [word("events.not-told"), word("column.why")], [(each["system"], each["why"]) for each in found["not_told"]]
    )
