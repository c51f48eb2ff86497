"""One delivery as it stands: what is sent, to whom, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hub.adapters.contract import Delivery
from hub.ledger.desk import Hold
from hub.ledger.status import UNCOUNTED, delivery_words
from hub.ledger.views import Ended, States
from hub.routing.protection import Cut
from hub.stages.entries import ActiveRules, Entry, Item, cut_for, unpack_made, unpack_plan
from hub.stages.times import moment

Json = dict[str, Any]
NOBODY: Mapping[str, bool] = {}
ARRIVED = frozenset({"delivered", "confirmed", "warning"})


@dataclass(frozen=True)
class Told:
    """A delivery `(receiver, event, job)` with its state in the ledger."""

    entry: Entry
    item: Item
    receiver: int
    job: int
    recorded_at: int  # of the event, in milliseconds
    batch_id: str | None
    ended: Ended | None
    hold: Hold | None
    failures: list[Json]
    sending: bool
    doing: Json  # why the receiver stands still
    payload: bytes | None  # what is sent in the place of what was planned
    cut: Cut | None = None  # of a resident who is protected, or not known to the list
    veil: Cut | None = None  # of the same: what people are not shown, also where the system is told it
    awaited: str = ""  # the resident's earlier event whose delivery the system has not confirmed

    @cached_property
    def key(self) -> str:
        """Return the receiver's key, `system.receiver`."""
        return self.entry.rules.keys[self.receiver]

    @cached_property
    def delivery(self) -> Delivery:
        """Return what is sent; of a resident who is protected now, without what locates them."""
        return self.entry.delivery(self.item, 0, self.job, self.cut)

    @cached_property
    def shown(self) -> Delivery:
        """Return what people are shown of it: of a resident who is, or may be, protected, nothing that locates them."""
        return self.entry.delivery(self.item, 0, self.job, self.veil)

    @cached_property
    def withheld(self) -> list[str]:
        """Return the fields that its rule sends and people are not shown."""
        if self.veil is None:
            return []
        whole = self.entry.delivery(self.item, 0, self.job).data
        return [name for name in whole if name not in self.shown.data]

    @cached_property
    def state(self) -> tuple[str, str | None]:
        """Return status and reason; what has not been looked at yet says why its receiver stands still."""
        if self.sending:
            return "sending", None
        if self.hold is not None:  # also of one that had ended and is tried again
            return delivery_words(self.hold.status)
        if self.ended is not None:
            return delivery_words(self.ended.status)
        if self.item.suppressed is not None:
            return "suppressed", self.item.suppressed
        if "shut" in self.doing:
            return "held", self.doing["shut"]["reason"]
        return ("held", "breaker") if "breaker" in self.doing else ("planned", None)

    @property
    def _waits(self) -> Hold | None:
        """Return what waits to be sent; what is delivered and waits for its answer is none."""
        return None if self.hold is None or self.hold.answered else self.hold

    @property
    def attempts(self) -> int:
        """Return how many attempts reached the system."""
        if self._waits:
            return self._waits.attempts
        failed = sum(each["kind"] not in UNCOUNTED for each in self.failures)
        return failed + (self.state[0] in ARRIVED and (not self._on_word or self.state[0] == "confirmed"))

    @property
    def _on_word(self) -> bool:
        """Say whether a person's decision was the last that is known of it."""
        return bool(self.failures) and self.failures[-1]["kind"] == "decision"

    @property
    def error(self) -> Json | None:
        """Return the last error: code, message, when; of what arrived, what of it did not, or by whose word it did."""
        if self.state[0] in ARRIVED and self.state[0] != "warning" and not self._on_word:
            return None
        if self.failures:
            last = self.failures[-1]
            return {"code": last["code"], "message": last["message"], "at": moment(last["at"])}
        if self.hold is not None and (text := self.item.detail or _for_people(self.hold.detail)):
            return {"code": self.state[1] or "", "message": text, "at": moment(self.hold.since)}
        if self.hold is not None and self.awaited:
            text = f"it goes when the system has confirmed what it was told of {self.awaited}"
            return _said(text, self.hold.since, code="earlier-unconfirmed")
        return None

    def as_dict(self) -> Json:
        """Return contract's JSON of a delivery; `withheld` names what is not shown, if there is any."""
        made, ended, hold, (status, reason) = self.shown, self.ended, self.hold, self.state
        system, _, receiver = self.key.partition(".")
        return {
            "id": made.key,
            "event_id": self.entry.wire.id,
            "type": made.type,
            "subject": made.subject,
            "system": system,
            "receiver": receiver,
            "no": ended.no if ended and ended.no else hold.no if hold and hold.no else None,
            "batch": ended.batch if ended and ended.batch else None,
            "status": status,
            "reason": reason,
            "rule": self.entry.rules.ruleset.rules[self.item.rule].id,
            "action": made.action,
            "attempts": self.attempts,
            "next_attempt_at": moment(hold.due) if hold and hold.due and not hold.answered else None,
            "planned_at": moment(self.recorded_at),
            "delivered_at": moment(ended.at) if ended is not None and status in ARRIVED else None,
            "payload": made.event,
            **({"withheld": self.withheld} if self.withheld else {}),
            "error": self.error,
        }


def _said(text: str, at: int, *, code: str) -> Json:
    return {"code": code, "message": text, "at": moment(at)}


def _for_people(detail: str) -> str:
    """Return a detail that is meant for people; the engine's own notes name a kind or a target."""
    return "" if detail.startswith(("type:", "target:")) else detail


def told_of(
    row: Any, states: States, rules: Callable[[int], ActiveRules], flags: Mapping[str, bool] = NOBODY
) -> list[Told]:
    """Return an event's deliveries: those of its plan, then what jobs have sent besides.

    `flags` name the residents who are protected or not known to the protection list.
    """
    entry = Entry.of(row.pos, bytes(row.body), rules(row.ruleset))
    planned = {entry.rules.numbers[item.receiver]: item for item in unpack_plan(bytes(row.plan))}
    found = []
    for number, job in [*((number, 0) for number in planned), *sorted(states.jobs.get(row.pos, ()))]:
        at = (number, row.pos, job)
        payload = states.payloads.get(at)
        mine, item = entry, planned.get(number)
        if payload is not None:
            ruleset, item = unpack_made(payload)
            mine = Entry(row.pos, entry.wire, rules(ruleset))
        if item is not None:
            state = (states.ended.get(at), states.holds.get(at), states.failures.get(at, []), at in states.sending)
            told = (mine, item, number, job, row.recorded_at, row.batch_id)
            cut = cut_for(mine, item, rules) if row.subject in flags else None
            veil = cut_for(mine, item, rules, shown=True) if row.subject in flags else None
            awaited = states.awaited.get((number, row.subject), "")
            found.append(Told(*told, *state, states.doing.get(number, {}), payload, cut, veil, awaited))
    return found


def says(told: Told, text: str) -> bool:
    """Tell whether a delivery's last error holds a text."""
    error: Mapping[str, Any] = told.error or {}
    return text in f"{error.get('code', '')} {error.get('message', '')}"
