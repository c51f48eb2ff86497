"""`hub kafka`: the city's local Kafka."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hub.cli import output
from hub.cli.loop import run
from hub.cli.session import Session
from hub.cli.words import word
from hub.errors import BrokerUnavailable, UsageError

if TYPE_CHECKING:
    from hub.kafka.local import LocalBroker, Status

AWAY = 3


def start(session: Session) -> None:
    """Start the local Kafka, or see that the one of HUB_KAFKA answers."""
    elsewhere = _elsewhere()
    if elsewhere is not None:
        if not _answers(elsewhere):
            raise BrokerUnavailable(word("kafka.away", bootstrap=elsewhere), mend="HUB_KAFKA")
        found: dict[str, Any] = {"running": True, "serving": True, "bootstrap": elsewhere, "managed": False}
    else:
        found = _managed(_broker(session).start())
    session.answer(found, lambda: _write(found))


def stop(session: Session) -> None:
    """Stop the local Kafka; one that is not running is stopped already."""
    ran = _broker(session).stop()
    session.answer({"stopped": ran}, lambda: output.line(word("kafka.ended" if ran else "kafka.stopped")))


def status(session: Session) -> int:
    """Tell whether Kafka serves."""
    elsewhere = _elsewhere()
    if elsewhere is not None:
        answers = _answers(elsewhere)
        found: dict[str, Any] = {"running": answers, "serving": answers, "bootstrap": elsewhere, "managed": False}
    else:
        found = _managed(_broker(session).status())
    session.answer(found, lambda: _write(found))
    return 0 if found["serving"] else AWAY


def install(
    session: Session,
    from_folder: Annotated[Path | None, typer.Option("--from", metavar="FOLDER", help=word("option.from"))] = None,
) -> None:
    """Fetch the jars, or take them from a folder, and record a start for faster ones."""
    from hub.kafka import jars
    from hub.kafka.prepare import prepare

    if from_folder is not None and not from_folder.is_dir():
        raise UsageError(f"{from_folder} is no folder")
    folder = prepare(from_folder, say=output.progress)
    version, wanted = jars.locked()
    found = {"folder": str(folder), "version": version, "jars": len(wanted)}
    session.answer(found, lambda: output.line(word("kafka.installed", folder=folder)))


def adopt(session: Session) -> None:
    """Go on with the topic as it stands now."""
    with session.hub() as hub:
        found = run(hub.adopt())
    session.answer(found, lambda: output.line(word("kafka.adopted", **found)))


def _broker(session: Session) -> LocalBroker:
    from hub.kafka.local import LocalBroker

    return LocalBroker(session.var, say=output.say)


def _managed(known: Status) -> dict[str, Any]:
    """Return what is known of the local broker as JSON."""
    from hub.stages.clock import timestamp

    started = timestamp(datetime.fromtimestamp(known.started, UTC)) if known.started is not None else None
    return {**asdict(known), "started": started, "managed": True}


def _elsewhere() -> str | None:
    return os.environ.get("HUB_KAFKA", "").strip() or None


def _answers(bootstrap: str) -> bool:
    from hub.kafka.topics import reachable

    return run(reachable(bootstrap))


def _write(found: dict[str, Any]) -> None:
    if not found["serving"]:
        key = "kafka.stopped" if found["managed"] else "kafka.away"
    else:
        key = "kafka.serving" if found["managed"] else "kafka.elsewhere"
    output.line(word(key, **found))
