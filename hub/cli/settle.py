"""`hub deliveries release`, `drop`, `confirm`: what a person decides of single deliveries."""

from __future__ import annotations

from typing import Annotated

import typer

from hub.cli import jobs
from hub.cli.decisions import By, Reason
from hub.cli.session import Session
from hub.cli.words import word

Keys = Annotated[list[str], typer.Argument(metavar="DELIVERY...", help=word("option.deliveries"))]


def release(session: Session, deliveries: Keys, reason: Reason, by: By = None) -> int:
    """Let go what is held for a person's decision."""
    return _decide(session, "release", deliveries, reason, by)


def drop(session: Session, deliveries: Keys, reason: Reason, by: By = None) -> int:
    """End what was not delivered: nobody will hear of it."""
    return _decide(session, "drop", deliveries, reason, by)


def confirm(session: Session, deliveries: Keys, reason: Reason, by: By = None) -> int:
    """Say that deliveries took effect whose outcome is unknown, or which nobody answers."""
    return _decide(session, "confirm", deliveries, reason, by)


def _decide(session: Session, what: str, deliveries: list[str], reason: str, by: str | None) -> int:
    with session.hub() as hub:
        plan = hub.foreman().decide(what, deliveries)
        return jobs.begin(session, hub, plan, by=by, reason=reason, dry_run=False)
