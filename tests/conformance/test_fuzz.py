"""Broken files: whatever is in them, no crash, and every byte is in an event, ignored by a rule, or in quarantine.

A few hundred files a format; `make fuzz N=10000` for more (`HUB_FUZZ`). `HUB_SEED` makes others, the same
each time.
"""

from __future__ import annotations

import io
import os
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import file_source, registry
from hub.adapters.contract import Row, SourceBatch
from hub.adapters.csv_records import header
from hub.app import mappers_of
from hub.routing.expressions import Environment
from hub.routing.mapping import Mapper
from hub.settings.layouts import Layout, LayoutField
from hub.settings.load import load_city
from hub.stages.records import Origin, prepare
from tests.conformance.files import FORMATS, IDO
from tests.conformance.helpers import site

FILES = int(os.environ.get("HUB_FUZZ", "300"))
SEED = os.environ.get("HUB_SEED", "1")
NOW = "2026-11-26T09:00:00+09:00"
SYSTEM = """
system: kokuho
publishes:
  - from: {adapter: jsonl, path: none}
    subject: row.番号
    cases:
      - {ignore: some of them, when: 'row.番号 in ["1", "3", "0001", "0003"]'}
      - {event: insurance.enrolled, map: {scheme: row.氏名, effective_on: '"2026-11-16"'}}
"""
PLAIN = Layout(newline="none", record=(LayoutField(name="番号", width=4), LayoutField(name="氏名", width=6)))
ORIGIN = Origin("kokuho", "main", "example")
LAYOUTS = {"ido": IDO, "plain": PLAIN}
LEFT_OUT = b"\r\n\x1a \t\x0b\x0c"  # blank lines, and what may stand behind the last record
TOKENS = [b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\0", b"\x1a", b"\xef\xbb\xbf", b"\xff", b"\x81", b"{", b"}", b"9"]


class Plain:
    """Fixed width without line breaks, header or trailer."""

    name = "fixed_width"
    source = {"layout": "layouts/plain.yaml"}  # noqa: RUF012

    def write(self, rows: list[dict[str, Any]]) -> bytes:
        return b"".join(f"{no:04d}守口市".encode("cp932") for no, _ in enumerate(rows))


KINDS: dict[str, Any] = {**FORMATS, "fixed_width-none": Plain()}


def mutated(content: bytes, chance: random.Random, *, long: int) -> bytes:
    """Return a file with some of it cut, doubled, overwritten or inserted."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at, end = sorted((chance.randint(0, len(data)), chance.randint(0, len(data))))
        match chance.randrange(7):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = data[at:end]
            case 2 if data:
                data[min(at, len(data) - 1)] = chance.randrange(256)
            case 3:
                data[at:at] = chance.choice(TOKENS)
            case 4:
                data[at:at] = chance.randbytes(chance.randint(1, 40))
            case 5:
                data[at:at] = chance.choice(TOKENS) * chance.choice((1, 2, long))
            case _:
                del data[at:]
    return bytes(data)


def mapper(folder: Path) -> Mapper:
    """Return what makes events of the rows, or refuses or ignores them."""
    (folder / "systems").mkdir()
    (folder / "hub.yaml").write_text("")
    (folder / "systems" / "kokuho.yaml").write_text(SYSTEM)
    city = load_city(folder, environ={})
    system = city.systems["kokuho"]
    return mappers_of(city, system, system.sources["main"], Environment({}))[0]


def settle(rows: list[Row], made: Mapper) -> list[str]:
    """Return what becomes of each row at intake; a row that is nothing of these is a byte lost."""
    fates = []
    for row in rows:
        prepared = prepare(SourceBatch([row], {}), [made], ORIGIN, now=NOW)
        events, ignored, entries = prepared.records, prepared.ignored, prepared.entries
        assert len(events) + ignored + len(entries) == 1
        assert not entries or entries[0].raw == row.raw
        fates.append("event" if events else "ignored" if ignored else "quarantine")
    return fates


def rows_of(opened: Any, after: Any = None) -> list[tuple[Row, Any]]:
    return [(row, found.position) for found in opened.read(after) for row in found.rows]


def account(content: bytes, rows: list[Row], offset: int) -> bytes:
    """Return the bytes from an offset that are in no row; rows must come in the file's order."""
    left = bytearray()
    for row in rows:
        at = content.index(row.raw, offset)
        left += content[offset:at]
        offset = at + len(row.raw)
    return bytes(left + content[offset:])


def begin(kind: str, content: bytes) -> int:
    """Return the length of a byte order mark and the header."""
    if kind == "csv":
        return header(io.BytesIO(content), "cp932", ",").end
    if kind == "fixed_width":
        return content.find(b"\n") + 1
    return 3 if kind == "jsonl" and content.startswith(b"\xef\xbb\xbf") else 0


def is_left_out(kind: str, content: bytes, left: bytes) -> bool:
    """Say whether what no row holds is only what rules leave out: the trailer and blank lines."""
    if kind == "fixed_width":
        left = left.replace(content.rstrip(b"\r\n\x1a").rpartition(b"\n")[2], b"")
    return not left.strip(LEFT_OUT)


@pytest.mark.parametrize("kind", KINDS)
def test_no_broken_file_crashes_and_no_byte_is_lost(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_source, "ROWS", 3)
    files, chance = KINDS[kind], random.Random(kind + SEED)  # noqa: S311
    good = files.write([{"番号": str(no), "氏名": f'守口 "{no}", 番\n'[: -(no % 2) or None]} for no in range(8)])
    whole = files.write([{"番号": str(no), "氏名": "守口　太郎"} for no in range(8)])
    path = tmp_path / "in" / "a"
    path.parent.mkdir()
    options = {"path": "in/*", "after": "keep", **files.source}
    where = replace(site(tmp_path), layouts=LAYOUTS)
    made, fates = mapper(tmp_path), set()
    for number in range(FILES):
        content = mutated(good, chance, long=300 if kind == "fixed_width-none" else 70_000)
        if number % 10 == 9:
            content = chance.randbytes(chance.randint(0, 2000))
        if number % 50 == 0:
            content = whole  # one that is whole: counts and trailers refuse nearly all others
        path.write_bytes(content)
        found = rows_of(registry.open_source(files.name, options, where))
        rows = [row for row, _ in found]
        assert all(row.error is None or (row.error.code != "malformed" and not row.values) for row in rows)
        if kind != "excel" or any(row.error and not row.raw.startswith(b"{") for row in rows):
            if any(row.error is not None and ":" not in row.place for row in rows):
                assert account(content, rows, 0) == b"", "a file that is given up is kept to the last byte"
            else:
                left = account(content, rows, begin(kind, content))
                assert is_left_out(kind, content, left), (content, left)
        fates |= {*settle(rows, made)}
        if found:  # a new process goes on after any position with the rows that follow
            position = chance.choice(found)[1]
            done = sum(1 for _, each in found if each["offset"] <= position["offset"])
            rest = [row for row, _ in rows_of(registry.open_source(files.name, options, where), position)]
            assert [row.raw for row in rest] == [row.raw for row in rows[done:]]
    assert fates == {"event", "ignored", "quarantine"}, "the files are of one kind: nothing is shown by them"
