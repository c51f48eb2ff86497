"""`hub system`: pause and resume what a system is told, and the state of each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import output
from hub.cli.codes import in_words
from hub.cli.decisions import By, Reason, person
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import NotFound, UsageError
from hub.stages import times

if TYPE_CHECKING:
    from hub.ledger.alerts import Stall
    from hub.ledger.pauses import Pause
    from hub.settings.models import City
    from hub.stages.shutters import Shut

Target = Annotated[str, typer.Argument(metavar="SYSTEM", help=word("option.system-or-receiver"))]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help=word("option.pause-until"))]


def pause(session: Session, system: Target, reason: Reason, until: Until = None, by: By = None) -> None:
    """Hold back what a system (or one receiver of it) is told; nothing is lost."""
    from hub.ledger import pauses

    city = session.city()
    _known(city, system)
    end = times.ahead(until, ZoneInfo(city.timezone))
    with session.ledger() as ledger:
        before = next((each for each in pauses.listing(ledger) if each.key == system), None)
        made = pauses.pause(ledger, system, reason=reason, by=person(by), until=end)
    found = {**told(made), "replaced": told(before) if before is not None else None}

    def for_people() -> None:
        output.line(word("system.paused-until" if found["until"] else "system.paused", **_shown(found)))
        if before is not None:
            output.line(word("system.replaced", **_shown(told(before))))

    session.answer(found, for_people)


def _shown(pause: dict[str, Any]) -> dict[str, Any]:
    return {**pause, "until": output.when(pause["until"]) if pause["until"] else word("system.without-end")}


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
    from hub.ledger import alerts, pauses
    from hub.stages.shutters import Shutters

    city = session.city()
    with session.ledger() as ledger:
        paused = {each.key: told(each) for each in pauses.listing(ledger)}
        stalls = {each.receiver: each for each in alerts.stalls(ledger)}
        shutters = Shutters.of(city, ledger)
        shutters.refresh()
        items = [
            {
                "system": system.system,
                "title": system.title,
                "owner": system.owner,
                "paused": paused.get(system.system),
                "receivers": [
                    _receiver(
                        each.key,
                        shutters(each.key),
                        stalls.get(each.key) if each.enabled else None,  # what was open then stays in the ledger
                        paused.get(each.key),
                    )
                    for each in system.receives.values()
                ],
            }
            for system in city.systems.values()
        ]
    session.answer({"items": items, "next": None}, lambda: _write(items))


def told(pause: Pause) -> dict[str, Any]:
    """Return a pause as JSON."""
    from hub.stages.times import moment

    until = moment(pause.until) if pause.until is not None else None
    return {"system": pause.key, "reason": pause.reason, "until": until, "by": pause.by, "at": moment(pause.at)}


def _receiver(key: str, shut: Shut | None, stall: Stall | None, paused: dict[str, Any] | None) -> dict[str, Any]:
    from hub.stages.times import moment

    held = breaker = None
    if shut is not None:
        held = {"reason": shut.reason, "until": moment(shut.until) if shut.until else None, "note": shut.note}
    if stall is not None:
        breaker = {"since": moment(stall.since), "code": stall.code}
    return {"receiver": key.partition(".")[2], "held": held, "breaker": breaker, "paused": paused}


def _known(city: City, key: str) -> None:
    names = {*city.systems, *(receiver.key for receiver in city.receivers())}
    if key not in names:
        raise UsageError(f"there is no system or receiver {key}", mend="one of " + ", ".join(sorted(names)))


def _write(items: list[dict[str, Any]]) -> None:
    headers = ("system", "title", "owner", "receiver", "held", "until", "why")
    rows: list[tuple[str | None, ...]] = []
    for item in items:
        found = [row for each in item["receivers"] for row in _rows(each, item["paused"])]
        whose = item["system"], output.title_of(item["system"]), item["owner"]
        rows += [(*whose, *row) for row in found or [("", None, None, None)]]
    output.table([word(f"column.{name}") for name in headers], rows)


def _rows(receiver: dict[str, Any], paused: dict[str, Any] | None) -> list[tuple[str | None, ...]]:
    """Return a row for each thing that holds a receiver back, or one that says that nothing does."""
    name, held, breaker = receiver["receiver"], receiver["held"], receiver["breaker"]
    rows: list[tuple[str | None, ...]] = []
    if held is not None:
        rows.append((name, output.why(held["reason"]), held["until"], _said(held, (receiver["paused"], paused))))
    if breaker is not None:
        rows.append((name, output.why("breaker"), None, output.stall(breaker)))
    return rows or [(name, None, None, None)]


def _said(held: dict[str, Any], pauses: Iterable[dict[str, Any] | None]) -> str:
    """Return why a receiver is shut; of a pause also who began it, and when."""
    for each in pauses:
        if each is not None and held["reason"] == "paused" and each["until"] == held["until"]:
            return word("system.paused-by", reason=each["reason"], by=each["by"], at=output.when(each["at"]))
    return in_words("", str(held["note"]))
