"""A person's decision on a single delivery: refused, with what helps instead, where it would change nothing."""

from __future__ import annotations

from hub.errors import UsageError
from hub.ledger.states import decidable
from hub.stages.told import ARRIVED, Told

_LOOK = "`hub deliveries show {key}` says why it stands so"
_ENDED = "nothing is left to decide of it; `hub replay {key}` sends it once more"
INSTEAD = {  # decision ("" for any) and status → what helps
    ("", "planned"): "it goes in its turn; `hub system pause` holds it, `hub deliveries drop {key}` gives it up",
    ("", "scheduled"): "it goes on its day; `hub deliveries drop {key}` gives it up",
    ("", "sending"): "it is being sent; ask again when that has ended",
    ("", "waiting"): "it goes by itself; `hub replay {key}` tries it now, `hub deliveries drop {key}` gives it up",
    ("", "held"): _LOOK,
    ("release", "unknown"): "it may have taken effect: look into the system, then `hub deliveries confirm {key}` if it "
    "has, `hub replay {key}` if it has not",
    ("", "dead"): "`hub replay {key}` sends it again, `hub deliveries drop {key}` gives it up",
    ("", "delivered"): _ENDED,
    ("confirm", "delivered"): "its system gives no answers: that it arrived is all there is to know",
    ("", "confirmed"): _ENDED,
    ("", "warning"): _ENDED,
    ("", "cancelled"): _ENDED,
    ("", "superseded"): "a later one took its place; `hub replay {key} --even-if-stale` sends it all the same",
    ("", "suppressed"): _LOOK,
}


def refuse_idle(decision: str, told: Told, *, answers: bool) -> None:
    """Raise UsageError (`undecidable`) when `release`, `drop` or `confirm` would change nothing in a delivery.

    `answers`: its receiver's system says what became of what it was given, so that a person may say so for it.
    """
    status, reason = told.state
    if decidable(decision, status, reason) and (decision != "confirm" or status not in ARRIVED or answers):
        return
    shown = f"{status}: {reason}" if reason else status
    instead = INSTEAD.get((decision, status)) or INSTEAD["", status]
    key = told.delivery.key
    message = f"{key} is {shown}: `{decision}` would change nothing"
    raise UsageError(message, code="undecidable", mend=instead.format(key=key))
