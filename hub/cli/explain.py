"""`hub explain`: who is told of an event and why, who is not and why not."""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.cli import output
from hub.cli.language import lang
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError


def explain(
    session: Session, event: Annotated[str, typer.Argument(metavar="EVENT", help=word("option.explain"))]
) -> None:
    """Explain an event of the ledger by the rules it was planned by, or one in a file by the rules as they are now."""
    file = Path(event)
    found = _proposal(session, file) if file.is_file() or event == "-" else _recorded(session, event)
    session.answer(found, lambda: _write(found))


def _recorded(session: Session, event: str) -> dict[str, Any]:
    with session.inquiry() as inquiry:
        return inquiry.explain(event, lang=lang())


def _proposal(session: Session, file: Path) -> dict[str, Any]:
    from hub.events.documents import read_documents
    from hub.events.envelope import event_from
    from hub.routing.rules import RuleSet
    from hub.stages.clock import timestamp, utc_now
    from hub.stages.proposal import explain_proposal

    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    documents = list(read_documents(BytesIO(raw)))
    if len(documents) != 1:
        raise UsageError(f"{file} holds {len(documents)} events", mend="explain one at a time")
    if documents[0].error is not None:
        raise documents[0].error
    city, now, value = session.city(), timestamp(utc_now()), documents[0].value
    if isinstance(value, dict):
        value = {"specversion": "1.0", "id": "proposal", "source": "/systems/proposal", **value}
    event = event_from(value, city=city.city, now=now)
    with session.ledger() as ledger:
        return explain_proposal(event, ledger, RuleSet.of(city), lang(), city.timezone, session.discretion(ledger))


def _write(found: dict[str, Any]) -> None:
    output.section(
        [
            word("events.told"),
            word("column.rule"),
            word("column.fields"),
            word("column.because"),
            word("column.deadline"),
        ],
        [
            (
                each["receiver"],
                _rule(each),
                _fields(each),
                " ".join(filter(None, (each["because"], each["provision"]))),
                each["deadline"] if each["hold"] is None else f"held: {each['hold']} {each['detail']}",
            )
            for each in found["told"]
        ],
    )
    for each in found["covered"]:
        output.line(word("explain.covered", **each))
    output.line()
    output.section(
        [word("events.not-told"), word("column.why")],
        [(each["system"], each["why"] + (f" ({_rule(each)})" if each["place"] else "")) for each in found["not_told"]],
    )


def _fields(each: dict[str, Any]) -> str:
    """Return what is sent, and what is left out of a protected resident's."""
    sent, withheld = ", ".join(each["fields"]), ", ".join(each.get("withheld", ()))
    return f"{sent}  {word('column.withheld')}: {withheld}" if withheld else sent


def _rule(each: dict[str, Any]) -> str:
    """Return a rule's file, line and name; the name alone of one that no file has any more as it was."""
    name = f"{each['system']}.{each['rule']}"
    if each["place"] == name:
        return name
    file, _, rest = each["place"].partition(":")
    return f"{file}:{rest.partition(':')[0]} {name}"
