"""Small cities for tests of rules, built from plain words."""

from hub.routing.plan import Router, View
from hub.routing.rules import RuleSet
from hub.settings.models import Because, City, Receiver, Subscription, System, TableRow, Within

EMPTY = {"resident": {}, "insurance": {}, "benefits": {}, "contracts": {}, "household": {}, "protected": False}
KOKUHO = {**EMPTY, "insurance": {"kokuho": {"since": "2020-04-01", "active": True}}}


def rule(system="kokuho", on="resident.died", **keys):
    keys = {"id": "r", "because": Because(purpose="資格管理", provision="要確認"), **keys}
    types = (on,) if isinstance(on, str) else on
    keys.setdefault("place", f"systems/{system}.yaml:{keys.pop('line', 9)}:5")
    if isinstance(days := keys.get("within"), int):
        keys["within"] = Within(days=days)
    return Subscription(system=system, on=types, **keys)


def city(*rules, receivers=("main",), systems=(), tables=None):
    names = dict.fromkeys([*systems, *(each.system for each in rules)])
    entries = {}
    for name in names:
        own = receivers.get(name, ("main",)) if isinstance(receivers, dict) else receivers
        each = {
            r if isinstance(r, str) else r.name: Receiver(name=r, system=name, adapter="csv")
            if isinstance(r, str)
            else r
            for r in own
        }
        entries[name] = System(
            system=name,
            receives=each,
            subscribes=tuple(r for r in rules if r.system == name),
            place=f"systems/{name}.yaml:1:1",
        )
    rows = {name: tuple(TableRow(**row) for row in table) for name, table in (tables or {}).items()}
    return City(systems=entries, tables=rows)


def router(*rules, env=None, **keys):
    return Router(RuleSet.of(city(*rules, **keys)), env)


def view(type_="resident.died", subject="1000001", attributes=None, **data):
    data = {"name": "守口 太郎", "died_on": "2026-11-20", "effective_on": "2026-11-20", **data}
    attributes = {"id": "1", "source": "/systems/juki", "time": "2026-11-21T09:00:00+09:00", **(attributes or {})}
    return View(type_, 1, subject, attributes, data)
