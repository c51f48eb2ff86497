"""What is kept of events is what they say, cut to what rules use."""

from __future__ import annotations

from typing import Any

import pytest

from hub.events.facts import delta
from hub.ledger.facts import Kept, kept_paths

PERSON = {"name": "守口 太郎", "kana": "モリグチ タロウ", "birth_date": "1980-04-01", "sex": None, "household_no": "7"}
DATA: dict[str, Any] = {
    **PERSON,
    "new_address": {"text": "大宮通一丁目1番1号"},
    "mailing_address": None,
    "to_household": "8",
    "effective_on": "2026-04-01",
    "scheme": "kokuho",
    "benefit": "jido-teate",
    "contract": "suido",
    "certificate_no": "1",
}
TYPES = (
    *("resident.moved", "resident.moved-out", "resident.died", "resident.mailing-changed", "household.changed"),
    *("resident.protection-started", "insurance.enrolled", "insurance.left", "benefit.granted", "contract.opened"),
    "application.received",
)
USED = (
    {("resident", "kana")},
    {("resident", "alive"), ("insurance", "kokuho", "active")},
    {("insurance", "koki", "active")},
    {("resident",), ("protected",)},
    {("household", "size"), ("benefits",)},
    {("resident", "mailing_address"), ("contracts", "suido")},
    {()},
)


def cut(said: dict[str, Any], used: frozenset[tuple[str, ...]]) -> dict[str, Any]:
    """Cut what an event says: a whole group where a path asks for it, else the names that paths go through."""
    part: dict[str, Any] = {}
    for group, value in said.items():
        below = {path[1:2] for path in used if path[0] == group}
        if () in below or (below and not isinstance(value, dict)):
            part[group] = value
        elif inner := {name: each for name, each in value.items() if (name,) in below} if below else {}:
            part[group] = inner
    return part


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("used", USED)
def test_what_is_kept_is_the_part_that_rules_use(type_, used):
    paths = kept_paths(frozenset(used))
    assert Kept(paths).of(type_, DATA) == cut(delta(type_, DATA), paths)
