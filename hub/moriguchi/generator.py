"""A deterministic city: households with ages, addresses, insurances and benefits that fit together.

Everything is a generator, so 140,000 residents need no more memory than ten. The same seed gives the same city, and a
larger city begins with the residents of a smaller one (but for the household that the smaller one cut short).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Any

from hub.moriguchi import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

AS_OF = date(2026, 4, 1)  # the day at which ages, insurances and benefits of a generated city hold
CITY_CODE = "272094"  # 団体コード of 守口市
NEWCOMERS = 500_000_001  # serial from which those are numbered who are born or move in later
SEX = {"male": "男", "female": "女"}  # 性別 as the legacy systems write it
SYSTEM_OF = {  # who reports what: insurance scheme, benefit or contract → system
    "kokuho": "kokuho",
    "koki": "koki",
    "kaigo": "kaigo",
    "nenkin": "nenkin",
    "jido_teate": "jido-teate",
    "kodomo_iryo": "kodomo-iryo",
    "suido": "suido",
    "inkan": "inkan",
}


@dataclass(frozen=True, slots=True)
class Resident:
    """One generated resident. `number` is the 宛名番号 (15 digits), `since` the day of moving in or of birth."""

    number: str
    household_no: str
    name: str
    kana: str
    sex: str  # male | female
    birth_date: date
    address: str
    postal_code: str
    relationship: str  # 続柄, of the head of the household: 世帯主 夫 妻 子 父 母
    head: str  # the head's number
    since: date
    insurance: tuple[str, ...] = ()
    benefits: tuple[str, ...] = ()
    contracts: tuple[str, ...] = ()

    @property
    def is_head(self) -> bool:
        """Say whether this resident is the 世帯主."""
        return self.head == self.number


@dataclass(frozen=True, slots=True)
class _Draft:
    """A member before the household has its name and place."""

    age: int
    sex: str
    relationship: str


# --- ages ----------------------------------------------------------------------------------------------------------


def birthday(birth: date, years: int) -> date:
    """Return the birthday on which someone turns `years`; February 29 falls on March 1 in common years."""
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return date(birth.year + years, 3, 1)


def reaches(birth: date, years: int) -> date:
    """Return the day an age is reached in law: the day before the birthday (年齢計算ニ関スル法律)."""
    return birthday(birth, years) - timedelta(days=1)


def age_on(birth: date, day: date) -> int:
    """Return the age in law on a day (reached on the day before the birthday)."""
    years = day.year - birth.year
    return years if reaches(birth, years) <= day else years - 1


def is_child(birth: date, day: date) -> bool:
    """Say whether benefits for children to 18 still run: until the March 31 that follows reaching 18."""
    reached = reaches(birth, 18)
    return day <= date(reached.year + (reached.month > 3), 3, 31)


# --- households ----------------------------------------------------------------------------------------------------


def _between(random: Random, low: int, high: int) -> int:
    return low + int(random.random() * (high - low + 1))


def _sex(random: Random) -> str:
    return "male" if random.random() < 0.5 else "female"


def _alone(low: int, high: int) -> Callable[[Random], list[_Draft]]:
    return lambda random: [_Draft(_between(random, low, high), _sex(random), "世帯主")]


def _couple(low: int, high: int) -> Callable[[Random], list[_Draft]]:
    def draw(random: Random) -> list[_Draft]:
        age = _between(random, low, high)
        return [_Draft(age, "male", "世帯主"), _Draft(max(20, age + _between(random, -6, 3)), "female", "妻")]

    return draw


def _children(random: Random, parent: int, most: int) -> list[_Draft]:
    eldest = _between(random, 0, min(22, parent - 22))
    ages = [age for age in (eldest - 3 * n for n in range(_between(random, 1, most))) if age >= 0]
    return [_Draft(age, _sex(random), "子") for age in ages]


def _family(random: Random) -> list[_Draft]:
    father, mother = _couple(28, 52)(random)
    return [father, mother, *_children(random, max(24, min(father.age, mother.age)), 3)]


def _single_parent(random: Random) -> list[_Draft]:
    mother = _Draft(_between(random, 25, 50), "female", "世帯主")
    return [mother, *_children(random, mother.age, 2)]


def _grown_child(random: Random) -> list[_Draft]:
    father, mother = _couple(60, 84)(random)
    return [father, mother, _Draft(_between(random, 24, mother.age - 24), _sex(random), "子")]


def _three_generations(random: Random) -> list[_Draft]:
    family = _family(random)
    return [*family, _Draft(min(96, family[0].age + _between(random, 24, 34)), "female", "母")]


_SHAPES: tuple[tuple[float, Callable[[Random], list[_Draft]]], ...] = (
    (0.22, _alone(19, 45)),
    (0.10, _alone(46, 64)),
    (0.17, _alone(65, 92)),
    (0.07, _couple(24, 45)),
    (0.06, _couple(46, 64)),
    (0.15, _couple(65, 88)),
    (0.12, _family),
    (0.03, _single_parent),
    (0.05, _grown_child),
    (0.02, _three_generations),
)
_DRAWN = tuple(zip(accumulate(weight for weight, _ in _SHAPES), (shape for _, shape in _SHAPES), strict=True))


def _shape(random: Random) -> list[_Draft]:
    point = random.random() * _DRAWN[-1][0]
    return next(shape for limit, shape in _DRAWN if point < limit)(random)


def household(random: Random, no: int, first: int, *, as_of: date = AS_OF, most: int = 9) -> list[Resident]:
    """Draw one household with number `no`, its members numbered from `first`; at most `most` of them, head first."""
    drafts = _shape(random)[:most]
    family, family_kana = names.surname(random)
    text, postal_code, _ = names.address(random)
    came = as_of - timedelta(days=_between(random, 1, 9000))
    head = resident_number(first)
    members = []
    for offset, draft in enumerate(drafts):
        given, given_kana = names.given_name(random, draft.sex)
        born = birthday(as_of, -draft.age) - timedelta(days=_between(random, 0, 360))
        members.append(
            Resident(
                number=resident_number(first + offset),
                household_no=household_number(no),
                name=f"{family}\u3000{given}",
                kana=f"{family_kana}\u3000{given_kana}",
                sex=draft.sex,
                birth_date=born,
                address=text,
                postal_code=postal_code,
                relationship=draft.relationship,
                head=head,
                since=max(came, born),
            )
        )
    return _enrol(random, members, as_of)


def resident_number(serial: int) -> str:
    """Return a 宛名番号 of 15 digits."""
    return f"{CITY_CODE}{serial:09d}"


def household_number(serial: int) -> str:
    """Return a 世帯番号 of 10 digits."""
    return f"5{serial:09d}"


# --- insurances, benefits, contracts -------------------------------------------------------------------------------


def _enrol(random: Random, members: list[Resident], as_of: date) -> list[Resident]:
    """Give each member what the household's age and work make likely, and what the law makes certain."""
    share = 0.72 if age_on(members[0].birth_date, as_of) >= 65 else 0.17
    kokuho = random.random() < share
    water = random.random() < 0.93
    raising = any(is_child(member.birth_date, as_of) for member in members)
    return [
        replace(
            member,
            insurance=schemes(member.birth_date, as_of, kokuho=kokuho),
            benefits=_benefits(member, as_of, raising=raising),
            contracts=_contracts(random, member, as_of, water=water),
        )
        for member in members
    ]


def schemes(birth: date, day: date, *, kokuho: bool) -> tuple[str, ...]:
    """Return the insurances of someone whose household is (not) in 国民健康保険.

    後期高齢 begins on the 75th birthday and ends 国保; 介護 (第1号) begins on the day before the 65th;
    年金 (第1号) runs from 20 to 59.
    """
    found = []
    if birthday(birth, 75) <= day:
        found.append("koki")
    elif kokuho:
        found.append("kokuho")
    if reaches(birth, 65) <= day:
        found.append("kaigo")
    if kokuho and 20 <= age_on(birth, day) < 60:
        found.append("nenkin")
    return tuple(found)


def _benefits(member: Resident, as_of: date, *, raising: bool) -> tuple[str, ...]:
    if is_child(member.birth_date, as_of):
        return ("kodomo_iryo",)
    return ("jido_teate",) if member.is_head and raising else ()


def _contracts(random: Random, member: Resident, as_of: date, *, water: bool) -> tuple[str, ...]:
    seal = age_on(member.birth_date, as_of) >= 15 and random.random() < 0.5
    return (("suido",) if water and member.is_head else ()) + (("inkan",) if seal else ())


def since(member: Resident, what: str) -> date:
    """Return the day from which an insurance, benefit or contract of a resident runs."""
    starts = {"koki": birthday(member.birth_date, 75), "kaigo": reaches(member.birth_date, 65)}
    starts["nenkin"] = reaches(member.birth_date, 20)
    return max(member.since, starts.get(what, member.since))


# --- the city as events --------------------------------------------------------------------------------------------


def residents(count: int, *, seed: int = 1, as_of: date = AS_OF) -> Iterator[Resident]:
    """Yield `count` residents, household by household, the head first."""
    random = Random(seed)  # noqa: S311 (a repeatable draw, not a secret one)
    made = no = 0
    while made < count:
        no += 1
        members = household(random, no, made + 1, as_of=as_of, most=count - made)
        made += len(members)
        yield from members


def initial_facts(people: Iterable[Resident]) -> Iterator[dict[str, Any]]:
    """Yield the CloudEvents that tell the hub what the city knows already (for `hub publish --facts-only`)."""
    for member in people:
        yield _event(member, "juki", "resident.moved-in", member.since, _moved_in(member))
        for scheme in member.insurance:
            yield _event(member, SYSTEM_OF[scheme], "insurance.enrolled", since(member, scheme), {"scheme": scheme})
        for benefit in member.benefits:
            yield _event(member, SYSTEM_OF[benefit], "benefit.granted", since(member, benefit), {"benefit": benefit})
        for contract in member.contracts:
            yield _event(member, SYSTEM_OF[contract], "contract.opened", member.since, {"contract": contract})


def _moved_in(member: Resident) -> dict[str, Any]:
    return {
        "name": member.name,
        "kana": member.kana,
        "birth_date": member.birth_date.isoformat(),
        "sex": SEX[member.sex],
        "new_address": {"text": member.address, "postal_code": member.postal_code, "municipality_code": CITY_CODE},
        "household_no": member.household_no,
        "relationship": member.relationship,
        "head": member.head,
    }


def _event(member: Resident, system: str, kind: str, day: date, data: dict[str, Any]) -> dict[str, Any]:
    what = data.get("scheme") or data.get("benefit") or data.get("contract") or "resident"
    return {
        "specversion": "1.0",
        "id": f"initial-{member.number}-{what}",
        "source": f"/systems/{system}",
        "type": kind,
        "subject": member.number,
        "time": f"{AS_OF.isoformat()}T00:00:00+09:00",
        "data": {**data, "effective_on": day.isoformat()},
    }
