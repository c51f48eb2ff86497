"""Statuses as the ledger stores them: small integers; the words are contract's.

A delivery's code is `status × 16 + reason`, so that one column says both.
"""

from __future__ import annotations

EVENT = ("accepted", "duplicate", "echo", "conflict", "unmatched", "awaiting-identity", "awaiting-review", "held-batch")
DELIVERY = (
    "planned", "scheduled", "sending", "waiting", "held", "unknown", "delivered", "confirmed",
    "warning", "dead", "suppressed", "cancelled", "superseded",
)  # fmt: skip
REASONS: dict[str, tuple[str, ...]] = {
    "dead": ("rejected", "expired", "exhausted", "unconfirmed"),
    "cancelled": ("died",),
    "warning": ("altered",),
    "suppressed": ("disabled", "protected", "covered"),
    "held": (
        "earlier-waiting", "window", "maintenance", "paused", "breaker", "id-unknown",
        "protection-unknown", "incomplete", "approval", "ask",
    ),
}  # fmt: skip

DEATHS = ("rejected", "expired", "exhausted", "unconfirmed")  # kinds of attempt after which a delivery is dead
UNREACHED = "unreached"  # of an attempt that did not reach the system, or met an open breaker: it has no number
ANSWER = "answer"  # of an entry among the attempts: an answer that contradicts how the delivery stands
WARNED, NOTED = "warning", "note"  # of a delivery that took effect, but not all as it was; people are told of the first
UNCOUNTED = frozenset({UNREACHED, "decision", ANSWER, WARNED, NOTED})  # kinds of attempt that are none
PERSONAL = frozenset({"ask", "incomplete", "approval", "id-unknown"})  # held reasons that no time mends


def event_code(status: str) -> int:
    """Return the integer of an event status."""
    return EVENT.index(status)


def delivery_code(status: str, reason: str | None = None) -> int:
    """Return the integer of a delivery status and its reason (None: the status has none, or none is given)."""
    reasons = REASONS.get(status, ())
    return DELIVERY.index(status) * 16 + (reasons.index(reason) + 1 if reason else 0)


def event_word(code: int) -> str:
    """Return the word of an event status; of one that a newer hub has stored, a made one."""
    return EVENT[code] if code < len(EVENT) else f"status-{code}"


def delivery_words(code: int) -> tuple[str, str | None]:
    """Return `(status, reason)` of a stored code; of one that a newer hub has stored, made words."""
    number, reason = code >> 4, code & 15
    status = DELIVERY[number] if number < len(DELIVERY) else f"status-{number}"
    reasons = REASONS.get(status, ())
    if not reason:
        return status, None
    return status, reasons[reason - 1] if reason <= len(reasons) else f"reason-{reason}"


DELIVERED = delivery_code("delivered")
WARNING = delivery_code("warning")
CONFIRMED = delivery_code("confirmed")
ALTERED = delivery_code("warning", "altered")  # it arrived, but not all as it was; no answer has come
ARRIVED = (DELIVERED, CONFIRMED, WARNING, ALTERED)
UNANSWERED = (DELIVERED, ALTERED)  # what a system's acknowledgement may still be about
DEAD = tuple(delivery_code("dead", reason) for reason in (None, *REASONS["dead"]))
DIED = delivery_code("cancelled", "died")  # was scheduled for a resident who died before its day
REPLACEABLE = frozenset(  # by a retry; of the dead, when the report of the death was cancelled
    (*DEAD, DIED, delivery_code("superseded"), delivery_code("suppressed", "disabled"))
)
SENDING = delivery_code("sending")  # in `pending`: on offer to a system that fetches
WAITING = delivery_code("waiting")
EARLIER_WAITING = delivery_code("held", "earlier-waiting")
BREAKER = delivery_code("held", "breaker")
UNKNOWN = delivery_code("unknown")
SCHEDULED = delivery_code("scheduled")
SUPERSEDED = delivery_code("superseded")
CANCELLED = delivery_code("cancelled")
DEAD_EXHAUSTED = delivery_code("dead", "exhausted")
DEAD_REJECTED = delivery_code("dead", "rejected")
DEAD_UNCONFIRMED = delivery_code("dead", "unconfirmed")
PROTECTED = delivery_code("suppressed", "protected")
# What may become of what is delivered: by an answer, or, of work that no robot has fetched, as it may not go out now.
ANSWERS = (CONFIRMED, WARNING, DEAD_REJECTED, DEAD_UNCONFIRMED, PROTECTED)
