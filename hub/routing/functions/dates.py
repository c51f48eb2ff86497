"""Functions on dates. Dates are texts `YYYY-MM-DD`, which compare rightly.

Eras (元号を改める政令): 明治 is read from 明治6年 (1873-01-01), when the solar calendar began; 大正 from 1912-07-30,
昭和 from 1926-12-25, 平成 from 1989-01-08, 令和 from 2019-05-01. 1912-07-30 and 1926-12-25 belong to both their eras,
as in the family registers.
Ages: 年齢計算ニ関スル法律 and 民法143条2項: an age is reached at the end of the day before the birthday.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from hub.routing.functions.text import HYPHENS

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


@dataclass(frozen=True, slots=True)
class Era:
    """An era: its kanji, letter and number, the Gregorian year before its first, its first and last day."""

    kanji: str
    letter: str
    number: int
    zero: int
    first: date
    last: date


ERAS = (
    Era("明治", "M", 1, 1867, date(1873, 1, 1), date(1912, 7, 30)),
    Era("大正", "T", 2, 1911, date(1912, 7, 30), date(1926, 12, 25)),
    Era("昭和", "S", 3, 1925, date(1926, 12, 25), date(1989, 1, 7)),
    Era("平成", "H", 4, 1988, date(1989, 1, 8), date(2019, 4, 30)),
    Era("令和", "R", 5, 2018, date(2019, 5, 1), date(9999, 12, 31)),
)
_BY_NAME = {name: era for era in ERAS for name in (era.kanji, era.kanji[0], era.letter, str(era.number))}
_ERA = "明治|大正|昭和|平成|令和|[明大昭平令]|[MTSHR][.]?"
_YEAR = r"(?P<y>元|[0-9]{1,2}|[〇一二三四五六七八九十廿卅]{1,4})"
_IN_WORDS = rf"{_YEAR}年(?P<m>\w{{1,3}})月(?P<d>\w{{1,3}})日"
_IN_PARTS = rf"{_YEAR}[./-](?P<m>[0-9]{{1,2}})[./-](?P<d>[0-9]{{1,2}})"
_PACKED = r"(?P<y>[0-9]{2})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"
_ERA_FORMS = (
    re.compile(rf"(?P<era>{_ERA}){_IN_WORDS}\Z"),
    re.compile(rf"(?P<era>{_ERA}){_IN_PARTS}\Z"),
    re.compile(rf"(?P<era>{_ERA}|[1-5]){_PACKED}\Z"),
)
_BARE_FORMS = tuple(re.compile(rf"{form}\Z") for form in (_IN_WORDS, _IN_PARTS, _PACKED))  # the era stands elsewhere
_HYPHENS = str.maketrans(dict.fromkeys(HYPHENS, "-"))
_WEEKDAY = re.compile(r"\(?[月火水木金土日](?:曜日?)?\)\Z|[月火水木金土日]曜日?\Z")
_GREGORIAN_FORMS = (
    re.compile(r"(?P<y>[0-9]{4})[./-](?P<m>[0-9]{1,2})[./-](?P<d>[0-9]{1,2})(?:[ T]00?:00(?::00(?:\.0+)?)?)?\Z"),
    re.compile(r"(?:西暦)?(?P<y>[0-9]{4})年(?P<m>[0-9]{1,2})月(?P<d>[0-9]{1,2})日\Z"),
    re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})\Z"),
)
_KANJI_DIGITS = "〇一二三四五六七八九"


def wareki(text: Any, era: Any = "") -> str | None:
    """Return the date (`YYYY-MM-DD`) a Japanese or Gregorian date text means; an empty text gives null.

    `era` is the era where it stands in a column of its own: its name, its first sign, letter or number.
    Any hyphen, dash or long-vowel mark stands for a hyphen: 817C of Shift_JIS is another sign with each codec.
    Raises ValueError for forms not known, dates that do not exist, dates before 1873, and dates outside their era. Six
    digits without an era are refused: they may be of any era, or Gregorian.
    """
    return _read(str(text), str(era))


@lru_cache(maxsize=8192)  # the dates of a file are few
def _read(text: str, named: str) -> str | None:
    folded = unicodedata.normalize("NFKC", text).strip().translate(_HYPHENS)
    if not folded:
        return None
    packed = _WEEKDAY.sub("", re.sub(r"\s+", "", folded).upper())
    apart = _era_of(named)
    for form in _ERA_FORMS:
        if found := form.match(packed):
            own = _BY_NAME[found["era"].rstrip(".")]
            if apart is not None and apart is not own:
                raise ValueError(f"{text!r} is of the era {own.kanji}, its column says {apart.kanji}")
            return _in_era(own, found, text).isoformat()
    for form in _BARE_FORMS if apart is not None else ():
        if apart is not None and (found := form.match(packed)):
            return _in_era(apart, found, text).isoformat()
    for form in _GREGORIAN_FORMS:
        if found := form.match(folded) or form.match(packed):
            return _real(int(found["y"]), int(found["m"]), int(found["d"]), text).isoformat()
    if re.fullmatch(r"[0-9]{6}", packed):
        raise ValueError(f"{text!r} names no era: add its letter, as in R{packed}")
    raise ValueError(f"{text!r} is not a date in any known form")


def _era_of(named: str) -> Era | None:
    """Return the era that a column names; raises ValueError for what is none."""
    name = unicodedata.normalize("NFKC", named).strip().upper().rstrip(".")
    if not name:
        return None
    if name not in _BY_NAME:
        raise ValueError(f"{named!r} is no era: 明治 to 令和, M to R, or 1 to 5")
    return _BY_NAME[name]


def _in_era(era: Era, found: re.Match[str], text: str) -> date:
    day = _real(era.zero + _number(found["y"], text), _number(found["m"], text), _number(found["d"], text), text)
    if not era.first <= day <= era.last or found["y"] in {"0", "00"}:
        raise ValueError(f"{text!r} is outside the era {era.kanji} ({era.first} to {era.last})")
    return day


def _number(text: str, whole: str) -> int:
    if text == "元":
        return 1
    if text.isascii() and text.isdigit():
        return int(text)
    text = text.replace("廿", "二十").replace("卅", "三十")
    tens, ten, ones = text.rpartition("十")
    try:
        if not ten:
            return int("".join(str(_KANJI_DIGITS.index(sign)) for sign in ones))
        return (_KANJI_DIGITS.index(tens) if tens else 1) * 10 + (_KANJI_DIGITS.index(ones) if ones else 0)
    except ValueError:
        raise ValueError(f"{whole!r} is not a date in any known form") from None


def _real(year: int, month: int, day: int, text: str) -> date:
    try:
        found = date(year, month, day)
    except ValueError:
        raise ValueError(f"{text!r} is a date that does not exist") from None
    if found < ERAS[0].first:
        raise ValueError(f"{text!r} is before 1873, when the calendar was another")
    return found


def iso(text: Any) -> date:
    """Return the date of a text `YYYY-MM-DD`. Raises ValueError."""
    if not isinstance(text, str) or not _ISO.match(text):
        raise ValueError(f"{text!r} is not a date YYYY-MM-DD (wareki() reads other forms)")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is a date that does not exist") from None


def era(day: str, pattern: str = "GGE年M月D日") -> str:
    """Return a date in a pattern of era and date letters.

    `G` era letter (R), `g` one kanji (令), `GG` kanji (令和), `N` era number (5); `Y`/`YY` the era's year, `E` the same
    with 元 for the first, `YYYY` the Gregorian year; `M`/`MM` month, `D`/`DD` day. Any other Latin letter is refused,
    other signs stand for themselves.
    """
    found = iso(day)
    age = next((each for each in reversed(ERAS) if found >= each.first), None)
    if age is None:
        raise ValueError(f"{day} is before 1873, when the calendar was another")
    year = found.year - age.zero
    parts = {
        "GG": age.kanji, "G": age.letter, "g": age.kanji[0], "N": str(age.number),
        "YYYY": f"{found.year:04}", "YY": f"{year:02}", "Y": str(year), "E": "元" if year == 1 else str(year),
        "MM": f"{found.month:02}", "M": str(found.month), "DD": f"{found.day:02}", "D": str(found.day),
    }  # fmt: skip

    def part(match: re.Match[str]) -> str:
        if match.group() not in parts:
            raise ValueError(f"the pattern {pattern!r} has an unknown part {match.group()!r}")
        return parts[match.group()]

    return re.sub(r"([A-Za-z])\1*", part, pattern)


def birthday_on(birth: str, n: int) -> str:
    """Return the day the n-th birthday falls on: the day after that age is reached.

    A birth on February 29 has it on March 1 in years without that day.
    """
    return _birthday(iso(birth), n).isoformat()


def _birthday(birth: date, n: int) -> date:
    year = birth.year + n
    if not 1 <= year <= 9999:
        raise ValueError(f"the year {year} is beyond the calendar")
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def age_on(birth: str, day: str) -> int:
    """Return the age on a day; an age is reached on the day before the birthday (年齢計算ニ関スル法律)."""
    born, on = iso(birth), iso(day)
    if on < born:
        raise ValueError(f"{day} is before the birth")
    age = on.year - born.year
    if on.month == 12 and on.day == 31:
        age += 1
    while age and _birthday(born, age) - timedelta(days=1) > on:
        age -= 1
    return age


def fiscal_year(day: str) -> int:
    """Return the fiscal year (April to March) of a day."""
    found = iso(day)
    return found.year - (found.month < 4)


def school_year(birth: str, day: str = "") -> int:
    """Return the school year's class of a birth (April 2 to April 1), or with a day the grade on it.

    Grades: 1 to 6 小学校, 7 to 9 中学校, 10 to 12 the three years after; 0 and less before school (0 年長).
    A child born on April 1 belongs to the year above: the age is reached on March 31 (学校教育法17条).
    """
    cohort = fiscal_year((iso(birth) - timedelta(days=1)).isoformat())
    return fiscal_year(day) - cohort - 6 if day else cohort
