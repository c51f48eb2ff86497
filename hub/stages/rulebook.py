"""The rule sets a process works with: the one it activated, and older ones that stored plans name."""

from __future__ import annotations

from hub.ledger import rulesets
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.numbers import Numbers
from hub.routing.expressions import Environment
from hub.routing.rules import RuleSet
from hub.stages.entries import ActiveRules


class RuleBook:
    """Rule sets by their number in the ledger, compiled once."""

    def __init__(self, ledger: Ledger, desk: Desk) -> None:
        self._ledger = ledger
        self._desk = desk
        numbers = Numbers(ledger)
        self._env = Environment(resident=numbers.resident, local_id=numbers.local_id)
        self._known: dict[int, ActiveRules] = {}
        self._whole: dict[tuple[int, int], ActiveRules] = {}

    def activate(self, rules: RuleSet) -> ActiveRules:
        """Record the city's rules and its receivers, and return them as they run."""
        number = rulesets.activate(self._ledger, rules.hash, rules.dump())
        active = ActiveRules(number, rules, self._desk.register(rules.receivers), self._env)
        self._known[number] = active
        return active

    def __getitem__(self, number: int) -> ActiveRules:
        """Return a rule set by its number; raises KeyError."""
        found = self._known.get(number)
        if found is None:
            rules = RuleSet.load(rulesets.load(self._ledger, number))
            found = self._known[number] = ActiveRules(number, rules, self._desk.register(rules.receivers), self._env)
        return found

    def keeping(self, rules: ActiveRules, older: ActiveRules) -> ActiveRules:
        """Return rules with what an older rule set had besides, recorded so that a plan can name it."""
        found = self._whole.get((rules.no, older.no))
        if found is None:
            whole = rules.ruleset.keeping(older.ruleset)
            found = rules if whole is rules.ruleset else self.activate(whole)
            self._whole[rules.no, older.no] = found
        return found
