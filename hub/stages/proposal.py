"""An event that is not published: who would be told of it by the city's rules as they stand now."""

from __future__ import annotations

from functools import partial
from typing import Any

from hub.events.envelope import Event
from hub.events.facts import delta, merge
from hub.ledger.engine import Ledger
from hub.ledger.facts import FactBook
from hub.ledger.log import EventLog
from hub.ledger.numbers import Numbers
from hub.ledger.protected import Discretion
from hub.routing.expressions import Environment
from hub.routing.plan import Router, View, attributes_of
from hub.routing.protection import cut_of, withholding
from hub.routing.rules import RuleSet


def explain_proposal(
    event: Event, ledger: Ledger, rules: RuleSet, lang: str, timezone: str, discretion: Discretion | None = None
) -> dict[str, Any]:
    """Return who would be told of an event and why, who would not and why not; nothing is written.

    `discretion` says who is protected; without it only those are whom reports protect.
    """
    numbers = Numbers(ledger)
    router = Router(rules, Environment(resident=numbers.resident, local_id=numbers.local_id, timezone=timezone))
    facts = _facts(event, ledger, household=router.uses_household(event.type))
    view = View(event.type, event.version, event.subject, attributes_of(event), event.data)
    after = merge(facts, delta(event.type, event.data))
    found = router.explain(view, facts, after, lang).as_dict()
    if (discretion or Discretion(ledger))([event.subject]):
        found["told"] = withholding(found["told"], rules, partial(cut_of, rules))
    return found


def _facts(event: Event, ledger: Ledger, *, household: bool) -> dict[str, Any]:
    book = FactBook(EventLog(ledger))
    book.load({event.subject})
    facts = book.at(event.subject, str(event.data.get("effective_on") or event.time[:10]))
    if not household:
        return facts
    return {**facts, "household": book.household(facts["resident"].get("household_no"))}
