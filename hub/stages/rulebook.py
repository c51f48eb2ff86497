"""The rule sets a process works with: the one it activated, and older ones that stored plans name."""

from __future__ import annotations

from hub.ledger import rulesets
from hub.ledger.desk import Desk
from hub.ledger.engine import Ledger
from hub.ledger.numbers import Numbers
from hub.routing.expressions import Environment
from hub.routing.protection import Permission, permissions
from hub.routing.rules import RuleSet
from hub.stages.entries import ActiveRules


class RuleBook:
    """Rule sets by their number in the ledger, compiled once."""

    def __init__(self, ledger: Ledger, desk: Desk, timezone: str = "Asia/Tokyo") -> None:
        """Read from a ledger; `timezone` is the city's, for expressions."""
        self._ledger = ledger
        self._desk = desk
        numbers = Numbers(ledger)
        self._env = Environment(resident=numbers.resident, local_id=numbers.local_id, timezone=timezone)
        self._known: dict[int, ActiveRules] = {}
        self._whole: dict[tuple[int, int], ActiveRules] = {}
        self._today: dict[str, Permission] = {}
        self._standing: RuleSet | None = None

    def permit(self, rules: RuleSet) -> None:
        """Hold every rule set, older ones too, to what the city's rules permit now about protected residents.

        Rules of older sets that stand in these as they were have their lines from here.
        """
        self._today.update(permissions(rules))
        self._standing = rules

    def activate(self, rules: RuleSet) -> ActiveRules:
        """Record the city's rules and its receivers, and return them as they run."""
        self.permit(rules)
        return self._recorded(rules)

    def _recorded(self, rules: RuleSet) -> ActiveRules:
        number = rulesets.activate(self._ledger, rules.hash, rules.dump())
        active = ActiveRules(number, rules, self._desk.register(rules.receivers), self._today, self._env)
        self._known[number] = active
        return active

    def __getitem__(self, number: int) -> ActiveRules:
        """Return a rule set by its number; raises KeyError."""
        found = self._known.get(number)
        if found is None:
            rules = RuleSet.load(rulesets.load(self._ledger, number))
            if self._standing is not None:
                rules = rules.placed_by(self._standing)
            numbers = self._desk.register(rules.receivers)
            found = self._known[number] = ActiveRules(number, rules, numbers, self._today, self._env)
        return found

    def keeping(self, rules: ActiveRules, older: ActiveRules) -> ActiveRules:
        """Return rules with what an older rule set had besides, recorded so that a plan can name it."""
        found = self._whole.get((rules.no, older.no))
        if found is None:
            whole = rules.ruleset.keeping(older.ruleset)
            found = rules if whole is rules.ruleset else self._recorded(whole)
            self._whole[rules.no, older.no] = found
        return found
