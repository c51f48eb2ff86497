"""Months of differences and full extracts with all that goes wrong, against a register and a model in plain dicts.

`HUB_EXTRACT_STEPS` (10 minutes each; a year is 52,560) makes it longer.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest

from hub.adapters.file_source import FileSource
from hub.ledger import batches
from hub.stages.extracts import Extracts
from tests.unit.stages.extract_city import HEADER, City

STEPS = int(os.environ.get("HUB_EXTRACT_STEPS", "48"))
NIGHT = 12  # steps between two extracts
DAY = 144  # steps
RESIDENTS = 8
MOMENT = "%Y%m%d%H%M%S"


@dataclass(frozen=True)
class Resident:
    number: str
    sequence: int
    address: str
    at: str  # when the register had it last changed

    def row(self) -> tuple[str, ...]:
        return (self.number, str(self.sequence), f"住民 {self.number}", self.address, "77", "2026-11-16", self.at)


@dataclass
class File:
    """What is to be put into the folder at a step."""

    due: int
    name: str
    rows: list[Resident]
    as_of: str = ""  # of an extract
    cut: int = 0  # bytes


@dataclass
class Told:
    """What the model holds to be told of a resident."""

    address: str
    sequence: int
    as_of: str
    by: str  # sabun | zenken


@dataclass
class Model:
    """The rules in plain dicts: what is told, and what waits for a person."""

    told: dict[str, Told] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)  # resident, address
    ids: dict[tuple[str, int], str] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    last: str = ""
    heard: int = 0
    quarantined: set[str] = field(default_factory=set)  # an old number with new content: dispatch leaves it to a person

    def difference(self, rows: list[Resident]) -> None:
        for each in rows:
            first = self.ids.setdefault((each.number, each.sequence), each.address)
            known = self.told.get(each.number)
            if len(self.ids) > self.heard:
                self.heard = len(self.ids)
                self.tell(each)
            elif first != each.address:
                self.quarantined.add(each.number)
            if known is not None and each.sequence < known.sequence:
                continue
            if known is not None and each.sequence == known.sequence and each.address != known.address:
                continue
            if known is not None and known.by == "zenken" and each.at < known.as_of:
                continue
            self.told[each.number] = Told(each.address, each.sequence, each.at, "sabun")
            self.missing.discard(each.number)

    def tell(self, each: Resident) -> None:
        self.events.append((each.number, each.address))
        self.quarantined.discard(each.number)

    def extract(self, rows: list[Resident], as_of: str, *, torn: bool) -> str:
        """Return `stale`, `held` or `taken`; what is held is put away."""
        if as_of < self.last:
            return "stale"
        present = {each.number: each for each in rows}
        gone = [
            number
            for number, known in self.told.items()
            if number not in present and not (known.by == "sabun" and known.as_of >= as_of)
        ]
        judged = [
            (each, known)
            for each in rows
            if not ((known := self.told.get(each.number)) and known.by == "sabun" and known.as_of >= as_of)
        ]
        back = any(known is not None and each.sequence < known.sequence for each, known in judged)
        fresh_gone = [number for number in gone if number not in self.missing]
        if not rows or torn or back or len(fresh_gone) * 2 > len(self.told):
            return "held"
        self.take(judged, gone, as_of)
        return "taken"

    def take(self, judged: list[tuple[Resident, Told | None]], gone: list[str], as_of: str) -> None:
        self.last = as_of
        self.missing = (self.missing - {each.number for each, _ in judged}) | set(gone)
        for each, known in judged:
            if known is None or known.address != each.address:
                self.tell(each)
            self.told[each.number] = Told(each.address, each.sequence, as_of, "zenken")


class World:
    """The register, and the way its files take."""

    def __init__(self, city: City, seed: int, *, late: bool, restores: bool) -> None:
        self.city = city
        self.random = random.Random(seed)  # noqa: S311 - chance that comes again
        self.late = late
        self.restores = restores
        self.register = {str(number): Resident(str(number), 1, "大日町1-1", "0") for number in range(RESIDENTS)}
        self.saved = dict(self.register)
        self.open: list[Resident] = []  # changes for the next difference file
        self.files: list[File] = []
        self.model = Model()
        self.step = 0
        self.seen: Counter[str] = Counter()

    @property
    def now(self) -> str:
        return f"{self.city.now:{MOMENT}}"

    def delay(self) -> int:
        return self.random.choice([0, 0, 0, 1, 2, NIGHT + 2]) if self.late else 0

    def change(self) -> None:
        number = self.random.choice([*self.register, str(len(self.register) + 100)])
        old = self.register.get(number, Resident(number, 0, "", ""))
        address = f"京阪本通{self.random.randrange(1, 10**6)}"
        self.register[number] = replace(old, sequence=old.sequence + 1, address=address, at=self.now)
        if self.random.random() < 0.7:  # else only the next extract has it
            self.open.append(self.register[number])

    def pass_on(self) -> None:
        """Let ten minutes pass in the register, and write what it writes."""
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            self.change()
        if self.restores and self.random.random() < 0.03:
            self.register, self.open = dict(self.saved), []
        if self.random.random() < 0.05:
            self.saved = dict(self.register)
        if self.open:
            self.send(File(self.step + self.delay(), f"SABUN_{self.step:06}.csv", self.open))
            self.open = []
        if self.step % NIGHT == NIGHT - 1:
            self.send(
                File(
                    self.step + self.delay(),
                    f"ZENKEN_{self.now}.csv",
                    list(self.register.values()),
                    self.now,
                    self.random.choice([0, 0, 0, self.random.randrange(1, 300)]),
                )
            )

    def send(self, file: File) -> None:
        self.files.append(file)
        if self.random.random() < 0.2:
            again = replace(file, due=file.due + self.random.randrange(1, 4), cut=0)
            self.files.append(replace(again, name=file.name.replace(".csv", ".again.csv")))

    async def deliver(self) -> None:
        due = sorted((file for file in self.files if file.due <= self.step), key=lambda file: file.name)
        self.files = [file for file in self.files if file.due > self.step]
        extracts = [file for file in due if file.as_of]
        for file in due:
            if not file.as_of:
                self.city.write(file.name, *(each.row() for each in file.rows), header=(*HEADER, "更新日時"))
                self.model.difference(file.rows)
        if len(due) > len(extracts):
            self.seen["differences"] += 1
            if self.random.random() < 0.8 or not extracts:
                await self.city.hub_drain()
        for file in extracts:
            await self.extract(file)

    async def extract(self, file: File) -> None:
        path = self.city.write(file.name, *(each.row()[:6] for each in file.rows))
        content = path.read_bytes()
        content = content[: max(len(content) - file.cut, content.index(b"\n") + 1)] if file.cut else content
        path.write_bytes(content)
        whole = content.count(b"\r\n") - 1
        torn = not content.endswith(b"\n")
        expected = self.model.extract(file.rows[:whole], file.as_of, torn=torn)
        self.seen[expected] += 1
        await self.city.hub_drain()
        held = batches.held(self.city.ledger, "juki", "zenken")
        assert (held is not None) == (expected == "held"), (file.name, expected, self.city.batches().get(file.name))
        if held is not None:
            await self.decide(file, held, cut=bool(file.cut))

    async def decide(self, file: File, held: str, *, cut: bool) -> None:
        """A person lets go what a restored register gave, and puts away what is cut."""
        self.seen["rejected" if cut else "released"] += 1
        (batches.reject if cut else batches.release)(self.city.ledger, held, who="keiko", why="looked at")
        if not cut:
            rows = file.rows
            told = self.model.told
            newer = {number for number, known in told.items() if known.by == "sabun" and known.as_of >= file.as_of}
            judged = [(each, told.get(each.number)) for each in rows if each.number not in newer]
            gone = [number for number in told if number not in {each.number for each in rows} | newer]
            self.model.take(judged, gone, file.as_of)
        await self.city.hub_drain()


@pytest.fixture
def make(tmp_path):
    made = []

    def build():
        city = City(tmp_path, shared=True, more=", as_of: batch.name, guard: {change: 100%}", dated=True)
        made.append(city)
        return city

    yield build
    for city in made:
        city.close()


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("late", "restores"), [(True, False), (False, True)], ids=["late", "restored"])
async def test_what_is_told_is_what_the_model_tells(make, monkeypatch, seed, late, restores):
    city = make()
    world = World(city, seed, late=late, restores=restores)
    crashes = Crashes(world.random, monkeypatch)
    city.write("ZENKEN_20261119000000.csv", *(each.row()[:6] for each in world.register.values()))
    await city.hub.baseline("juki", "zenken")
    world.model.last = "20261119000000"
    world.model.told = {
        each.number: Told(each.address, each.sequence, world.model.last, "zenken") for each in world.register.values()
    }
    crashes.begin()
    for world.step in range(STEPS):
        city.later(minutes=10)
        world.pass_on()
        await world.deliver()
        if STEPS > 1000 and world.step % DAY:  # in a long run all that was told is compared once a day
            continue
        assert [event[1:] for event in city.topic.told()] == world.model.events, f"step {world.step}"
        missing = {subject for status, subject, summary in city.reviews() if summary.startswith("missing")}
        assert missing == world.model.missing, f"step {world.step}"
    await settle(world)
    believed = listened(city, by_sequence=late)
    for each in world.register.values():
        assert believed[each.number] == each.address or each.number in world.model.quarantined
    assert world.seen["taken"] >= 2
    assert crashes.count


async def settle(world: World) -> None:
    """Let everything that is under way arrive, and one more whole extract."""
    world.step += 10 * NIGHT
    world.random.random = lambda: 0.5  # nothing else happens
    await world.deliver()
    world.city.later(minutes=10)
    await world.extract(File(world.step, f"ZENKEN_{world.now}.csv", list(world.register.values()), world.now))


def listened(city: City, *, by_sequence: bool) -> dict[str, str]:
    """Return where a system that heard every event believes residents to live."""
    believed = {str(number): "大日町1-1" for number in range(RESIDENTS)}
    newest: Counter[str] = Counter()
    once: set[str] = set()
    for event in city.topic.events:
        if event["id"] in once:
            continue
        once.add(event["id"])
        number, sequence = event["subject"], int(event["sequence"])
        if not by_sequence or sequence >= newest[number]:
            newest[number] = sequence
            believed[number] = event["data"]["new_address"]["text"]
    return believed


class Crashes:
    """Breaks off now and then what is under way: after Kafka, before the ledger, or before the file is put away."""

    def __init__(self, chance: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chance = random.Random(chance.random())  # noqa: S311
        self.monkeypatch = monkeypatch
        self.count = 0

    def begin(self) -> None:
        for owner, name in ((Extracts, "_keep"), (Extracts, "_finish"), (FileSource, "acknowledge")):
            self.monkeypatch.setattr(owner, name, self.wrapped(getattr(owner, name)))

    def wrapped(self, function):
        def called(*arguments, **named):
            if self.chance.random() < 0.2:
                self.count += 1
                raise RuntimeError("crashed")
            return function(*arguments, **named)

        return called
