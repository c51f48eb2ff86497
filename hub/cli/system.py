"""`hub system`: pause and resume what a system is told, and the state of each."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import output
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import NotFound, UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.pauses import Pause
    from hub.settings.models import City

Target = Annotated[str, typer.Argument(metavar="SYSTEM", help=word("option.system-or-receiver"))]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help=word("option.pause-until"))]
Reason = Annotated[str, typer.Option("--reason", help=word("option.reason"))]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help=word("option.by"))]


def pause(session: Session, system: Target, reason: Reason, until: Until = None, by: By = None) -> None:
    """Hold back what a system (or one receiver of it) is told; nothing is lost."""
    from hub.ledger import pauses

    city = session.city()
    _known(city, system)
    end = times.ahead(until, ZoneInfo(city.timezone))
    with session.ledger() as ledger:
        made = pauses.pause(ledger, system, reason=reason, by=by or getpass.getuser(), until=end)
    session.answer(told(made), lambda: output.line(word("system.paused", **told(made))))


def resume(session: Session, system: Target) -> None:
    """Let a paused system be told again; one that is not paused stays as it is."""
    from hub.ledger import pauses

    try:
        with session.ledger() as ledger:
            found, said = told(pauses.resume(ledger, system)), "system.resumed"
    except NotFound:
        _known(session.city(), system)
        found, said = {"system": system, "reason": None, "until": None, "by": None, "at": None}, "system.not-paused"
    session.answer(found, lambda: output.line(word(said, **found)))


def listing(session: Session) -> None:
    """List the systems with their receivers and what holds them back."""
    from hub.ledger import pauses
    from hub.stages.shutters import Shutters

    city = session.city()
    with session.ledger() as ledger:
        paused = {each.key: told(each) for each in pauses.listing(ledger)}
        shutters = Shutters.of(city, ledger)
        shutters.refresh()
        items = [
            {
                "system": system.system,
                "title": system.title,
                "owner": system.owner,
                "paused": paused.get(system.system),
                "receivers": [_receiver(key, shutters, paused) for key in (r.key for r in system.receives.values())],
            }
            for system in city.systems.values()
        ]
    session.answer({"items": items, "next": None}, lambda: _write(items))


def told(pause: Pause) -> dict[str, Any]:
    """Return a pause as JSON."""
    from hub.stages.times import moment

    until = moment(pause.until) if pause.until is not None else None
    return {"system": pause.key, "reason": pause.reason, "until": until, "by": pause.by, "at": moment(pause.at)}


def _receiver(key: str, shutters: Any, paused: dict[str, Any]) -> dict[str, Any]:
    from hub.stages.times import moment

    shut = shutters(key)
    held = None
    if shut is not None:
        held = {"reason": shut.reason, "until": moment(shut.until) if shut.until else None, "note": shut.note}
    return {"receiver": key.partition(".")[2], "held": held, "paused": paused.get(key)}


def _known(city: City, key: str) -> None:
    names = {*city.systems, *(receiver.key for receiver in city.receivers())}
    if key not in names:
        raise UsageError(f"there is no system or receiver {key}", mend="one of " + ", ".join(sorted(names)))


def _write(items: list[dict[str, Any]]) -> None:
    headers = ("system", "owner", "receiver", "held", "until", "why")
    rows = []
    for item in items:
        for each in item["receivers"] or [{"receiver": "", "held": None}]:
            held = each["held"] or {}
            rows.append(
                (
                    item["system"],
                    item["owner"],
                    each["receiver"],
                    held.get("reason"),
                    held.get("until"),
                    held.get("note"),
                )
            )
    output.table([word(f"column.{name}") for name in headers], rows)
