"""`hub status`: what waits, what failed, and how far behind anything is."""

from __future__ import annotations

import os
from typing import Any

from hub.cli import output
from hub.cli.loop import run
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import BrokerUnavailable


def status(session: Session) -> None:
    """Tell the state of all."""
    with session.inquiry() as inquiry:
        found = inquiry.status()
    found["kafka"] = kafka_lag(session)
    session.answer(found, lambda: _write(found))


def kafka_lag(session: Session) -> dict[str, Any]:
    """Return where Kafka serves and how many events wait there to be dispatched; None for what is not known."""
    if not os.environ.get("HUB_KAFKA", "").strip() and not (session.var / "kafka" / "broker.json").exists():
        return {"bootstrap": None, "lag": None}
    from hub.kafka.local import LocalBroker

    with session.hub() as hub:
        bootstrap = hub.city.bootstrap or LocalBroker(session.var).bootstrap
        if bootstrap is None:
            return {"bootstrap": None, "lag": None}
        try:
            return {"bootstrap": bootstrap, "lag": run(hub.lag(bootstrap))}
        except BrokerUnavailable:
            return {"bootstrap": bootstrap, "lag": None}


def _write(found: dict[str, Any]) -> None:
    output.line(word("status.events", **found))
    lag = found["kafka"]["lag"]
    output.line(word("status.no-kafka") if lag is None else word("status.kafka", **found["kafka"]))
    headers = ("receiver", "behind", "waiting", "since", "dead", "breaker")
    output.table(
        [word(f"column.{name}") for name in headers],
        [
            (
                f"{each['system']}.{each['receiver']}",
                each["behind"],
                ", ".join(f"{name} {count}" for name, count in each["waiting"].items()),
                each["since"],
                each["dead"],
                (each["breaker"] or {}).get("since"),
            )
            for each in found["receivers"]
        ],
    )
    headers = ("source", "read", "rows", "events", "quarantined", "fault")
    output.table(
        [word(f"column.{name}") for name in headers],
        [
            (
                f"{each['system']}.{each['source']}",
                each["read_at"],
                each["rows"],
                each["events"],
                each["quarantined"],
                (each["fault"] or {}).get("message"),
            )
            for each in found["sources"]
        ],
    )
