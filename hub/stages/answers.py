"""What a system's acknowledgement makes of deliveries: the owner's deeds, between two batches.

What an answer may change is `hub.ledger.states`. One that contradicts how a delivery stands changes nothing: it is kept
among the delivery's attempts, and its job lists it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hub.ledger.desk import Failure, Hold, now_ms
from hub.ledger.states import answers_over
from hub.ledger.status import (
    ALTERED,
    ANSWER,
    ARRIVED,
    CONFIRMED,
    DEAD_REJECTED,
    DEAD_UNCONFIRMED,
    DELIVERED,
    PROTECTED,
    SENDING,
    WAITING,
    WARNING,
    delivery_words,
)

if TYPE_CHECKING:
    from hub.ledger.commands import Command
    from hub.stages.orders import Asked, Waiting

ANSWERED = "answered"
STOPPED = "dead letter (on_dead: stop)"


def accept(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Confirm a delivery that the system has taken; one that it took with a remark, or not as it was, stays so."""
    stood, _ = asked.known.ended[command.pos, command.target]
    if stood == ALTERED:
        return _end(command, asked, waiting, WARNING)
    if stood in ARRIVED and stood not in answers_over(CONFIRMED):
        return delivery_words(stood)[0]
    return _end(command, asked, waiting, CONFIRMED)


def warn(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Note that the system has taken a delivery with a remark."""
    return _end(command, asked, waiting, WARNING)


def refuse(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End a delivery that the system could not take as a dead letter, which a person may replay.

    Also one that was thought to be taken: silence in an earlier answer is less than a refusal in a later one.
    """
    result = _end(command, asked, waiting, DEAD_REJECTED)
    if result == ANSWERED:
        text = f"the system refused it: {_place(command)}"
        _note(command, asked, waiting, "rejected", text, code="acknowledged")
        _stop(waiting)
    return result


def give_up(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End a delivery of which the system has said nothing by its time."""
    result = _end(command, asked, waiting, DEAD_UNCONFIRMED)
    if result == ANSWERED:
        _note(command, asked, waiting, "unconfirmed", "no answer had come by its time", code="unanswered")
        _stop(waiting)
    return result


def stumble(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Keep with a delivery that a robot could not do it this time; it is offered again."""
    _note(command, asked, waiting, "transient", _place(command), code="robot")
    return "kept"


def withhold(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End what lay ready for a robot and may not go out any more: its resident became protected."""
    return _end(command, asked, waiting, PROTECTED)


def take(command: Command, asked: Asked, waiting: Waiting) -> str:
    """Deliver what a system has fetched and acknowledged, at the place where it was on offer then."""
    hold = _offered(command, asked, waiting)
    if hold is None or (command.payload is not None and hold.no != int(command.payload)):
        return _stands(command, asked)
    waiting.end(hold, DELIVERED)
    if waiting.holds:
        waiting.keep(replace(hold, status=DELIVERED, since=now_ms(), put_by=None))
    asked.known.ended[command.pos, command.target] = DELIVERED, hold.no
    return "delivered"


def decline(command: Command, asked: Asked, waiting: Waiting) -> str:
    """End as a dead letter what a system has fetched and cannot take, with what it says."""
    hold = _offered(command, asked, waiting)
    if hold is None:
        return _stands(command, asked)
    waiting.end(hold, DEAD_REJECTED)
    asked.known.ended[command.pos, command.target] = DEAD_REJECTED, hold.no
    _note(command, asked, waiting, "rejected", f"the system refused it: {_place(command)}", code="acknowledged")
    _stop(waiting)
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


def _place(command: Command) -> str:
    return (command.payload or b"").decode()


def _end(command: Command, asked: Asked, waiting: Waiting, status: int) -> str:
    """Return `answered`, or the status of a delivery that stands otherwise than an answer may change."""
    key = (command.pos, command.target)
    stood, no = asked.known.ended[key]
    if stood not in answers_over(status):
        word = delivery_words(stood)[0]
        if command.payload is not None and stood != status:  # a line says so, not silence
            said = delivery_words(status)[0]
            text = f"it was {word} when an answer said {said}: {_place(command)}"
            _note(command, asked, waiting, ANSWER, text, code="answer-contradicts")
        return word
    waiting.record.answer(status, key[1], key[0], no)
    waiting.let_go(asked.known.subjects[command.pos], *key)
    asked.known.ended[key] = status, no
    return ANSWERED


def _stop(waiting: Waiting) -> None:
    """Stop the receiver with the dead letter, if it says so (`on_dead: stop`)."""
    if waiting.stops:
        waiting.record.pause = STOPPED


def _note(command: Command, asked: Asked, waiting: Waiting, kind: str, text: str, *, code: str) -> None:
    """Keep with the delivery what was said of it."""
    key = (command.pos, command.target)
    n = asked.known.attempts.get(key, 0) + 1
    asked.known.attempts[key] = n
    waiting.record.failures.append(Failure(*key, n, now_ms(), kind, code, text))
