"""住基: the residents as they are, and a history that is only ever added to, numbered by 宛名番号 + 履歴番号."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.moriguchi.forms import JIYU
from hub.moriguchi.generator import CITY_CODE, SEX
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

    def count(self) -> int:
        """Return how many people it has ever known."""
        with opened(self._path, SCHEMA) as connection:
            count: int = connection.execute("SELECT count(*) FROM jumin").fetchone()[0]
        return count

    def next_serial(self) -> int:
        """Return a serial above all 宛名番号 given so far, for newcomers."""
        with opened(self._path, SCHEMA) as connection:
            last = connection.execute("SELECT max(宛名番号) FROM jumin").fetchone()[0]
        return max(500_000_001, int((last or "0").removeprefix(CITY_CODE)) + 1)

    def history_no(self, number: str) -> int:
        """Return the resident's last 履歴番号, 0 for someone not known."""
        with opened(self._path, SCHEMA) as connection:
            found = connection.execute("SELECT 履歴番号 FROM jumin WHERE 宛名番号 = ?", (number,)).fetchone()
        return found[0] if found else 0

    def is_untouched(self, number: str) -> bool:
        """Say whether nothing has happened to the resident since the first fill."""
        return self.history_no(number) == 1

    def record(self, rows: Iterable[LegacyRow]) -> list[int]:
        """Write changes down in one transaction; return the 履歴番号 of each."""
        with opened(self._path, SCHEMA) as connection:
            return [_record(connection, row.values) for row in rows]

    def cancel(self, number: str, history_no: int, day: date) -> int:
        """Take a change back by a line 異動の取消し, and put the former address back; return the line's 履歴番号."""
        with opened(self._path, SCHEMA) as connection:
            wrong = dict(
                connection.execute(
                    "SELECT * FROM rireki WHERE 宛名番号 = ? AND 履歴番号 = ?", (number, history_no)
                ).fetchone()
            )
            kept = {name: wrong[name] for name in _KEPT}
            return _record(
                connection,
                {
                    **kept,
                    "宛名番号": number,
                    "住所": wrong["旧住所"] or wrong["住所"],
                    "異動事由": JIYU["異動の取消し"],
                    "異動日": wrong["異動日"],
                    "届出日": day.isoformat(),
                    "取消履歴番号": str(history_no),
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
