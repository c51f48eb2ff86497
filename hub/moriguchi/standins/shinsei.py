"""申請管理: online applications with numbers of their own, each exported as a ZIP: a CSV, and what was attached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.moriguchi.standins.files import csv_bytes, opened, unused, write_zip

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.generator import Resident

SCHEMA = """
CREATE TABLE IF NOT EXISTS shinsei (
  番号 INTEGER PRIMARY KEY AUTOINCREMENT, 宛名番号 TEXT NOT NULL, 様式 TEXT NOT NULL, 申請日 TEXT NOT NULL
);
"""


class Shinsei:
    """The portal's own database and its export folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "shinsei.db"
        self._out = folder / "in" / "shinsei"

    def apply(self, applicant: Resident, form: str, child: Resident, day: date) -> Path:
        """Take one application and export it."""
        with opened(self._path, SCHEMA) as connection:
            taken = (applicant.number, form, day.isoformat())
            cursor = connection.execute("INSERT INTO shinsei (宛名番号, 様式, 申請日) VALUES (?, ?, ?)", taken)
            number = f"{day.year}-{cursor.lastrowid:06d}"
        row = {
            "申請番号": number,
            "宛名番号": applicant.number,
            "様式": form,
            "申請日": day.isoformat(),
            "対象者": child.number,
            "加入保険": "国民健康保険" if "kokuho" in child.insurance else "社会保険",
            "連絡希望": "メール",
        }
        card = f"{row['加入保険']} {applicant.number}\n".encode()
        path = unused(self._out, f"SHINSEI_{day:%Y%m%d}", ".zip")
        return write_zip(path, {"申請.csv": csv_bytes([row]), "資格確認書.txt": card})
