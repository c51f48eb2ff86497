"""Why an event told nothing to a system whose rule speaks for it: another report had, or nobody was to be told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hub.ledger.views import Views
from hub.routing.explain import unsaid
from hub.stages.entries import ActiveRules, Entry, Item, unpack_plan
from hub.stages.history import REPORTS
from hub.stages.rulebook import RuleBook

Json = dict[str, Any]


class Silence:
    """Holds what rules say of events against what was planned for them."""

    def __init__(self, views: Views, book: RuleBook) -> None:
        self._views = views
        self._book = book

    def applied(self, found: Json, entry: Entry, plan: Sequence[Item], lang: str) -> Json:
        """Return an explanation by rules alone with the systems that were told nothing moved to `not_told`."""
        receivers = {*_receivers(plan, entry.rules), *self._by_jobs(entry)}
        told = [each for each in found["told"] if each["receiver"] in receivers]
        if len(told) == len(found["told"]):
            return found
        reached = {each["system"] for each in told}
        silent = {each["system"]: each for each in reversed(found["told"]) if each["system"] not in reached}
        reasons = self._reasons(entry, silent)
        not_told = [*found["not_told"], *(unsaid(silent[name], *reasons[name], lang) for name in silent)]
        order = entry.rules.ruleset.systems.index
        return {**found, "told": told, "not_told": sorted(not_told, key=lambda each: order(each["system"]))}

    def _by_jobs(self, entry: Entry) -> set[str]:
        """Return the receivers that jobs have told of an event."""
        sent = self._views.states([entry.pos]).jobs.get(entry.pos, ())
        return {entry.rules.keys[number] for number, _ in sent if number in entry.rules.keys}

    def _reasons(self, entry: Entry, systems: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return by system why it was told nothing, and by which other event."""
        for kind, other, acting in self._views.relations([entry.pos])[entry.pos]:
            if acting and kind == "loses":
                return dict.fromkeys(systems, (kind, other))
            if acting and kind in REPORTS:
                first = self._told_by(other)
                return {name: ("told", other) if name in first else ("nothing-new", "") for name in systems}
            if not acting and kind == "cancels":
                return dict.fromkeys(systems, ("cancelled", other))
        return dict.fromkeys(systems, ("facts-only" if entry.wire.hubfactsonly else "nothing-new", ""))

    def _told_by(self, event: str) -> set[str]:
        row = self._views.event(self._views.find(event))
        return {key.partition(".")[0] for key in _receivers(unpack_plan(bytes(row.plan)), self._book[row.ruleset])}


def _receivers(plan: Sequence[Item], rules: ActiveRules) -> set[str]:
    return {rules.ruleset.receivers[item.receiver] for item in plan if item.suppressed is None}
