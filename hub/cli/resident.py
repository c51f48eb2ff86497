"""`hub resident`: what was reported of a resident, who was told of it, and what waits."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli import output
from hub.cli.codes import error_of
from hub.cli.events import stands
from hub.cli.naming import common_name, field_name, type_name
from hub.cli.session import Session
from hub.cli.words import word


def resident(
    session: Session,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help=word("option.resident"))],
    disclosure: Annotated[bool, typer.Option("--disclosure", help=word("option.disclosure"))] = False,
) -> None:
    """Show a resident's timeline, or who got which fields for which purpose."""
    from hub.ledger.desk import Desk
    from hub.stages.rulebook import RuleBook
    from hub.stages.timeline import Timeline

    city = session.city()
    with session.ledger() as ledger:
        timeline = Timeline(ledger, RuleBook(ledger, Desk(ledger), city.timezone), city, session.discretion(ledger))
        found = timeline.disclosure(number) if disclosure else timeline.of(number)
    session.answer(found, lambda: _write_disclosure(found) if disclosure else _write(found))


def _head(found: dict[str, Any]) -> None:
    output.line(found["resident"] + (f"  {word('resident.protected')}" if found["protected"] else ""))


def _write(found: dict[str, Any]) -> None:
    _head(found)
    for system, number in found["numbers"].items():
        output.line(f"  {system}: {number}")
    for event in found["events"]:
        recorded, status = output.when(event["recorded_at"]), stands(event)
        output.line(f"{recorded}  {event['effective_on'] or ''}  {type_name(event['type'])}  {event['id']}  {status}")
        for each in event["deliveries"]:
            state = output.state(each["status"], each["reason"])
            fields = ", ".join(field_name(event["type"], name) for name in each["fields"])
            if each["withheld"]:
                withheld = ", ".join(field_name(event["type"], name) for name in each["withheld"])
                fields += f"  {word('column.withheld')}: {withheld}"
            output.line(f"    {each['system']}.{each['receiver']}  {state}  {fields}  {error_of(each) or ''}".rstrip())
    output.section(
        [word("resident.waiting"), word("column.status"), word("column.event")],
        [
            (f"{each['system']}.{each['receiver']}", output.state(each["status"], each["reason"]), each["event"])
            for each in found["waiting"]
        ],
    )
    for item in found["identity"]:
        output.line(word("resident.linked", no=item["no"], event=f"{item['system']}/{item['event_id']}"))


def _write_disclosure(found: dict[str, Any]) -> None:
    _head(found)
    headers = ("system", "purpose", "provision", "fields", "withheld", "deliveries", "first", "last")
    rows = [
        (
            each["system"],
            each["purpose"],
            each["provision"],
            ", ".join(map(common_name, each["fields"])),
            ", ".join(map(common_name, each["withheld"])),
            each["deliveries"],
            each["first"],
            each["last"],
        )
        for each in found["items"]
    ]
    output.section([word(f"column.{name}") for name in headers], rows)
