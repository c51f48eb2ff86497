"""A small city whose systems take what they are told, refuse it, or do not answer, as the test says."""

from __future__ import annotations

import json
from typing import Any

from hub.adapters.contract import Batch, Features, Outcome
from hub.errors import HubError
from hub.ledger import jobs
from hub.ledger.jobs import Job
from hub.routing.rules import RuleSet
from hub.stages.dispatch import Dispatcher
from hub.stages.foreman import Foreman
from hub.stages.inquiry import DeliveryFilter
from hub.stages.jobs import Plan, start
from hub.stages.planning import Policy
from tests.integration.semantics.world import ZONE, World


class Desk:
    """One system: what it took, in order, and what it does with the next. It stores no key twice."""

    def __init__(self, *, idempotent: bool = True) -> None:
        self.features = Features(sink=True, idempotent=idempotent, batch=500)
        self.taken: list[dict[str, Any]] = []
        self._known: set[str] = set()
        self.calls = 0
        self.truth: dict[str, Outcome] = {}  # what it says when it is asked
        self.error: HubError | None = None
        self.refused: set[str] = set()  # residents

    async def deliver(self, batch: Batch) -> list[Outcome]:
        self.calls += 1
        return [self._one(each) for each in batch.deliveries]

    def _one(self, delivery: Any) -> Outcome:
        if self.error is not None and (not self.refused or delivery.subject in self.refused):
            return Outcome(delivery.key, self.error)
        if delivery.key not in self._known:
            self._known.add(delivery.key)
            self.taken.append(json.loads(delivery.body))
        return Outcome(delivery.key)

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        return [self.truth.get(delivery.key) for delivery in batch.deliveries]

    async def close(self) -> None:
        """Keep what was taken."""

    @property
    def keys(self) -> list[str]:
        return [each["deliverykey"] for each in self.taken]

    @property
    def ids(self) -> list[str]:
        return [each["id"] for each in self.taken]


class Town(World):
    """A world whose receivers are desks."""

    def __init__(self, *args: Any, idempotent: bool = True) -> None:
        super().__init__(*args)
        self.desks = {name: Desk(idempotent=idempotent) for name in self.city.systems}

    def _opener(self, receiver: Any) -> Any:
        return lambda: self.desks[receiver.system]

    @property
    def foreman(self) -> Foreman:
        return Foreman(self.ledger, self.city, self.rules, self.book)

    def renew(self) -> None:
        """Take the settings and rules as they stand in the folder now."""
        self.reload()
        self.rules = self.book.activate(RuleSet.of(self.city))
        for name in self.city.systems:
            self.desks.setdefault(name, Desk())

    def replay(self, *keys: str, **more: Any) -> Plan:
        names = ("systems", "statuses", "types", "resident", "batch", "since", "until", "error")
        wanted = DeliveryFilter(**{name: more.pop(name) for name in names if name in more})
        return self.foreman.replay(wanted, keys, **more)

    def do(self, plan: Plan, *, by: str = "係員", reason: str = "試験") -> int:
        return start(self.ledger, plan, by=by, reason=reason)

    def job(self, number: int) -> Job:
        return jobs.get(self.ledger, number)

    def dispatch_by_todays_rules(self) -> None:
        """Go on dispatching by the rules as they are now."""
        policy = Policy(self.city.city, ZONE, self.city.authority)
        self.dispatcher = Dispatcher(self.log, self.rules, 1, book=self.book, policy=policy, quarantine=self._refuse)
        self.dispatcher.assign([0])
