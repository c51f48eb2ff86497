"""What a system's acknowledgement makes of deliveries: the owner's deeds, between two batches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hub.ledger.desk import Failure, Hold, now_ms
from hub.ledger.status import CONFIRMED, DEAD_REJECTED, DELIVERED, SENDING, WAITING, delivery_words

if TYPE_CHECKING:
    from hub.ledger.commands import Command
    from hub.stages.orders import Asked, Waiting


def accept(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Confirm a delivery that the system has taken."""
    return _end(command, asked, waiting, CONFIRMED, (DELIVERED,))


def refuse(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End a delivery that the system could not take as a dead letter, which a person may replay.

    Also one that was thought to be taken: silence in an earlier answer is less than a refusal in a later one.
    """
    key = (command.pos, command.target)
    result = _end(command, asked, waiting, DEAD_REJECTED, (DELIVERED, CONFIRMED))
    if result == "answered":
        n = asked.known.attempts.get(key, 0) + 1
        asked.known.attempts[key] = n
        text = f"the system refused it: {(command.payload or b'').decode()}"
        waiting.record.failures.append(Failure(*key, n, now_ms(), "rejected", "acknowledged", text))
    return result


def take(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Deliver what a system has fetched and acknowledged."""
    hold = _offered(command, asked, waiting)
    if hold is None:
        return _stands(command, asked)
    waiting.end(hold, DELIVERED)
    asked.known.ended[command.pos, command.target] = DELIVERED, hold.no
    return "delivered"


def decline(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End as a dead letter what a system has fetched and cannot take, with what it says."""
    hold = _offered(command, asked, waiting)
    if hold is None:
        return _stands(command, asked)
    key = (command.pos, command.target)
    waiting.end(hold, DEAD_REJECTED)
    asked.known.ended[key] = DEAD_REJECTED, hold.no
    n = asked.known.attempts.get(key, 0) + 1
    asked.known.attempts[key] = n
    text = f"the system refused it: {(command.payload or b'').decode()}"
    waiting.record.failures.append(Failure(*key, n, now_ms(), "rejected", "acknowledged", text))
    return "refused"


def reconsider(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Take off offer what may not go out as it is, and look at it anew."""
    hold = _offered(command, asked, waiting)
    if hold is None:
        return _stands(command, asked)
    waiting.keep(replace(hold, status=WAITING, due=now_ms()))
    return "queued"


def _offered(command: Command, asked: Asked, waiting: Waiting) -> Hold | None:
    hold = waiting.find(asked.known.subjects[command.pos], command.pos, command.target)
    return hold if hold is not None and hold.status == SENDING else None


def _stands(command: Command, asked: Asked) -> str:
    ended = asked.known.ended.get((command.pos, command.target))
    return delivery_words(ended[0])[0] if ended else "not on offer"


def _end(command: Command, asked: Asked, waiting: Waiting, status: int, open_: tuple[int, ...]) -> str:
    """Return `answered`, or the status of a delivery that an earlier answer, or a person, has ended otherwise."""
    key = (command.pos, command.target)
    stood, no = asked.known.ended[key]
    if stood not in open_:
        return delivery_words(stood)[0]
    waiting.record.finish(status, key[1], key[0], no)
    asked.known.ended[key] = status, no
    return "answered"
