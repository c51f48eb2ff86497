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
    "suppressed": ("disabled", "protected", "covered"),
    "held": (
        "earlier-waiting", "window", "maintenance", "paused", "breaker", "id-unknown",
        "protection-unknown", "incomplete", "approval", "ask",
    ),
}  # fmt: skip

DEATHS = ("rejected", "expired", "exhausted", "unconfirmed")  # kinds of attempt after which a delivery is dead
UNREACHED = "unreached"  # of an attempt that did not reach the system, or met an open breaker: it has no number
WARNED, NOTED = "warning", "note"  # of a delivery that took effect, but not all as it was; people are told of the first
UNCOUNTED = frozenset({UNREACHED, "decision", WARNED, NOTED})  # kinds of attempt that are none
PERSONAL = frozenset({"ask", "incomplete", "approval", "id-unknown"})  # held reasons that no time mends


def event_code(status: str) -> int:
    """Return the integer of an event status."""
    return EVENT.index(status)


def delivery_code(status: str, reason: str | None = None) -> int:
    """Return the integer of a delivery status and its reason (None: the status has none, or none is given)."""
    reasons = REASONS.get(status, ())
    return DELIVERY.index(status) * 16 + (reasons.index(reason) + 1 if reason else 0)


def delivery_words(code: int) -> tuple[str, str | None]:
    """Return `(status, reason)` of a stored code."""
    status = DELIVERY[code >> 4]
    return status, REASONS[status][(code & 15) - 1] if code & 15 else None


DELIVERED = delivery_code("delivered")
WARNING = delivery_code("warning")
CONFIRMED = delivery_code("confirmed")
ARRIVED = (DELIVERED, CONFIRMED, WARNING)
UNANSWERED = (DELIVERED, WARNING)  # what a system's acknowledgement may still be about
DEAD = tuple(delivery_code("dead", reason) for reason in (None, *REASONS["dead"]))
DIED = delivery_code("cancelled", "died")  # was scheduled for a resident who died before its day
REPLACEABLE = frozenset(  # by a retry; of the dead, when the report of the death was cancelled
    (*DEAD, DIED, delivery_code("superseded"), delivery_code("suppressed", "disabled"))
)
WAITING = delivery_code("waiting")
EARLIER_WAITING = delivery_code("held", "earlier-waiting")
BREAKER = delivery_code("held", "breaker")
UNKNOWN = delivery_code("unknown")
SCHEDULED = delivery_code("scheduled")
SUPERSEDED = delivery_code("superseded")
CANCELLED = delivery_code("cancelled")
DEAD_EXHAUSTED = delivery_code("dead", "exhausted")
DEAD_REJECTED = delivery_code("dead", "rejected")
ANSWERS = (CONFIRMED, DEAD_REJECTED)  # what a system's acknowledgement makes of what is delivered
