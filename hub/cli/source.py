"""`hub source`: how far each source is read, setting it back, and taking a full extract as known."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import loop, output
from hub.cli.decisions import By, DryRun, Reason, person
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import UsageError

if TYPE_CHECKING:
    from hub.ledger.engine import Ledger
    from hub.ledger.sources import SourceState
    from hub.settings.models import City, Source

Name = Annotated[str, typer.Argument(metavar="SYSTEM.SOURCE", help=word("option.loaded"))]
To = Annotated[str | None, typer.Option("--to", metavar="VALUE", help=word("option.rewind-to"))]


def listing(
    session: Session,
    system: Annotated[str | None, typer.Option("--system", metavar="SYSTEM", help=word("option.one-system"))] = None,
) -> None:
    """List the sources with how far each is read and what holds it up."""
    from hub.ledger import sources

    city = session.city()
    with session.ledger() as ledger:
        states = {(each.system, each.source): each for each in sources.listing(ledger)}
        items = [
            _told(ledger, name, source, states.get((name, source.name)))
            for name, of in city.systems.items()
            for source in of.sources.values()
            if system in (None, name)
        ]
    session.answer({"items": items, "next": None}, lambda: _write(items))


def rewind(
    session: Session, source: Name, reason: Reason, to: To = None, dry_run: DryRun = False, by: By = None
) -> None:
    """Set a source back, so that it is read again from there; what is known already counts as repeats."""
    from hub.adapters.contract import Rewindable
    from hub.ledger import sources

    city = session.city()
    system, name, settings = _find(city, source)
    with session.ledger() as ledger, session.hub(city) as hub:
        before = sources.load(ledger, system, name).position
        opened = hub.opened(system, settings)
        if to is None:
            after = None
        elif isinstance(opened, Rewindable) and settings.mode == "changes":
            after = opened.rewound(before, to)
        else:
            raise UsageError(f"{source} has no places in between", mend="leave --to out: it is read from its start")
        if not dry_run:
            sources.save(ledger, system, name, after, by=person(by), reason=reason)
    found = {"system": system, "source": name, "before": before, "after": after, "done": not dry_run}
    if after:
        words = "source.would-rewind" if dry_run else "source.rewound"
    else:
        words = "source.would-rewind-start" if dry_run else "source.rewound-start"
    told = word(words, source=source, after=output.compact(after or ""))
    session.answer(found, lambda: output.line(told))


def baseline(session: Session, source: Name, dry_run: DryRun = False) -> int:
    """Take the extract a source has now as known, without an event; exit 1 when there is none to take."""
    from hub.ledger import extracts

    city = session.city()
    system, name, _ = _find(city, source)
    with session.hub(city) as hub:
        status = loop.run(hub.baseline(system, name, dry_run=dry_run))
        if status.fault is not None:
            raise status.fault
        known = extracts.find(hub.ledger, system, name)
        rows = status.tally.rows
        held = status.held
    found = {
        "system": system,
        "source": name,
        "rows": rows,
        "known": extracts_known(known),
        "held": held,
        "done": not dry_run and rows > 0,
    }
    words = "source.no-extract" if not rows else "source.would-baseline" if dry_run else "source.baseline"
    session.answer(found, lambda: output.line(word(words, source=source, rows=rows)))
    return 0 if rows else 1


def extracts_known(found: Any) -> dict[str, Any] | None:
    """Return the last extract of a source as JSON."""
    from hub.stages.times import moment

    if found is None:
        return None
    state = {
        name: value for name, value in asdict(found[1]).items() if name not in {"secret", "shapes", "ended", "named"}
    }
    taken = moment(state["taken_at"]) if state["taken_at"] else None
    return {**state, "counts": dict(state["counts"]), "taken_at": taken}


def _find(city: City, key: str) -> tuple[str, str, Source]:
    system, _, name = key.partition(".")
    found = city.systems[system].sources.get(name) if system in city.systems else None
    if found is None:
        known = [f"{each}.{name}" for each, of in city.systems.items() for name in of.sources]
        raise UsageError(f"there is no source {key}", mend="one of: " + ", ".join(known))
    return system, name, found


def _told(ledger: Ledger, system: str, source: Source, state: SourceState | None) -> dict[str, Any]:
    from hub.ledger import batches, extracts
    from hub.stages.times import dated, moment

    rewound = state.rewound if state else None
    return {
        "system": system,
        "source": source.name,
        "adapter": source.adapter,
        "mode": source.mode,
        "every": source.every,
        "read_at": moment(state.read_at) if state and state.read_at else None,
        "position": state.position if state else None,
        "tally": asdict(state.tally) if state else None,
        "fault": dated(state.fault) if state else None,
        "held": batches.unpublished(ledger, system, source.name),
        "unread": dated(state.unread) if state else None,
        "rewound": {**rewound, "at": moment(rewound["at"])} if rewound else None,
        "extract": extracts_known(extracts.find(ledger, system, source.name)) if source.mode == "snapshot" else None,
    }


def _write(items: list[dict[str, Any]]) -> None:
    headers = ("source", "read", "rows", "events", "quarantined", "held", "fault")
    rows = []
    for item in items:
        tally = item["tally"] or {}
        counts = [tally.get(name) for name in ("rows", "events", "quarantined")]
        name = output.known(f"{item['system']}.{item['source']}")
        rows.append((name, item["read_at"], *counts, item["held"], output.trouble(item)))
    output.listing([word(f"column.{name}") for name in headers], rows, None)
