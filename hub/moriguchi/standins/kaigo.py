"""介護: a nightly import of fixed-width files, and next morning's answer: the records it refused, by their 連番."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.moriguchi.standins.files import insert, opened

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from hub.moriguchi.generator import Resident

SCHEMA = """
CREATE TABLE IF NOT EXISTS hihokensha (
  宛名番号 TEXT PRIMARY KEY, 氏名 TEXT, 住所 TEXT, 資格 TEXT NOT NULL, 異動事由 TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS torikomi (ファイル TEXT PRIMARY KEY, 件数 INTEGER NOT NULL, エラー INTEGER NOT NULL);
"""
# As the vendor's 連携仕様 has them: name, width in bytes of cp932. The sample city's layouts/kaigo.yaml says the same.
RECORD = (
    ("区分", 1),
    ("連番", 6),
    ("処理", 1),
    ("宛名番号", 15),
    ("事由", 2),
    ("異動日", 7),
    ("氏名", 40),
    ("カナ", 40),
    ("住所", 100),
    ("世帯番号", 15),
    ("世帯主", 15),
    ("予備", 14),
)
LENGTH = sum(width for _, width in RECORD)
ERROR_LENGTH = 60
JOINS, LEAVES, CANCEL = "01", {"11", "13"}, "3"


class Refusal(NamedTuple):
    """One record that was not taken: its 連番, a code and what it says."""

    no: str
    code: str
    message: str


class Kaigo:
    """The long-term care insurance's own database and its nightly import."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "var" / "standins" / "kaigo.db"
        self._in = folder / "out" / "kaigo"
        self._answers = folder / "in" / "kaigo"

    def fill(self, people: Iterable[Resident]) -> None:
        """Take over those who are members already."""
        with opened(self._path, SCHEMA) as connection:
            for member in people:
                if "kaigo" in member.insurance:
                    row = {"宛名番号": member.number, "氏名": member.name, "住所": member.address}
                    insert(connection, "hihokensha", {**row, "資格": "有"})

    def import_files(self) -> int:
        """Take in every file not taken in yet, each once, and answer it; return how many records were taken."""
        taken = 0
        with opened(self._path, SCHEMA) as connection:
            for path in sorted(self._in.glob("KAIGO_*.DAT")):
                if connection.execute("SELECT 1 FROM torikomi WHERE ファイル = ?", (path.name,)).fetchone():
                    continue
                records = list(_records(path.read_bytes()))
                refused = [each for record in records if (each := _apply(connection, record))]
                insert(connection, "torikomi", {"ファイル": path.name, "件数": len(records), "エラー": len(refused)})
                self._answer(path.stem, refused)
                taken += len(records) - len(refused)
        return taken

    def member(self, number: str) -> dict[str, str] | None:
        """Return a member's row as it stands."""
        with opened(self._path, SCHEMA) as connection:
            found = connection.execute("SELECT * FROM hihokensha WHERE 宛名番号 = ?", (number,)).fetchone()
        return dict(found) if found else None

    def _answer(self, stem: str, refused: list[Refusal]) -> Path:
        """Write `ERR_<date>_<no>.DAT`: header, the refused records, trailer."""
        day = stem.split("_")[1].replace("-", "")
        lines = [f"1{day}"]
        lines += [f"2{each.no}{each.code}" + each.message.ljust(24, "\u3000") for each in refused]
        lines.append(f"9{len(refused):06d}")
        self._answers.mkdir(parents=True, exist_ok=True)
        path = self._answers / (stem.replace("KAIGO", "ERR") + ".DAT")
        part = path.with_suffix(".part")
        part.write_bytes(b"".join(line.encode("cp932").ljust(ERROR_LENGTH) + b"\r\n" for line in lines))
        return part.rename(path)


def _records(data: bytes) -> Iterator[dict[str, str]]:
    """Yield the records of a file, their fields by name. Raises ValueError for a file that is not whole."""
    lines = data.split(b"\r\n")[:-1]
    if any(len(line) != LENGTH for line in lines) or not lines[-1].startswith(b"9%06d" % (len(lines) - 2)):
        raise ValueError("the file is not whole")
    for line in lines[1:-1]:
        record, at = {}, 0
        for name, width in RECORD:
            record[name] = line[at : at + width].decode("cp932").strip(" \u3000")
            at += width
        yield record


def _apply(connection: sqlite3.Connection, record: dict[str, str]) -> Refusal | None:
    """Apply a record; return why not, if it is not taken."""
    number, reason = record["宛名番号"], record["事由"]
    known = connection.execute("SELECT 1 FROM hihokensha WHERE 宛名番号 = ?", (number,)).fetchone()
    if not known and reason != JOINS:
        return Refusal(record["連番"], "E101", "被保険者がいません")
    change = {column: record[column] for column in ("氏名", "住所") if record[column] and record["処理"] != CANCEL}
    if reason in LEAVES:
        change |= {"資格": "有" if record["処理"] == CANCEL else "喪失"}
    if not known:
        insert(connection, "hihokensha", {"宛名番号": number, "資格": "有"})
    for column, value in {**change, "異動事由": reason}.items():
        connection.execute(f'UPDATE hihokensha SET "{column}" = ? WHERE 宛名番号 = ?', (value, number))
    return None
