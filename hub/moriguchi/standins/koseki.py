"""戸籍: notices as they are accepted, exported as a cp932 CSV file of those not exported yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.moriguchi.standins.files import opened, unused, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from pathlib import Path

    from hub.moriguchi.forms import LegacyRow

SCHEMA = """
CREATE TABLE IF NOT EXISTS todokede (
  番号 INTEGER PRIMARY KEY AUTOINCREMENT, 届出種別 TEXT NOT NULL, 宛名番号 TEXT NOT NULL, 氏名 TEXT, カナ TEXT,
  生年月日 TEXT, 性別 TEXT, 事件日 TEXT, 届出日 TEXT, 届出人 TEXT, 変更前氏名 TEXT, 世帯番号 TEXT,
  出力済 INTEGER NOT NULL DEFAULT 0
);
"""


class Koseki:
    """The family register's own database and its daily export."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "koseki.db"
        self._out = folder / "in" / "koseki"

    def accept(self, rows: Iterable[LegacyRow]) -> None:
        """Accept notices; each gets its 受理番号."""
        with opened(self._path, SCHEMA) as connection:
            for row in rows:
                names = ", ".join(row.values)
                marks = ", ".join("?" for _ in row.values)
                connection.execute(f"INSERT INTO todokede ({names}) VALUES ({marks})", tuple(row.values.values()))

    def export(self, day: date) -> Path | None:
        """Write what was not exported yet, None if there is nothing."""
        with opened(self._path, SCHEMA) as connection:
            found = [dict(row) for row in connection.execute("SELECT * FROM todokede WHERE 出力済 = 0 ORDER BY 番号")]
            if not found:
                return None
            rows = []
            for row in found:
                number = row.pop("番号")
                row.pop("出力済")
                rows.append({"受理番号": f"{day.year}-{number:06d}", **row})
            path = write_csv(unused(self._out, f"TODOKEDE_{day:%Y%m%d}"), rows)
            connection.execute("UPDATE todokede SET 出力済 = 1 WHERE 出力済 = 0")
        return path
