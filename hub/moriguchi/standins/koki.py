"""後期高齢 and 印鑑: systems whose own tables the hub writes into, filled with those who are there already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.moriguchi.standins.files import insert, opened

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hub.moriguchi.generator import Resident


class _Table:
    """One SQLite file with one table keyed by 宛名番号."""

    file: str
    table: str
    schema: str

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / self.file

    def row(self, number: str) -> dict[str, str] | None:
        """Return a resident's row as it stands."""
        with opened(self._path, self.schema) as connection:
            found = connection.execute(f"SELECT * FROM {self.table} WHERE 宛名番号 = ?", (number,)).fetchone()
        return dict(found) if found else None

    def _fill(self, people: Iterable[Resident]) -> None:
        with opened(self._path, self.schema) as connection:
            for member in people:
                row = {"宛名番号": member.number, "氏名": member.name, "住所": member.address}
                insert(connection, self.table, row)


class Koki(_Table):
    """後期高齢者医療: table `hihokensha`."""

    file = "koki.db"
    table = "hihokensha"
    schema = """
    CREATE TABLE IF NOT EXISTS hihokensha (宛名番号 TEXT PRIMARY KEY, 氏名 TEXT, 住所 TEXT, 世帯番号 TEXT, 喪失日 TEXT);
    """

    def fill(self, people: Iterable[Resident]) -> None:
        """Take over those who are members already."""
        self._fill(member for member in people if "koki" in member.insurance)


class Inkan(_Table):
    """印鑑登録: table `toroku`."""

    file = "inkan.db"
    table = "toroku"
    schema = """
    CREATE TABLE IF NOT EXISTS toroku (宛名番号 TEXT PRIMARY KEY, 氏名 TEXT, 住所 TEXT, 廃止日 TEXT, 廃止事由 TEXT);
    """

    def fill(self, people: Iterable[Resident]) -> None:
        """Take over those who have a seal registered already."""
        self._fill(member for member in people if "inkan" in member.contracts)
