"""A job before it begins: what it would do, item by item. Its preview is its plan, so that both are the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hub.errors import UsageError
from hub.ledger import jobs
from hub.ledger.engine import Ledger
from hub.ledger.jobs import Job, Order
from hub.stages.times import moment

Json = dict[str, Any]
SHOWN = 200  # items of a preview that are listed one by one


@dataclass(slots=True)
class Plan:
    """What a job is to do. `counts` says how many of what, `left_out` why others are not part of it.

    `items` describes the first of them for people and programs; `events` stay in order when the job runs.
    """

    kind: str
    args: Json
    orders: list[Order] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    receivers: Counter[str] = field(default_factory=Counter)
    items: list[Json] = field(default_factory=list)
    approval: bool = False

    def add(self, what: str, order: Order | None, item: Json, receiver: str = "") -> None:
        """Add one item; `what` is counted."""
        self.counts[what] += 1
        if receiver:
            self.receivers[receiver] += 1
        if order is not None:
            self.orders.append(order)
        if len(self.items) < SHOWN:
            self.items.append({"what": what, **item})

    @property
    def totals(self) -> Json:
        """Return the counts as JSON."""
        return {
            "counts": dict(self.counts),
            "receivers": dict(sorted(self.receivers.items())),
            "left_out": dict(self.left_out),
        }

    def as_dict(self) -> Json:
        """Return the preview."""
        return {"kind": self.kind, **self.totals, "approval": self.approval, "items": self.items}


def start(ledger: Ledger, plan: Plan, *, by: str, reason: str = "") -> int:
    """Make a plan a job and return its number. Raises UsageError when there is nothing to do."""
    if not plan.orders:
        raise UsageError("there is nothing to do", mend="look at what is left out with --dry-run")
    return jobs.create(
        ledger, plan.kind, plan.args, plan.orders, by=by, reason=reason, totals=plan.totals, approval=plan.approval
    )


def as_dict(job: Job) -> Json:
    """Return a job as `hub jobs show` tells it."""
    return {
        "no": job.no,
        "kind": job.kind,
        "status": job.status,
        "by": job.by,
        "reason": job.reason,
        "at": moment(job.at),
        "approved_by": job.approved_by,
        "args": job.args,
        "preview": job.totals,
        "open": job.open,
        "waiting": job.waiting,
        "results": job.results,
        "delivered": job.delivered,
    }


def item_of(row: Mapping[str, Any]) -> Json:
    """Return one command of a job for people and programs."""
    source = (row["name"] or "").removeprefix("/systems/")
    return {
        "no": row["no"],
        "what": row["kind"],
        "event": f"{source}/{row['id']}" if row["id"] else None,
        "receiver": row["key"],
        "delivery": row["target"],
        "done_at": moment(row["done_at"]) if row["done_at"] else None,
        "result": row["result"],
    }
