"""Replays over HTTP: a system asks for its own deliveries again, and for nobody else's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from hub.errors import AmbiguousId, NotFound, UsageError
from hub.ledger import jobs
from hub.ledger.engine import Ledger
from hub.stages import times
from hub.stages.finding import short
from hub.stages.foreman import Foreman
from hub.stages.inquiry import DeliveryFilter
from hub.stages.jobs import as_dict, start

Json = dict[str, Any]
_TEXTS = ("resident", "batch", "since", "until", "error", "reason", "rules")
_LISTS = ("deliveries", "status", "type")
_FLAGS = ("dry_run", "even_if_stale")


class Replays:
    """What `/v1/replays` and `/v1/jobs` do; `foreman` plans by the city's rules as they are now."""

    def __init__(self, ledger: Ledger, zone: ZoneInfo, foreman: Callable[[], Foreman]) -> None:
        self._ledger = ledger
        self._zone = zone
        self._foreman = foreman

    def begin(self, caller: str, asked: Mapping[str, Any]) -> Json:
        """Begin a replay of the caller's deliveries, or show what it would do (`dry_run`).

        Raises UsageError, NotFound and Unavailable.
        """
        _check(asked)
        keys = list(asked.get("deliveries", ()))
        none = NotFound(f"not all of these are deliveries to {caller}", mend="the keys are in the list of deliveries")
        if any(_receiver(key).partition(".")[0] != caller for key in keys):
            raise none
        wanted = DeliveryFilter(
            systems=(caller,),
            statuses=tuple(asked.get("status", ())),
            types=short(asked.get("type", ())),
            resident=asked.get("resident"),
            batch=asked.get("batch"),
            since=times.since(asked.get("since"), self._zone),
            until=times.until(asked.get("until"), self._zone),
            error=asked.get("error"),
        )
        if not keys and wanted == DeliveryFilter(systems=(caller,)):
            raise UsageError("which deliveries?", mend="give `deliveries`, or filters such as `status` and `since`")
        try:
            plan = self._foreman().replay(
                wanted,
                keys,
                now=asked.get("rules") == "now",
                rate=asked.get("rate"),
                even_if_stale=bool(asked.get("even_if_stale")),
            )
        except (NotFound, AmbiguousId):  # either would tell of events of which the caller is told nothing
            raise none from None
        preview = {"no": None, "kind": plan.kind, "status": None, "preview": plan.totals, "items": plan.items}
        if asked.get("dry_run") or not plan.orders:
            return preview
        number = start(self._ledger, plan, by=_name(caller), reason=str(asked.get("reason", "")))
        return {**preview, **as_dict(jobs.get(self._ledger, number))}

    def show(self, caller: str, number: str) -> Json:
        """Return a job of the caller's; raises NotFound."""
        job = jobs.get(self._ledger, int(number)) if number.isascii() and number.isdecimal() else None
        if job is None or job.by != _name(caller):
            raise NotFound(f"there is no job {number}")
        return as_dict(job)


def _receiver(key: str) -> str:
    return key.rpartition(":")[0].rpartition(":")[2]


def _name(caller: str) -> str:
    return f"http:{caller}"


def _check(asked: Mapping[str, Any]) -> None:
    """Raise UsageError for what is no replay."""
    known = (*_TEXTS, *_LISTS, *_FLAGS, "rate")
    if not isinstance(asked, dict):
        raise UsageError("a replay is a JSON object", mend="with: " + ", ".join(known))
    for name, value in asked.items():
        if name not in known:
            raise UsageError(f"a replay has no `{name}`", mend="known are: " + ", ".join(known))
        right = (
            (name in _TEXTS and isinstance(value, str))
            or (name in _LISTS and isinstance(value, list) and all(isinstance(each, str) for each in value))
            or (name in _FLAGS and isinstance(value, bool))
            or (name == "rate" and isinstance(value, int | float) and not isinstance(value, bool) and value > 0)
        )
        if not right:
            raise UsageError(f"`{name}` cannot be that", mend="texts; lists of texts; true or false; a rate above 0")
    if asked.get("rules", "then") not in {"then", "now"}:
        raise UsageError("`rules` is `then` or `now`")
