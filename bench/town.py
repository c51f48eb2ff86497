"""The city the benches run: 20 systems, 60 rules, a stream of reports, and who must be told of each.

Who must be told is counted here from the rules' own description, in plain Python: nothing of the hub's routing, facts
or projection is used, so that the count can contradict it.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

CITY = "bench"
SOURCE = "juki"
REPEATED = 0.05
_WINDOW = 500  # a repeated report follows within so many

_WEIGHTS = {
    "resident.moved": 58,
    "resident.born": 6,
    "resident.died": 6,
    "resident.name-changed": 10,
    "insurance.enrolled": 6,
    "insurance.left": 4,
    "contract.opened": 5,
    "household.changed": 5,
}
TYPES = tuple(_WEIGHTS)
_ALWAYS = ("effective_on", "notified_on")
_PERSON = ("name", "kana", "household_no", "birth_date")
FIELDS: Mapping[str, frozenset[str]] = {
    kind: frozenset((*_ALWAYS, *own))
    for kind, own in {
        "resident.moved": (*_PERSON, "new_address", "old_address"),
        "resident.born": _PERSON,
        "resident.died": (*_PERSON, "died_on"),
        "resident.name-changed": (*_PERSON, "old_name"),
        "insurance.enrolled": ("scheme", "certificate_no"),
        "insurance.left": ("scheme", "certificate_no"),
        "contract.opened": ("contract", "contract_no"),
        "household.changed": ("kind", "to_household"),
    }.items()
}
PROTECTED = frozenset(str(1_000_000 + number) for number in range(0, 140_000, 467))  # of a city's residents, 300
LOCATING = frozenset({"new_address", "old_address", "household_no"})  # of these nobody is told where they are
_HOUSED = tuple(kind for kind in TYPES if "household_no" in FIELDS[kind])
_SENDS = (
    ("name", "new_address", "household_no", "effective_on"),
    ("name", "kana", "household_no", "effective_on"),
    ("name", "birth_date", "effective_on"),
    ("new_address", "old_address", "household_no", "scheme", "effective_on"),
)
_SURNAMES = ("守口", "京阪", "大枝", "八雲", "佐太", "大日", "金田", "梶", "藤田", "橋波")
_GIVEN = ("太郎", "花子", "一郎", "美咲", "健", "さくら", "翔太", "陽菜")
_KANA = ("モリグチ タロウ", "ケイハン ハナコ", "オオエダ イチロウ", "ヤグモ ミサキ")
_TOWNS = ("京阪本通二丁目", "大宮通一丁目", "八雲東町三丁目", "佐太中町六丁目", "大日町四丁目")
_SCHEMES = ("kokuho", "kokuho", "koki", "kaigo")


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule's condition, by kind and value.

    On data `household` (a text) and `from` (a date), on facts `insured` (a scheme) and `alive`; `never` (a text) and
    `never-insured` (a scheme) are never met.
    """

    kind: str
    value: str

    @property
    def cel(self) -> str:
        """Return it as the hub's rule files say it."""
        return {
            "household": f'data.household_no < "{self.value}"',
            "from": f'data.effective_on >= "{self.value}"',
            "insured": f"facts.insurance.{self.value}.active",
            "alive": "facts.resident.alive",
            "never": f'data.household_no == "{self.value}"',
            "never-insured": f"facts.insurance.{self.value}.active",
        }[self.kind]

    def met(self, data: Mapping[str, Any], insured: Mapping[str, bool], alive: bool | None) -> bool:
        """Say whether the rule speaks; what is not known is not met."""
        if self.kind == "household":
            number = data.get("household_no")
            return number is not None and number < self.value
        if self.kind == "from":
            return bool(data["effective_on"] >= self.value)
        if self.kind == "insured":
            return insured.get(self.value, False)
        return self.kind == "alive" and bool(alive)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one system."""

    system: int
    id: str
    on: tuple[str, ...]
    send: tuple[str, ...]
    test: Condition | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One event, by its number in the stream."""

    number: int
    type: str
    subject: str
    data: dict[str, Any]


def system_name(system: int) -> str:
    """Return the name of a system by its number."""
    return f"s{system:02d}"


def rules(systems: int = 20, total: int = 60, seed: int = 12) -> list[Rule]:
    """Return the rules: three a system, half of them with a condition, then as many that never hold as make `total`."""
    chance = random.Random(seed)
    tests = (
        Condition("insured", "kokuho"),
        Condition("household", "5"),
        Condition("alive", ""),
        Condition("from", "2026-05-01"),
    )
    made = []
    for system in range(systems):
        for number in range(3):
            test = None if (system + number) % 2 == 0 else tests[(system // 2 + number) % 4]
            kinds = _HOUSED if test and test.kind == "household" else TYPES
            on = tuple(chance.sample(kinds, k=3 if test else 1))
            made.append(Rule(system, f"r{number}", on, _sendable(_SENDS[(system + number) % 4], on), test))
    for number in range(total - len(made)):
        system = number % systems
        kind = ("never", f"x{number}") if number % 2 else ("never-insured", f"x{number}")
        taken = {kind for rule in made if rule.system == system and rule.test is None for kind in rule.on}
        on = tuple(chance.sample([kind for kind in _HOUSED if kind not in taken], k=2))
        made.append(Rule(system, f"n{number}", on, _sendable(_SENDS[number % 4], on), Condition(*kind)))
    return sorted(made, key=lambda rule: rule.system)


def _sendable(fields: tuple[str, ...], on: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in fields if all(name in FIELDS[kind] for kind in on))


def reports(count: int, *, residents: int = 20_000, seed: int = 11) -> Iterator[Report]:
    """Yield `count` reports; effective dates never go back."""
    chance = random.Random(seed)
    kinds = chance.choices(TYPES, weights=list(_WEIGHTS.values()), k=4096)
    start = dt.date(2026, 1, 1)
    for number in range(count):
        date = (start + dt.timedelta(days=number * 300 // count)).isoformat()
        kind = kinds[(number * 2654435761 >> 7) & 4095]
        subject = str(1_000_000 + chance.randrange(residents))
        yield Report(number, kind, subject, _data(kind, date, number, chance))


def _data(kind: str, date: str, number: int, chance: random.Random) -> dict[str, Any]:
    data: dict[str, Any] = {"effective_on": date, "notified_on": date}
    if kind.startswith("insurance"):
        return {**data, "scheme": _SCHEMES[chance.randrange(4)], "certificate_no": f"{number:010d}"}
    if kind == "contract.opened":
        return {**data, "contract": "suido", "contract_no": f"{number:010d}"}
    household = str(chance.randrange(1, 90_000))
    if kind == "household.changed":
        return {**data, "kind": "merge", "to_household": household}
    name = f"{_SURNAMES[number % 10]} {_GIVEN[number % 8]}"
    data |= {"name": name, "kana": _KANA[number % 4], "household_no": household, "birth_date": "1980-04-01"}
    if kind == "resident.moved":
        return {**data, "new_address": _address(number), "old_address": _address(number + 3)}
    if kind == "resident.died":
        return {**data, "died_on": date}
    return {**data, "old_name": f"{_SURNAMES[(number + 1) % 10]} {_GIVEN[number % 8]}"} if "changed" in kind else data


def _address(number: int) -> dict[str, str]:
    town = _TOWNS[number % 5]
    block = f"{number % 30 + 1}番{number % 9 + 1}号"
    return {
        "text": f"大阪府守口市{town}{block}",
        "postal_code": f"570-{number % 9000:04d}",
        "town": town,
        "building": "京阪ハイツ守口第二",
    }


def encoded(report: Report) -> bytes:
    """Return a report as it stands in Kafka: a CloudEvent in structured mode."""
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id(report.number),
            "source": f"/systems/{SOURCE}",
            "type": f"jp.lg.{CITY}.{report.type}.v1",
            "subject": report.subject,
            "time": f"{report.data['effective_on']}T10:00:00+09:00",
            "data": report.data,
        }
    )


def event_id(number: int) -> str:
    """Return the id of an event by its number."""
    return f"e{number:031d}"


def number_of(event_id: str) -> int:
    """Return the number of an event by its id; raises ValueError for an id that is none of the bench's."""
    return int(event_id.removeprefix("e"))


class Routes:
    """Who is told of each report, and by which rule: the first of a system's rules that speaks.

    Keeps what it must know of each resident; reports come in order, none twice.
    """

    def __init__(self, ruleset: list[Rule]) -> None:
        self._of_type: dict[str, list[list[tuple[int, Rule]]]] = {kind: [] for kind in TYPES}
        for kind, systems in self._of_type.items():
            by_system: dict[int, list[tuple[int, Rule]]] = {}
            for number, rule in enumerate(ruleset):
                if kind in rule.on and not (rule.test and rule.test.kind.startswith("never")):
                    by_system.setdefault(rule.system, []).append((number, rule))
            systems.extend(by_system.values())
        self._insured: dict[str, dict[str, bool]] = {}
        self._alive: dict[str, bool] = {}

    def told(self, kind: str, subject: str, data: Mapping[str, Any]) -> list[tuple[int, int]]:
        """Return `(system, rule)` of everyone told of the report, and note what it says."""
        insured, alive = self._insured.get(subject, {}), self._alive.get(subject)
        found = []
        for candidates in self._of_type[kind]:
            for number, rule in candidates:
                if rule.test is None or rule.test.met(data, insured, alive):
                    found.append((rule.system, number))
                    break
        self._learn(kind, subject, data)
        return found

    def _learn(self, kind: str, subject: str, data: Mapping[str, Any]) -> None:
        if kind.startswith("insurance"):
            self._insured.setdefault(subject, {})[data["scheme"]] = kind == "insurance.enrolled"
        elif kind in {"resident.moved", "resident.born"}:
            self._alive[subject] = True
        elif kind == "resident.died":
            self._alive[subject] = False


@dataclass(slots=True)
class Stream:
    """The records of a bench and what must come of them.

    `owed[system][number]` is the rule + 1 by which the system must be told of event `number`, 0 where it must not.
    """

    ruleset: list[Rule]
    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    owed: list[list[int]] = field(default_factory=list)

    @property
    def events(self) -> int:
        """Return how many different events there are."""
        return len(self.kinds)

    @property
    def deliveries(self) -> int:
        """Return how many deliveries must come of them."""
        return sum(len(numbers) - numbers.count(0) for numbers in self.owed)


def stream(ruleset: list[Rule], count: int, *, residents: int = 20_000, seed: int = 11) -> Stream:
    """Make a stream of `count` events and the repeats among them."""
    systems = 1 + max(rule.system for rule in ruleset)
    made = Stream(ruleset, owed=[[0] * count for _ in range(systems)])
    routes, chance = Routes(ruleset), random.Random(seed + 1)
    for report in reports(count, residents=residents, seed=seed):
        made.kinds.append(report.type)
        for system, rule in routes.told(report.type, report.subject, report.data):
            made.owed[system][report.number] = rule + 1
        made.records.append((report.subject.encode(), encoded(report)))
        if chance.random() < REPEATED:
            made.records.append(made.records[-1 - chance.randrange(min(len(made.records), _WINDOW))])
    return made


def write_city(folder: Path, ruleset: list[Rule], prefix: str, receives: Mapping[int, str] | None = None) -> None:
    """Write the city's files; a system receives JSON lines in `out/` unless `receives` (YAML) says otherwise."""
    (folder / "systems").mkdir(parents=True)
    (folder / "hub.yaml").write_text(f"city: {CITY}\nkafka: {{prefix: {prefix}}}\n")
    (folder / f"systems/{SOURCE}.yaml").write_text(f"system: {SOURCE}\nowner: 市民課\nreceives: {{}}\n")
    by_system: dict[int, list[Rule]] = {}
    for rule in ruleset:
        by_system.setdefault(rule.system, []).append(rule)
    for system, own in by_system.items():
        name = system_name(system)
        lines = [f"system: {name}", "owner: 課", "subscribes:", *map(_written, own)]
        lines.append("receives: " + ((receives or {}).get(system) or f"{{adapter: jsonl, path: out/{name}.jsonl}}"))
        (folder / f"systems/{name}.yaml").write_text("\n".join(lines) + "\n")


def _written(rule: Rule) -> str:
    when = f", when: '{rule.test.cel}'" if rule.test else ""
    return f"  - {{id: {rule.id}, on: [{', '.join(rule.on)}], send: [{', '.join(rule.send)}], because: 試験{when}}}"
