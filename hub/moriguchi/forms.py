"""What happens in the city, written as each legacy system writes it: its own columns, codes and calendars.

住基 keeps a history table with numeric 異動事由 and ISO dates; 戸籍 and 国保 export CSV with era dates. A form is a
plain mapping of column to text; what a system numbers itself (履歴番号, 受理番号) is added when it stores the form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.moriguchi.generator import SEX

if TYPE_CHECKING:
    from datetime import date

    from hub.moriguchi.generator import Resident

# 異動事由 of this city's 住基 vendor; the same codes stand in the sample city's tables/jiyu.csv.
JIYU = {
    "国内転入": "01",
    "国外転入": "02",
    "出生": "03",
    "職権記載": "04",
    "国内転出": "11",
    "国外転出": "12",
    "死亡": "13",
    "職権消除": "14",
    "転居": "21",
    "世帯分離": "22",
    "世帯合併": "23",
    "世帯変更": "24",
    "世帯主変更": "25",
    "氏名変更": "26",
    "誤記修正": "27",
    "住居表示": "31",
    "異動の取消し": "91",
}
_ERAS = (("R", "令和", 2019, (2019, 5, 1)), ("H", "平成", 1989, (1989, 1, 8)), ("S", "昭和", 1926, (1926, 12, 25)))


@dataclass(frozen=True, slots=True)
class LegacyRow:
    """One line in one legacy system: `system` is `juki`, `koseki` or `kokuho`, `values` its columns."""

    system: str
    values: dict[str, str]


def era_long(day: date) -> str:
    """Write a date as 戸籍 does: `令和8年11月20日`, the first year as 元年."""
    _, name, first = _era(day)
    year = day.year - first + 1
    return f"{name}{'元' if year == 1 else year}年{day.month}月{day.day}日"


def era_short(day: date) -> str:
    """Write a date as 国保 does: `R8.11.20`."""
    letter, _, first = _era(day)
    return f"{letter}{day.year - first + 1}.{day.month:02d}.{day.day:02d}"


def _era(day: date) -> tuple[str, str, int]:
    for letter, name, first, start in _ERAS:
        if (day.year, day.month, day.day) >= start:
            return letter, name, first
    return "T", "大正", 1912


def juki(member: Resident, jiyu: str, day: date, notified: date, **more: str) -> LegacyRow:
    """Return a line of 住基's history: the resident as known after the change, and what the change adds."""
    return LegacyRow(
        "juki",
        {
            "宛名番号": member.number,
            "異動事由": JIYU[jiyu],
            "異動日": day.isoformat(),
            "届出日": notified.isoformat(),
            "氏名": member.name,
            "カナ": member.kana,
            "生年月日": member.birth_date.isoformat(),
            "性別": SEX[member.sex],
            "住所": member.address,
            "世帯番号": member.household_no,
            "続柄": member.relationship,
            "世帯主宛名番号": member.head,
            **more,
        },
    )


def koseki(member: Resident, notice: str, day: date, notified: date, **more: str) -> LegacyRow:
    """Return a line of 戸籍's daily export; 世帯番号 stays empty, since the family register does not know it."""
    return LegacyRow(
        "koseki",
        {
            "届出種別": notice,
            "宛名番号": member.number,
            "氏名": member.name,
            "カナ": member.kana,
            "生年月日": era_long(member.birth_date),
            "性別": SEX[member.sex],
            "事件日": era_long(day),
            "届出日": era_long(notified),
            "届出人": "",
            "変更前氏名": "",
            "世帯番号": "",
            **more,
        },
    )


def kokuho(member: Resident, change: str, day: date) -> LegacyRow:
    """Return a line of 国保's export of memberships; `change` is `取得` or `喪失`."""
    return LegacyRow(
        "kokuho",
        {
            "宛名番号": member.number,
            "異動区分": change,
            "異動日": era_short(day),
            "記号番号": f"守国{member.household_no[-7:]}",
            "氏名カナ": member.kana,
        },
    )
