"""住基: the residents as they are, and a history that is only ever added to, numbered by 宛名番号 + 履歴番号."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.moriguchi.forms import JIYU
from hub.moriguchi.generator import CITY_CODE, NEWCOMERS, SEX, resident_number
from hub.moriguchi.standins.files import insert, opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.forms import LegacyRow
    from hub.moriguchi.generator import Resident

SCHEMA = """
CREATE TABLE IF NOT EXISTS jumin (
  宛名番号 TEXT PRIMARY KEY, 履歴番号 INTEGER NOT NULL, 氏名 TEXT, カナ TEXT, 生年月日 TEXT, 性別 TEXT,
  住所 TEXT, 世帯番号 TEXT, 続柄 TEXT, 世帯主宛名番号 TEXT, 状態 TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rireki (
  通番 INTEGER PRIMARY KEY AUTOINCREMENT, 宛名番号 TEXT NOT NULL, 履歴番号 INTEGER NOT NULL, 異動事由 TEXT NOT NULL,
  異動日 TEXT NOT NULL, 届出日 TEXT, 入力日時 TEXT NOT NULL, 氏名 TEXT, カナ TEXT, 生年月日 TEXT, 性別 TEXT, 住所 TEXT,
  旧住所 TEXT, 転入元コード TEXT, 転出先 TEXT, 転出先コード TEXT, 世帯番号 TEXT, 旧世帯番号 TEXT, 続柄 TEXT,
  世帯主宛名番号 TEXT, 死亡日 TEXT, 旧氏名 TEXT, 取消履歴番号 INTEGER, UNIQUE (宛名番号, 履歴番号)
);
"""
_STATES = {JIYU["死亡"]: "死亡", JIYU["職権消除"]: "消除", JIYU["国内転出"]: "転出", JIYU["国外転出"]: "転出"}
_KEPT = ("氏名", "カナ", "生年月日", "性別", "住所", "世帯番号", "続柄", "世帯主宛名番号")


class Juki:
    """The resident registry's own database."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "juki.db"

    def fill(self, people: Iterable[Resident]) -> int:
        """Take over residents who are there already: no history line, since nothing changes."""
        with opened(self._path, SCHEMA) as connection:
            count = 0
            for member in people:
                insert(connection, "jumin", _row(member))
                count += 1
        return count

    def settled(self) -> int:
        """Return how many residents it was filled with."""
        with opened(self._path, SCHEMA) as connection:
            first = (resident_number(NEWCOMERS),)
            count: int = connection.execute("SELECT count(*) FROM jumin WHERE 宛名番号 < ?", first).fetchone()[0]
        return count

    def known(self) -> set[str]:
        """Return the numbers of all it ever knew."""
        with opened(self._path, SCHEMA) as connection:
            return {row[0] for row in connection.execute("SELECT 宛名番号 FROM jumin")}

    def untouched(self) -> set[str]:
        """Return the numbers of those in whose household nothing has happened since they were filled in."""
        query = """
        SELECT 宛名番号 FROM jumin WHERE 世帯番号 NOT IN
          (SELECT 世帯番号 FROM jumin WHERE 履歴番号 > 1 OR 宛名番号 >= ?)
        """
        with opened(self._path, SCHEMA) as connection:
            return {row[0] for row in connection.execute(query, (resident_number(NEWCOMERS),))}

    def changes(self) -> int:
        """Return how many lines the history has."""
        with opened(self._path, SCHEMA) as connection:
            count: int = connection.execute("SELECT count(*) FROM rireki").fetchone()[0]
        return count

    def next_serial(self) -> int:
        """Return a serial above all 宛名番号 given so far, for newcomers."""
        with opened(self._path, SCHEMA) as connection:
            last = connection.execute("SELECT max(宛名番号) FROM jumin").fetchone()[0]
        return max(NEWCOMERS, int((last or "0").removeprefix(CITY_CODE)) + 1)

    def record(self, rows: Iterable[LegacyRow]) -> list[int]:
        """Write changes down in one transaction; return the 履歴番号 of each."""
        with opened(self._path, SCHEMA) as connection:
            return [_record(connection, row.values) for row in rows]

    def take_back(self, number: str, day: date) -> int:
        """Take a resident's last change back by a line 異動の取消し, its address too; return the line's 履歴番号."""
        with opened(self._path, SCHEMA) as connection:
            last = "SELECT * FROM rireki WHERE 宛名番号 = ? ORDER BY 履歴番号 DESC LIMIT 1"
            wrong = dict(connection.execute(last, (number,)).fetchone())
            return _record(
                connection,
                {
                    **{name: wrong[name] for name in _KEPT},
                    "宛名番号": number,
                    "住所": wrong["旧住所"] or wrong["住所"],
                    "異動事由": JIYU["異動の取消し"],
                    "異動日": wrong["異動日"],
                    "届出日": day.isoformat(),
                    "取消履歴番号": str(wrong["履歴番号"]),
                },
            )


def _record(connection: sqlite3.Connection, values: dict[str, str]) -> int:
    number = values["宛名番号"]
    found = connection.execute("SELECT 履歴番号 FROM jumin WHERE 宛名番号 = ?", (number,)).fetchone()
    history_no: int = found[0] + 1 if found else 1
    now = datetime.now(ZoneInfo("Asia/Tokyo")).isoformat(timespec="seconds")
    filled = {name: value for name, value in values.items() if value}
    insert(connection, "rireki", {**filled, "履歴番号": history_no, "入力日時": now})
    present = {name: values[name] for name in ("宛名番号", *_KEPT)}
    insert(connection, "jumin", {**present, "履歴番号": history_no, "状態": _STATES.get(values["異動事由"], "現存")})
    return history_no


def _row(member: Resident) -> dict[str, object]:
    return {
        "宛名番号": member.number,
        "履歴番号": 1,
        "氏名": member.name,
        "カナ": member.kana,
        "生年月日": member.birth_date.isoformat(),
        "性別": SEX[member.sex],
        "住所": member.address,
        "世帯番号": member.household_no,
        "続柄": member.relationship,
        "世帯主宛名番号": member.head,
        "状態": "現存",
    }
