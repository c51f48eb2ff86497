"""`hub drain`: until nothing is left that time would mend."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.check import refuse_broken
from hub.cli.codes import in_words
from hub.cli.loop import run
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import BrokerUnavailable, Unavailable
from hub.stages import times

if TYPE_CHECKING:
    from hub.app import DrainReport, Hub

AGAIN = 0.5  # seconds between looks for a service that is away
LEFT = ("planned", "sending", "waiting", "held", "unknown")


def drain(
    session: Session,
    wait: Annotated[str, typer.Option("--wait", metavar="TIME", help=word("option.wait"))] = "30s",
    close_windows: Annotated[bool, typer.Option("--close-windows", help=word("option.close-windows"))] = False,
) -> int:
    """Run until nothing is left."""
    limit = times.seconds(wait)
    with session.kafka() as broker, session.hub(refuse_broken(session), broker, patience=limit) as hub:
        report = patiently(hub, limit, close_windows=close_windows)
        found = {**told(report), "open": unsettled(hub), "unread": unread(hub)}
    session.answer(found, lambda: write(found))
    return 0 if report.clear else 1


def patiently(hub: Hub, wait: float, *, close_windows: bool = False) -> DrainReport:
    """Drain; a ledger or a Kafka elsewhere that is away is waited for. Raises `Unavailable` after `wait` seconds."""
    from hub.ledger.desk import now_ms

    began, limit = now_ms(), time.monotonic() + wait
    while True:
        try:
            return run(hub.drain(wait=wait, began=began, close_windows=close_windows))
        except Unavailable as error:
            own = isinstance(error, BrokerUnavailable) and hub.city.bootstrap is None
            if own or time.monotonic() >= limit:
                raise
        time.sleep(AGAIN)


def told(report: DrainReport) -> dict[str, Any]:
    """Return the report as JSON."""
    counts, backlog = report.dispatcher.counts, report.backlog
    return {
        "clear": report.clear,
        "read": {
            "rows": report.read.tally.rows,
            "events": report.read.tally.events,
            "ignored": report.read.tally.ignored,
            "quarantined": report.read.tally.quarantined,
        },
        "awaiting_identity": report.read.tally.waiting,
        "unsure": report.read.tally.unsure,
        "events": counts.events,
        "duplicates": counts.duplicates,
        "unmatched": counts.unmatched,
        "quarantined": report.read.tally.quarantined + counts.quarantined,
        "scheduled": backlog.waiting.get("scheduled", 0),
        "left": {status: count for status, count in backlog.waiting.items() if status in LEFT},
        "behind": list(backlog.behind),
        "dispatched": report.drained.dispatched,
        "died": report.died,
        "held": report.read.held,
        "faults": [
            {"source": key, "code": error.code, "message": error.message, "place": error.place, "mend": error.mend}
            for key, error in report.read.faults.items()
        ],
    }


def unsettled(hub: Hub) -> dict[str, int]:
    """Return how many dead letters and quarantine entries wait for a person, from this drain or before."""
    from hub.ledger import quarantine
    from hub.ledger.views import Views

    dead = sum(count for _, _, count, _ in Views(hub.ledger).dead())
    return {"dead": dead, "quarantine": quarantine.count(hub.ledger)}


def unread(hub: Hub) -> dict[str, dict[str, Any]]:
    """Return by source which files lie beside its own and are read by nobody."""
    from hub.ledger import sources
    from hub.stages.times import dated

    states = {f"{each.system}.{each.source}": dated(each.unread) for each in sources.listing(hub.ledger)}
    return {key: found for key, found in states.items() if found}


def write(found: dict[str, Any]) -> None:
    """Tell a person what the drain did and what is left."""
    output.line(word("drain.read", **found["read"]))
    refused = found["quarantined"] - found["read"]["quarantined"]  # by dispatch alone
    if found["awaiting_identity"]:
        output.line(word("drain.identity", count=found["awaiting_identity"]))
    if found["unsure"]:
        output.line(word("drain.unsure", count=found["unsure"]))
    output.line(word("drain.dispatched", **{**found, "quarantined": refused}))
    if found["scheduled"]:
        output.line(word("drain.scheduled", count=found["scheduled"]))
    for fault in found["faults"]:
        output.line(word("drain.fault", source=fault["source"], error=in_words(fault["code"], fault["message"])))
    for source, batch in found["held"].items():
        output.line(word("drain.held", source=source, batch=shlex.quote(f"{source}/{batch}")))
    for source, files in found["unread"].items():
        output.line(f"{source}: {output.unread(files)}")
    if found["died"]:
        output.line(word("drain.died", count=found["died"]))
    left = [f"{output.state(status)} {count}" for status, count in found["left"].items()]
    left += [f"{output.state('planned')} ({key})" for key in found["behind"]]
    if left or not found["dispatched"]:
        output.line(word("drain.left", left=", ".join(left) or "events"))
    if found["clear"]:
        waits = any(found["open"].values())
        output.line(word("drain.clear-but", **found["open"]) if waits else word("drain.clear"))
