"""`hub backfill`, `hub seed`, `hub restore`, `hub load`: history and state, to whoever lacks them."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from hub.cli import jobs
from hub.cli.decisions import By, DryRun, Why
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError
from hub.stages import times

System = Annotated[str, typer.Argument(metavar="SYSTEM", help=word("option.one-system"))]
Source = Annotated[str, typer.Argument(metavar="SYSTEM.SOURCE", help=word("option.loaded"))]
Since = Annotated[str, typer.Option("--since", metavar="DATE", help=word("option.since"))]
To = Annotated[str, typer.Option("--to", metavar="TIME", help=word("option.to"))]
AsOf = Annotated[str, typer.Option("--as-of", metavar="DATE", help=word("option.as-of"))]


def backfill(
    session: Session,
    system: System,
    since: Since,
    dry_run: DryRun = False,
    rate: jobs.Rate = None,
    even_if_stale: jobs.Stale = False,
    include_outward: jobs.Outward = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Tell a system of what was recorded before it listened."""
    with session.hub() as hub:
        begun = times.since(since, ZoneInfo(hub.city.timezone)) or 0
        plan = hub.foreman().backfill(
            system, begun, rate=rate, even_if_stale=even_if_stale, include_outward=include_outward
        )
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def seed(
    session: Session,
    system: System,
    dry_run: DryRun = False,
    rate: jobs.Rate = None,
    include_outward: jobs.Outward = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Tell a system the present state of every resident its rules speak of."""
    with session.hub() as hub:
        plan = hub.foreman().seed(system, rate=rate, include_outward=include_outward)
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def restore(
    session: Session,
    system: System,
    to: To,
    dry_run: DryRun = False,
    rate: jobs.Rate = None,
    include_outward: jobs.Outward = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Send a system again what it took since the moment its data was set back to."""
    with session.hub() as hub:
        moment = times.since(to, ZoneInfo(hub.city.timezone)) or 0
        plan = hub.foreman().restore(system, moment, rate=rate, include_outward=include_outward)
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def load(
    session: Session,
    source: Source,
    as_of: AsOf,
    dry_run: DryRun = False,
    reason: Why = "",
    by: By = None,
) -> int:
    """Learn what a source holds, and tell nobody."""
    from hub.stages.jobs import Plan
    from hub.stages.loading import NOTHING, midnight, preview
    from hub.stages.records import Origin

    system, _, name = source.partition(".")
    with session.hub() as hub:
        try:
            begins = midnight(as_of, ZoneInfo(hub.city.timezone))
        except ValueError:
            raise UsageError(f"not a date: {as_of}", mend="write 2026-11-20") from None
        opened, mappers = hub.loading(system, name)
        plan = Plan("load", {"source": source, "as_of": as_of})
        if dry_run:
            plan.counts.update(preview(opened, mappers, Origin(system, name, hub.city.city), begins))
        else:
            plan.orders.append(_order({"system": system, "source": name, "as_of": begins, **NOTHING}))
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=dry_run)


def _order(payload: dict[str, Any]) -> Any:
    import orjson

    from hub.ledger.jobs import PUBLISHER, Order

    return Order(PUBLISHER, "load", 0, 0, orjson.dumps(payload))
