"""Announces dead letters on `<prefix>.dead`, each at least once, with class and code only."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable

import orjson

from hub.errors import Unavailable
from hub.ledger import deadletters
from hub.ledger.deadletters import DeadLetter
from hub.ledger.engine import Ledger
from hub.stages.clock import timestamp
from hub.stages.patience import Stopping, outlast, pause

log = logging.getLogger(__name__)
LOOK = 1.0  # seconds between looks at the ledger

Publish = Callable[[bytes, bytes], Awaitable[None]]


async def announce(ledger: Ledger, publish: Publish, stop: asyncio.Event, *, look: float = LOOK) -> None:
    """Announce every dead letter until `stop`. `publish(key, value)` returns when Kafka has the record.

    What is published and not yet marked when the hub ends is published again.
    """
    while not stop.is_set():
        try:
            told = await outlast(lambda: announce_some(ledger, publish), stop, tell=_tell)
        except Stopping:
            return
        if not told:
            await pause(stop, look)


async def announce_some(ledger: Ledger, publish: Publish) -> int:
    """Announce what is there, up to 500 at once; return how many. Raises `Unavailable`."""
    letters = await asyncio.to_thread(deadletters.unannounced, ledger)
    if not letters:
        return 0
    ends = await asyncio.gather(*(publish(*record(letter)) for letter in letters), return_exceptions=True)
    published = [letter for letter, end in zip(letters, ends, strict=True) if end is None]
    if published:
        await asyncio.to_thread(deadletters.announced, ledger, published)
    for end in ends:
        if end is not None:
            raise end
    return len(letters)


def record(letter: DeadLetter) -> tuple[bytes, bytes]:
    """Return the record's key, the receiver, and its value: where, which of its deliveries, class and code."""
    system, _, receiver = letter.key.partition(".")
    value = {
        "system": system,
        "receiver": receiver,
        "no": letter.no,
        "class": letter.kind,
        "code": letter.code,
        "at": timestamp(dt.datetime.fromtimestamp(letter.at / 1000, dt.UTC)),
    }
    return letter.key.encode(), orjson.dumps(value)


def _tell(fault: Unavailable | None) -> None:
    if fault is None:
        log.info("dead letters are announced again")
    else:
        log.warning("dead letters cannot be announced: %s", fault)
