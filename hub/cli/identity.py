"""`hub identity`: reports of somebody whose number is unknown or does not fit, and who a person says it is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub.cli import filters, loop, output
from hub.cli.decisions import By, Reason, person
from hub.cli.naming import type_name
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import Unavailable, UsageError

DONE = {"linked": "identity.linked", "open": "identity.open"}

Number = Annotated[int, typer.Argument(metavar="NO", help=word("option.entry"))]
Resident = Annotated[str, typer.Argument(metavar="RESIDENT", help=word("option.resident"))]


def listing(
    session: Session,
    system: Annotated[str | None, typer.Option("--system", metavar="SYSTEM", help=word("option.one-system"))] = None,
    status: Annotated[str, typer.Option("--status", help=word("option.identity-status"))] = "open",
    resident: filters.Resident = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List entries, the newest first."""
    from hub.ledger import identities
    from hub.stages.identity_queue import summary

    (status,) = filters.codes([status], "identity-state")
    if status not in (*identities.STATUSES, "all"):
        raise UsageError(f"no such status: {status}", mend="one of: " + ", ".join((*identities.STATUSES, "all")))
    statuses = () if status == "all" else (status,)
    with session.ledger() as ledger:
        items, following = identities.listing(
            ledger, statuses=statuses, system=system, subject=resident, limit=limit, cursor=cursor
        )
    found = [summary(item) for item in items]
    session.answer({"items": found, "next": following}, lambda: _write_list(found, following))


def show(session: Session, no: Number) -> None:
    """Show one entry: the report, which facts agree with whom, who decided what."""
    from hub.stages.identity_queue import whole

    with session.ledger() as ledger:
        found = whole(ledger, no, session.discretion(ledger))
    session.answer(found, lambda: _write(found))


def link(
    session: Session,
    no: Number,
    resident: Resident,
    reason: Reason,
    new: Annotated[bool, typer.Option("--new", help=word("option.newcomer"))] = False,
    by: By = None,
) -> int:
    """Say whom an entry is about: those who were not told of it are."""
    from hub.stages import linking

    with session.ledger() as ledger:
        who = person(by)
        deed = linking.link(ledger, no, resident, by=who, reason=reason, newcomer=new)
    return _tell(session, no, "linked", resident, deed.event_id)


def unlink(session: Session, no: Number, reason: Reason, by: By = None) -> int:
    """Take a link back: whoever was told hears that it was wrong, and the entry waits again."""
    from hub.stages import linking

    with session.ledger() as ledger:
        deed = linking.unlink(ledger, no, by=person(by), reason=reason)
    return _tell(session, no, "open", deed.subject, deed.event_id)


def discard(session: Session, no: Number, reason: Reason, by: By = None) -> None:
    """Close an entry that is about nobody."""
    from hub.stages import linking

    with session.ledger() as ledger:
        linking.discard(ledger, no, by=person(by), reason=reason)
    session.answer({"no": no, "status": "discarded"}, lambda: output.line(word("identity.discarded", no=no)))


def _tell(session: Session, no: int, status: str, resident: str, event_id: str) -> int:
    """Put the decision into Kafka; where that is away it is kept, and told by `hub run` or the next `hub drain`."""
    told = True
    try:
        with session.hub() as hub:
            loop.run(hub.tell_deeds())
    except Unavailable as error:
        told = False
        output.say(word("identity.later", why=error))
    answer: dict[str, Any] = {"no": no, "status": status, "resident": resident, "event": event_id, "told": told}
    session.answer(answer, lambda: output.line(word(DONE[status], no=no, resident=resident)))
    return 0 if told else 3


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "source", "type", "reason", "given", "checked", "subject")
    rows = [
        (
            item["no"],
            item["at"],
            f"{item['system']}.{item['source']}",
            type_name(item["type"]),
            output.worded(f"identity.{item['reason']}"),
            item["given"],
            _checked(item),
            item["subject"] or item["provisional"] or "",
        )
        for item in items
    ]
    output.listing([word(f"column.{name}") for name in headers], rows, following)


def _checked(item: dict[str, Any]) -> str:
    return ", ".join(f"{name}: {output.worded(f'identity.{how}')}" for name, how in item["checked"].items())


def _write(found: dict[str, Any]) -> None:
    names = ("no", "at", "status", "system", "source", "place", "event_id", "type", "given", "found", "subject", "seen")
    said = {"type": type_name(found["type"]), "status": output.standing("identity", found["status"])}
    output.fields({**found, **said}, names)
    output.line(f"{word('column.reason')}: {output.worded('identity.' + found['reason'])}  {_checked(found)}")
    output.data(found["type"], found["data"])
    for deed in found["deeds"]:
        subject = deed["subject"] or ""
        what = output.worded(f"deed.{deed['what']}")
        output.line(f"{output.when(deed['at'])}  {what}  {subject}  {deed['by']}: {deed['reason']}")
    if found["status"] == "open":
        output.steps("", _steps(found["no"]))


def _steps(no: int) -> list[tuple[str, str]]:
    return [
        (word("step.identity-link"), f"hub identity link {no} {word('step.resident')} --reason {word('step.text')}"),
        (word("step.identity-discard"), f"hub identity discard {no} --reason {word('step.text')}"),
    ]
