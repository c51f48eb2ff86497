"""The legacy systems of the sample city together: filled once, then told what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from hub.moriguchi.generator import initial_facts, residents
from hub.moriguchi.standins import Inkan, Juki, Kaigo, Koki, Kokuho, Koseki, Shinsei, Suido

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.forms import LegacyRow
    from hub.moriguchi.generator import Resident


class Town:
    """Every stand-in of one city folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.juki = Juki(folder)
        self.koseki = Koseki(folder)
        self.kokuho = Kokuho(folder)
        self.kaigo = Kaigo(folder)
        self.koki = Koki(folder)
        self.inkan = Inkan(folder)
        self.shinsei = Shinsei(folder)
        self.suido = Suido(folder)

    def found(self) -> None:
        """Let every stand-in with a database make its tables."""
        self.fill(())

    def fill(self, people: Iterable[Resident]) -> None:
        """Let every stand-in take over those who concern it."""
        people = list(people)
        for system in (self.juki, self.kokuho, self.kaigo, self.koki, self.inkan, self.suido):
            system.fill(people)
        self.koseki.accept(())

    @property
    def facts(self) -> Path:
        """Return where the facts stand that the hub is still to be told (JSONL)."""
        return self.folder / "var" / "standins" / "facts.jsonl"

    def settle(self, count: int) -> None:
        """Fill the town with `count` residents and write their `facts`, unless it has that many already.

        A smaller town grows: a larger city begins with the residents of the smaller one, and their facts are the same
        events again, which the hub counts as repeats.
        """
        if self.juki.settled() >= count:
            return
        people = list(residents(count))
        part = self.facts.with_suffix(".part")
        with part.open("wb") as file:
            for event in initial_facts(people):
                file.write(orjson.dumps(event) + b"\n")
        part.rename(self.facts)
        known = self.juki.known()
        self.fill(member for member in people if member.number not in known)

    def undisturbed(self) -> Iterator[list[Resident]]:
        """Yield the households to which nothing has happened since the town was filled."""
        untouched = self.juki.untouched()
        household: list[Resident] = []
        for member in residents(self.juki.settled()):
            if household and household[0].household_no != member.household_no:
                if all(one.number in untouched for one in household):
                    yield household
                household = []
            household.append(member)
        if household and all(one.number in untouched for one in household):
            yield household

    def happen(self, rows: Iterable[LegacyRow], day: date) -> None:
        """Let the legacy systems write down what happened; 戸籍 and 国保 export it as files of that day."""
        by_system: dict[str, list[LegacyRow]] = {"juki": [], "koseki": [], "kokuho": []}
        for row in rows:
            by_system[row.system].append(row)
        self.koseki.accept(by_system["koseki"])
        self.koseki.export(day)
        self.juki.record(by_system["juki"])
        self.kokuho.export(by_system["kokuho"], day)
