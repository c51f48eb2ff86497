"""`hub review`: what waits for a person, or was listed for people to know, and what they decide."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import filters, loop, output
from hub.cli.codes import mend
from hub.cli.decisions import By, Reason, Why, person
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.reviews import Item

Number = Annotated[int, typer.Argument(metavar="NO", help=word("option.review"))]


def listing(
    session: Session,
    system: Annotated[str | None, typer.Option("--system", metavar="SYSTEM", help=word("option.one-system"))] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="SOURCE", help=word("option.source"))] = None,
    kind: Annotated[list[str] | None, typer.Option("--kind", metavar="KIND", help=word("option.kind"))] = None,
    status: Annotated[list[str] | None, typer.Option("--status", help=word("option.review-status"))] = None,
    resident: filters.Resident = None,
    since: filters.Since = None,
    until: filters.Until = None,
    limit: filters.Limit = 50,
    cursor: filters.Cursor = None,
) -> None:
    """List what is open, the newest first."""
    from hub.ledger import reviews

    zone = ZoneInfo(session.city().timezone)
    with session.ledger() as ledger:
        items, following = reviews.listing(
            ledger,
            kinds=kind or (),
            system=system,
            source=source,
            statuses=filters.codes(status, "review-state") or reviews.OPEN,
            subject=resident,
            since=times.since(since, zone),
            until=times.until(until, zone),
            limit=limit,
            cursor=cursor,
        )
    found = [told(item) for item in items]
    session.answer({"items": found, "next": following}, lambda: _write_list(found, following))


def show(session: Session, no: Number) -> None:
    """Show one item with all that was put there."""
    from hub.stages import reviewing

    with session.ledger() as ledger:
        item, shown = reviewing.shown(ledger, no, session.discretion(ledger))
    found = {**told(item), **shown}
    session.answer(found, lambda: _write(found))


def accept(session: Session, no: Number, reason: Why = "", by: By = None) -> None:
    """Let it be so: publish its events, if it has any, once."""
    with session.hub() as hub:
        item = loop.run(hub.accept(no, who=person(by), why=reason))
    found = told(item)
    said = word("review.accepted", no=no, events=item.events) if item.events else word("review.accepted-alone", no=no)
    session.answer(found, lambda: output.line(said))


def fix(
    session: Session,
    no: Number,
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=word("option.review-document"))] = None,
    values: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=word("option.set"))] = None,
    reason: Why = "",
    by: By = None,
) -> None:
    """Put right what was misread; every other field is taken as it was read, and the event is published once."""
    given = dict(_pair(text) for text in values or ())
    if file is None and not given:
        mend = f"--set NAME=VALUE, a FILE with the whole document, or `hub review accept {no}` if all is right"
        raise UsageError("nothing is said of what was misread", mend=mend)
    try:
        document = file.read_bytes() if file is not None else None
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    with session.hub() as hub:
        item = loop.run(hub.confirm(no, given, document, who=person(by), why=reason))
    found = told(item)
    session.answer(found, lambda: output.line(word("review.accepted", no=no, events=item.events)))


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"not NAME=VALUE: {name}", mend="for example --set 氏名=守口太郎")
    return name, value


def reject(session: Session, no: Number, reason: Reason, by: By = None) -> None:
    """Publish nothing of it; the same thing is not put there again."""
    from hub.stages import reviewing

    with session.ledger() as ledger:
        found = told(reviewing.reject(ledger, no, who=person(by), why=reason))
    session.answer(found, lambda: output.line(word("review.rejected", no=no)))


def told(item: Item) -> dict[str, Any]:
    """Return an item as JSON, without what it holds."""
    from hub.stages.times import moment

    found = {name: value for name, value in asdict(item).items() if name not in {"payload", "standing"}}
    for name in ("at", "decided_at", "published_at"):
        found[name] = moment(found[name]) if found[name] is not None else None
    return found


def _write(found: dict[str, Any]) -> None:
    kind = output.worded(f"review-kind.{found['kind']}")
    output.fields({**found, "kind": kind, "status": output.standing("review", found["status"])})
    if found["status"] in {"waiting", "reported"}:
        no = found["no"]
        steps = [] if found.get("errors") else [(word("step.review-accept"), f"hub review accept {no}")]
        if found["kind"] == "unsure":
            steps.append((word("step.review-fix"), f"hub review fix {no} --set {word('step.values')}"))
        output.steps(
            mend("unsure") if found["kind"] == "unsure" else "",
            [*steps, (word("step.review-reject"), f"hub review reject {no} --reason {word('step.text')}")],
        )


def _write_list(items: list[dict[str, Any]], following: str | None) -> None:
    headers = ("no", "recorded", "source", "subject", "why", "events", "status")
    output.listing(
        [word(f"column.{name}") for name in headers],
        [
            (
                item["no"],
                item["at"],
                output.place(item["system"], item["source"]),
                item["subject"],
                item["summary"],
                item["events"],
                output.standing("review", item["status"]),
            )
            for item in items
        ],
        following,
    )
