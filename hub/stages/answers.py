"""What a system's acknowledgement makes of deliveries: the owner's deeds, between two batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.ledger.desk import Failure, now_ms
from hub.ledger.status import CONFIRMED, DEAD_REJECTED, UNANSWERED, delivery_words

if TYPE_CHECKING:
    from hub.ledger.commands import Command
    from hub.stages.orders import Asked, Waiting


def accept(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Confirm a delivery that the system has taken."""
    return _end(command, asked, waiting, CONFIRMED, UNANSWERED)


def refuse(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End a delivery that the system could not take as a dead letter, which a person may replay.

    Also one that was thought to be taken: silence in an earlier answer is less than a refusal in a later one.
    """
    key = (command.pos, command.target)
    result = _end(command, asked, waiting, DEAD_REJECTED, (*UNANSWERED, CONFIRMED))
    if result == "answered":
        n = asked.known.attempts.get(key, 0) + 1
        asked.known.attempts[key] = n
        text = f"the system refused it: {(command.payload or b'').decode()}"
        waiting.record.failures.append(Failure(*key, n, now_ms(), "rejected", "acknowledged", text))
    return result


def _end(command: Command, asked: Asked, waiting: Waiting, status: int, open_: tuple[int, ...]) -> str:
    """Return `answered`, or the status of a delivery that an earlier answer, or a person, has ended otherwise."""
    key = (command.pos, command.target)
    stood, no = asked.known.ended[key]
    if stood not in open_:
        return delivery_words(stood)[0]
    waiting.record.finish(status, key[1], key[0], no)
    asked.known.ended[key] = status, no
    return "answered"
