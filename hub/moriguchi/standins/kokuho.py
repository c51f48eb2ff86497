"""国保: a table of members, an export of who joined and left, and an importer for the files the hub writes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hub.moriguchi.standins.files import insert, opened, read_csv, unused, write_csv

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.forms import LegacyRow
    from hub.moriguchi.generator import Resident

SCHEMA = """
CREATE TABLE IF NOT EXISTS hihokensha (
  宛名番号 TEXT PRIMARY KEY, 氏名 TEXT, 住所 TEXT, 世帯番号 TEXT, 資格 TEXT NOT NULL, 喪失事由 TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS torikomi (ファイル TEXT PRIMARY KEY, 件数 INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS uketsuke (delivery_key TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_LOSES = {"resident.died": "死亡", "resident.moved-out": "転出", "insurance.enrolled": "後期高齢移行"}


class Kokuho:
    """The national health insurance's own database."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "kokuho.db"
        self._in = folder / "out" / "kokuho"
        self._out = folder / "in" / "kokuho"

    def fill(self, people: Iterable[Resident]) -> None:
        """Take over those who are members already."""
        with opened(self._path, SCHEMA) as connection:
            for member in people:
                if "kokuho" in member.insurance:
                    row = {"宛名番号": member.number, "氏名": member.name, "住所": member.address}
                    insert(connection, "hihokensha", {**row, "世帯番号": member.household_no, "資格": "有"})

    def export(self, rows: Iterable[LegacyRow], day: date) -> Path | None:
        """Write who joined and left as a cp932 file, and into the own table; None if there is nothing."""
        values = [row.values for row in rows]
        if not values:
            return None
        with opened(self._path, SCHEMA) as connection:
            for row in values:
                if row["異動区分"] == "取得":
                    insert(connection, "hihokensha", {"宛名番号": row["宛名番号"], "資格": "有"})
                else:
                    _set(connection, row["宛名番号"], {"資格": "喪失"})
        return write_csv(unused(self._out, f"SHIKAKU_{day:%Y%m%d}"), values)

    def import_files(self) -> int:
        """Take in every file of the hub not taken in yet; return how many lines had an effect.

        A delivery key that was seen before has none: a file may be taken in twice.
        """
        taken = 0
        with opened(self._path, SCHEMA) as connection:
            for path in sorted(self._in.glob("*.csv")):
                if connection.execute("SELECT 1 FROM torikomi WHERE ファイル = ?", (path.name,)).fetchone():
                    continue
                rows = read_csv(path)
                taken += sum(_apply(connection, row) for row in rows)
                insert(connection, "torikomi", {"ファイル": path.name, "件数": len(rows)})
        return taken

    def member(self, number: str) -> dict[str, str] | None:
        """Return a member's row as it stands."""
        with opened(self._path, SCHEMA) as connection:
            found = connection.execute("SELECT * FROM hihokensha WHERE 宛名番号 = ?", (number,)).fetchone()
        return dict(found) if found else None


def _apply(connection: sqlite3.Connection, row: Mapping[str, str]) -> bool:
    key = row["delivery_key"]
    if connection.execute("SELECT 1 FROM uketsuke WHERE delivery_key = ?", (key,)).fetchone():
        return False
    connection.execute("INSERT INTO uketsuke VALUES (?)", (key,))
    if row["type"] == "event.cancelled":
        _set(connection, row["subject"], _undone(connection, row))
    else:
        _set(connection, row["subject"], _change(row))
    return True


def _undone(connection: sqlite3.Connection, row: Mapping[str, str]) -> dict[str, str]:
    """Return what a cancellation changes; it says the wrong values, what it was shows in the member's own row."""
    query = "SELECT 喪失事由 FROM hihokensha WHERE 宛名番号 = ?"
    found = connection.execute(query, (row["subject"],)).fetchone()
    if found and found["喪失事由"]:
        return {"資格": "有", "喪失事由": ""}
    address = row.get("old_address")
    return {"住所": json.loads(address)["text"]} if address else {}


def _change(row: Mapping[str, str]) -> dict[str, str]:
    """Return what a line of the hub's file changes; on `cancel` the old address comes back, and the membership."""
    taken_back = row["action"] == "cancel"
    if row["type"] in _LOSES:
        return {"資格": "有", "喪失事由": ""} if taken_back else {"資格": "喪失", "喪失事由": _LOSES[row["type"]]}
    change = {}
    if row["type"] == "resident.name-changed" and row.get("name"):
        change["氏名"] = row["name"]
    address = row.get("old_address") if taken_back else row.get("new_address")
    if address:
        change["住所"] = json.loads(address)["text"]
    if row.get("household_no") and not taken_back:
        change["世帯番号"] = row["household_no"]
    return change


def _set(connection: sqlite3.Connection, number: str, change: Mapping[str, str]) -> None:
    for column, value in change.items():
        connection.execute(f'UPDATE hihokensha SET "{column}" = ? WHERE 宛名番号 = ?', (value, number))
