"""`hub run` follows the city's files: an edit that can run takes effect, a broken one is refused, the old rules go on.

What was under way is finished by the old rules, as when the hub is stopped; then everything begins anew by the new
ones, whose hash the ledger records. What was planned before is delivered as it was planned.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from hub.cli import output
from hub.cli.check import refuse_broken, said
from hub.cli.words import word
from hub.errors import ConfigurationError, HubError

if TYPE_CHECKING:
    from hub.cli.session import Session
    from hub.settings.models import City

EVERY = 1.0  # seconds between looks
STILL = 0.3  # seconds in which nothing more may change: an editor, or a copy of many files, is at work
FIXED = ("city", "prefix", "ledger_url", "bootstrap")  # what the running process stands on


async def next_city(session: Session, city: City) -> City:
    """Return the city as it is after an edit that can run; edits that cannot are told, with their places."""
    from hub.settings.watch import Fingerprint, fingerprint

    async def look() -> Fingerprint:
        return await asyncio.to_thread(fingerprint, session.folder)

    seen = await look()
    while True:
        await asyncio.sleep(EVERY)
        found = await look()
        if found == seen:
            continue
        await asyncio.sleep(STILL)
        if await look() != found:
            continue
        seen = found
        edited = await asyncio.to_thread(_edited, session)
        if edited is not None and _may_replace(edited, city):
            return edited


def _edited(session: Session) -> City | None:
    try:
        return refuse_broken(session)
    except HubError as error:
        refused(error)
    except Exception as error:  # noqa: BLE001 - whatever an edit does to who reads it, the old rules go on
        refused(HubError(f"it cannot be read: {type(error).__name__}: {error}"))
    return None


def refused(error: HubError) -> None:
    """Say that an edit is not taken, and where it is wrong."""
    output.say(word("run.refused"))
    problems = error.problems if isinstance(error, ConfigurationError) else []
    for text in [said(each) for each in problems] or [str(error)]:
        output.say(f"  {text}")


def _may_replace(edited: City, city: City) -> bool:
    changed = [name for name in FIXED if getattr(edited, name) != getattr(city, name)]
    if changed:
        output.say(word("run.restart", names=", ".join(changed)))
        return False
    return edited.model_dump() != city.model_dump()  # not a comment alone


def taken(city: City) -> None:
    """Say that an edit has taken effect, and the hash of the rules by which it goes on."""
    from hub.routing.rules import RuleSet

    output.say(word("run.reloaded", hash=RuleSet.of(city).hash[:12]))


def hold_kafka(session: Session, city: City, stack: contextlib.ExitStack) -> None:
    """Keep the city's local Kafka up from here to the end of the stack, whoever lets go of it meanwhile."""
    if city.bootstrap is None:
        from hub.kafka.local import LocalBroker

        stack.enter_context(LocalBroker(session.var, say=output.progress).lease())
