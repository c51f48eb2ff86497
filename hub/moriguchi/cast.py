"""Chooses, among the generated residents, those to whom something happens in the demonstration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.moriguchi.generator import age_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import date

    from hub.moriguchi.generator import Resident

Household = list["Resident"]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: whole households, the one it is about first or found by `Cast`'s methods."""

    family: Household  # four of them move
    bereaved: Household  # one of them dies
    parents: Household  # a child is born to them
    applicants: Household  # a parent applies for a child
    mistaken: Household  # a change of household is written down that never was; nobody needs to know of it

    @property
    def deceased(self) -> Resident:
        """Return who dies: the household's first member in 後期高齢."""
        return next(member for member in self.bereaved if "koki" in member.insurance)

    @property
    def mother(self) -> Resident:
        """Return the mother of the child to be born."""
        return next(member for member in self.parents if member.relationship == "妻")

    @property
    def child(self) -> Resident:
        """Return the child that is applied for."""
        return next(member for member in self.applicants if "kodomo_iryo" in member.benefits)

    @property
    def numbers(self) -> set[str]:
        """Return the numbers of all who play."""
        parts = (self.family, self.bereaved, self.parents, self.applicants, self.mistaken)
        return {member.household_no for household in parts for member in household}


def choose(households: Iterable[Household], day: date) -> Cast | None:
    """Cast every role with another household, the most telling first; None when nobody is left for one."""
    free = list(households)
    family = _take(free, lambda members: _family(members, day))
    bereaved = _take(free, _bereaved)
    parents = _take(free, lambda members: _parents(members, day))
    applicants = _take(free, lambda members: any("kodomo_iryo" in member.benefits for member in members))
    mistaken = _take(free, lambda members: len(members) == 1 and not members[0].insurance)
    if not (family and bereaved and parents and applicants and mistaken):
        return None
    return Cast(family, bereaved, parents, applicants, mistaken)


def _take(free: list[Household], telling: Callable[[Household], int]) -> Household | None:
    best = max(free, key=telling, default=None)
    if best is None or not telling(best):
        return None
    free.remove(best)
    return best


def _family(members: Household, day: date) -> int:
    """Take four people, the head in 国保 with a water contract: their rows are shown; prefer pupils and a seal."""
    children = [member for member in members if "kodomo_iryo" in member.benefits]
    head = members[0]
    if len(members) != 4 or len(children) != 2 or "kokuho" not in head.insurance or "suido" not in head.contracts:
        return 0
    at_school = any(7 <= age_on(child.birth_date, day) < 15 for child in children)
    return 1 + 2 * at_school + ("inkan" in head.contracts)


def _bereaved(members: Household) -> int:
    """Prefer a head in 後期高齢 with a water contract and a seal, who leaves someone behind."""
    head = members[0]
    if "koki" not in head.insurance:
        return 0
    return 1 + 4 * ("suido" in head.contracts) + 2 * (len(members) == 2) + ("inkan" in head.contracts)


def _parents(members: Household, day: date) -> int:
    """Prefer a couple without children, the wife in her twenties or thirties."""
    ages = [age_on(member.birth_date, day) for member in members if member.relationship == "妻"]
    if not ages or not 20 <= ages[0] < 42:
        return 0
    return 1 + 2 * (len(members) == 2) + (ages[0] < 38)
