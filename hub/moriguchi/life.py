"""Life in the city: births, deaths, marriages and moves at plausible rates, told as the legacy systems tell them.

Rates per 1,000 residents and year: births 6.5, deaths 12, marriages 4 (spouses counted one by one), moves in, out 40
each and within 30: the order of what a Japanese city of this size publishes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import groupby
from math import exp
from random import Random
from typing import TYPE_CHECKING

from hub.moriguchi import forms, names
from hub.moriguchi.generator import NEWCOMERS, Resident, age_on, household, resident_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from hub.moriguchi.forms import LegacyRow

MOVES_OUT = MOVES_IN = 0.040
MOVES_WITHIN = 0.030
MARRIAGES = 0.004
_SINGLE_SHARE = 0.115  # of the residents live alone and are 20 to 49: these marry in the sample
_FERTILITY = (
    (20, 0.025),
    (25, 0.091),
    (30, 0.112),
    (35, 0.066),
    (40, 0.015),
    (45, 0.0),
)  # a year, of a 妻 from that age


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened: `kind` is birth, death, marriage, moved, moved-in or moved-out."""

    day: date
    kind: str
    subjects: tuple[str, ...]
    rows: tuple[LegacyRow, ...]


def hazard(age: int) -> float:
    """Return the chance of dying within a year at an age (Gompertz, about the Japanese life table's)."""
    return min(0.6, exp(-11.2 + 0.1 * age))


def life(
    people: Iterable[Resident], days: int, seed: int = 1, *, start: date, next_serial: int = NEWCOMERS
) -> list[Change]:
    """Return what happens to these residents in `days` days from `start`, by day.

    Residents must come household by household, as the generator yields them, and are not kept. People who are born or
    move in are numbered from `next_serial`.
    """
    random = Random(f"life-{seed}-{start}")  # noqa: S311 (a repeatable draw, not a secret one)
    serials = Serials(next_serial)
    changes: list[Change] = []
    for _, members in groupby(people, key=lambda member: member.household_no):
        changes += _of_household(random, list(members), start, days, serials)
        if random.random() < MOVES_IN * days / 365:
            changes.append(moved_in(random, start + timedelta(days=int(random.random() * days)), serials))
    return sorted(changes, key=lambda change: change.day)


class Serials:
    """Numbers for those the city has not seen yet."""

    def __init__(self, first: int) -> None:
        self._next = first

    def take(self, count: int = 1) -> int:
        """Return the first of `count` unused numbers."""
        self._next += count
        return self._next - count


@dataclass(slots=True)
class Scene:
    """One happening: to whom (`number`) in which household (`here`, by number, changed in place), and when."""

    random: Random
    here: dict[str, Resident]
    number: str
    day: date
    serials: Serials

    @property
    def member(self) -> Resident:
        """Return the resident it happens to."""
        return self.here[self.number]

    def notified(self) -> date:
        """Draw the day the counter was told, within a week."""
        return self.day + timedelta(days=int(self.random.random() * 8))


def _of_household(random: Random, members: list[Resident], start: date, days: int, serials: Serials) -> list[Change]:
    drawn = sorted(_draw(random, members, start, days), key=lambda one: (one[0], one[1]))
    changes: list[Change] = []
    here = {member.number: member for member in members}
    for day, kind, number in drawn:
        if number not in here:
            continue
        changes.append(_CHANGES[kind](Scene(random, here, number, day, serials)))
        if kind == "moved-out":
            break
    return changes


def _draw(random: Random, members: list[Resident], start: date, days: int) -> Iterator[tuple[date, str, str]]:
    """Yield (day, kind, number) of what happens to a household; a move is its head's."""
    years = days / 365
    head = members[0]
    chances = [(head, "moved-out", MOVES_OUT), (head, "moved", MOVES_WITHIN)]
    for member in members:
        age = age_on(member.birth_date, start)
        chances.append((member, "death", hazard(age)))
        if member.relationship == "妻":
            chances.append((member, "birth", fertility(age)))
        if len(members) == 1 and 20 <= age < 50:
            chances.append((member, "marriage", MARRIAGES / _SINGLE_SHARE))
    for member, kind, rate in chances:
        if random.random() < rate * years:
            yield start + timedelta(days=int(random.random() * days)), kind, member.number


def fertility(age: int) -> float:
    """Return the chance that a 妻 of this age gives birth within a year."""
    return next((rate for low, rate in reversed(_FERTILITY) if age >= low), 0.0)


# --- what each kind leaves in the legacy systems -------------------------------------------------------------------


def death(scene: Scene) -> Change:
    """Let someone die: 戸籍 hears it first, without 世帯番号, then 住基 strikes the resident off."""
    member, day, told = scene.here.pop(scene.number), scene.day, scene.notified()
    kin = next(iter(scene.here.values()), None)
    heard = forms.koseki(member, "死亡届", day, told, 届出人=kin.name if kin else "")
    struck = forms.juki(member, "死亡", day, told, 死亡日=day.isoformat())
    return Change(day, "death", (member.number,), (heard, struck))


def birth(scene: Scene) -> Change:
    """Let a child be born into its mother's household: 戸籍 and 住基 both write it down."""
    mother, day, told = scene.member, scene.day, scene.notified()
    sex = "male" if scene.random.random() < 0.51 else "female"
    given, kana = names.given_name(scene.random, sex)
    child = replace(
        mother,
        number=resident_number(scene.serials.take()),
        name=_family(mother.name) + given,
        kana=_family(mother.kana) + kana,
        sex=sex,
        birth_date=day,
        relationship="子",
        since=day,
        insurance=(),
        benefits=(),
        contracts=(),
    )
    scene.here[child.number] = child
    heard = forms.koseki(child, "出生届", day, told, 届出人=mother.name)
    return Change(day, "birth", (child.number,), (heard, forms.juki(child, "出生", day, told)))


def marriage(scene: Scene) -> Change:
    """Let someone marry and keep the name; only 戸籍 writes it down."""
    member = scene.member
    row = forms.koseki(member, "婚姻届", scene.day, scene.day)
    return Change(scene.day, "marriage", (member.number,), (row,))


def moved(scene: Scene) -> Change:
    """Let the household move within the city."""
    text, postal_code, _town = names.address(scene.random)
    told = scene.notified()
    rows = []
    for number, member in scene.here.items():
        scene.here[number] = replace(member, address=text, postal_code=postal_code)
        rows.append(forms.juki(scene.here[number], "転居", scene.day, told, 旧住所=member.address))
    return Change(scene.day, "moved", tuple(scene.here), tuple(rows))


def moved_out(scene: Scene) -> Change:
    """Let the household leave the city, notified beforehand; 国保 ends with it."""
    text, code = names.outside(scene.random)
    day, members = scene.day, list(scene.here.values())
    told = day - timedelta(days=int(scene.random.random() * 8))
    rows = [forms.juki(member, "国内転出", day, told, 転出先=text, 転出先コード=code) for member in members]
    rows += [forms.kokuho(member, "喪失", day) for member in members if "kokuho" in member.insurance]
    return Change(day, "moved-out", tuple(scene.here), tuple(rows))


def moved_in(random: Random, day: date, serials: Serials) -> Change:
    """Let a household come into the city, some into 国保."""
    first = serials.take(10)
    members = [replace(member, since=day) for member in household(random, first, first, as_of=day)]
    text, code = names.outside(random)
    told = day + timedelta(days=int(random.random() * 8))
    rows = [forms.juki(member, "国内転入", day, told, 旧住所=text, 転入元コード=code) for member in members]
    rows += [forms.kokuho(member, "取得", day) for member in members if "kokuho" in member.insurance]
    return Change(day, "moved-in", tuple(member.number for member in members), tuple(rows))


def _family(name: str) -> str:
    """Return a name's family part with the full-width space after it."""
    return name.partition("\u3000")[0] + "\u3000"


_CHANGES = {"death": death, "birth": birth, "marriage": marriage, "moved": moved, "moved-out": moved_out}
