"""What a token shows: a system sees its own events whole, and of deliveries what it is party to.

A token is bound to one system, and a system is told only what its rules say. So the payload of a delivery, which may
hold what the hub knows from a third system, is shown to its receiver alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]


def event_for(caller: str, event_id: str, show: Callable[[str, str], Json]) -> Json:
    """Return one of the caller's own events, named by its bare id or `<caller>/<id>`. Raises `NotFound`."""
    shown = show(caller, event_id)
    why = [{**each, "why": each.get("reason", "")} for each in shown.get("not_told", [])]  # words may quote facts
    deliveries = [_cut(caller, delivery) for delivery in shown.get("deliveries", [])]
    return {**shown, "deliveries": deliveries, "not_told": why}


def deliveries_for(caller: str, filters: Mapping[str, str], listing: Callable[[str, Mapping[str, str]], Json]) -> Json:
    """Return the page of the list that the caller may see: of what it is party to, and of nothing else."""
    page = listing(caller, filters)
    return {**page, "items": [_cut(caller, item) for item in page["items"]]}


def _cut(caller: str, delivery: Json) -> Json:
    if delivery["system"] == caller:
        return delivery
    known = {name: value for name, value in delivery.items() if name != "withheld"}  # it tells who is protected
    return {**known, "payload": None}
