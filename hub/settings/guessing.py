"""What a sample file is: encoding, delimiter, header, widths. Guesses, each with its reason, for a person to check."""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

LINES = 400  # of a sample are looked at
BYTES = 4 * 1024 * 1024
INSIDE = {"+": "k", "~": " "}  # further bytes of a character, and what kind it is
DELIMITERS = ",\t;|"
EXOTIC = ("shift_jis_2004", "euc_jis_2004")  # taken where no usual one fits


@dataclass(frozen=True, slots=True)
class Sample:
    """What was found: how it is read, and the columns with their values as far as they were looked at.

    `adapter` is csv, jsonl, excel or fixed_width. `widths` are those of a fixed-width file, in bytes; `header` says
    whether the first line names the columns; `doubts` are for the person who checks.
    """

    adapter: str
    encoding: str = "utf-8"
    delimiter: str = ","
    header: bool = True
    columns: dict[str, list[str]] = field(default_factory=dict)
    widths: tuple[int, ...] = ()
    newline: str = "crlf"
    doubts: tuple[str, ...] = ()


def guess(data: bytes) -> Sample:
    """Return what a file's bytes are, seen from its first lines; raises `ValueError` for an empty or unknown one."""
    if not data.strip():
        raise ValueError("it is empty")
    if data.startswith(b"PK\x03\x04"):
        return Sample("excel")
    encoding, doubts = guess_encoding(data)
    lines = _lines(data[:BYTES], encoding)
    if lines[0].lstrip().startswith("{"):
        return Sample("jsonl", encoding, doubts=doubts)
    delimiter = _delimiter(lines)
    if delimiter is None:
        fixed = _fixed(data, encoding, doubts)
        if fixed is not None:
            return fixed
        delimiter = ","
        doubts = (*doubts, "no delimiter was found: one column is taken for each line")
    rows = list(islice(csv.reader(lines, delimiter=delimiter), LINES))
    rows = [row for row in rows if row]
    header = _is_header(rows)
    names = rows[0] if header else [f"列{number}" for number in range(1, len(rows[0]) + 1)]
    body = [row for row in (rows[1:] if header else rows) if len(row) == len(names)]
    columns = {name: [row[place] for row in body] for place, name in enumerate(names)}
    return Sample("csv", encoding, delimiter, header, columns, doubts=doubts)


def guess_encoding(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the encoding that fits all of the bytes and makes the most ordinary text of them, with doubts."""
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8", ()
    if data.isascii():
        return "cp932", ("only ASCII was seen: cp932 is what most legacy systems write",)
    if _decoded(data, "utf-8") is not None:
        return "utf-8", ()
    fitting = {name: text for name in ("cp932", "euc_jp") if (text := _decoded(data, name)) is not None}
    if not fitting:
        exotic = next((name for name in EXOTIC if _decoded(data, name) is not None), None)
        if exotic is not None:
            return exotic, (f"the file has characters that only {exotic} knows",)
        return "cp932", ("no encoding fits every byte: some rows will be quarantined",)
    best = max(fitting, key=lambda name: _ordinary(fitting[name]))
    private = any(unicodedata.category(sign) == "Co" for sign in fitting[best])
    return best, ("there are characters of the city's own (gaiji): see `text:`",) if private else ()


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None


def _ordinary(text: str) -> float:
    """Return how much a text looks like Japanese as people write it: half-width kana in rows of it does not."""
    points = 0.0
    for sign in text[:20_000]:
        name = sign
        if "ぁ" <= name <= "ヿ" or "一" <= name <= "鿿" or name in "々　":
            points += 1
        elif "｡" <= name <= "ﾟ":
            points -= 0.5
        elif unicodedata.category(sign) in {"Co", "Cn", "Cc"} and sign not in "\r\n\t":
            points -= 5
    return points / max(1, len(text))


def _lines(data: bytes, encoding: str) -> list[str]:
    text = data.decode(encoding, "replace").removeprefix("\ufeff")
    return list(islice(io.StringIO(text, newline=""), LINES))


def _delimiter(lines: list[str]) -> str | None:
    """Return the delimiter that gives most lines the same number of columns, more than one."""
    best: tuple[float, int, str] | None = None
    for sign in DELIMITERS:
        try:
            counts = Counter(len(row) for row in csv.reader(lines, delimiter=sign, strict=True) if row)
        except csv.Error:
            continue
        if not counts:
            continue
        columns, times = counts.most_common(1)[0]
        found = (times / counts.total(), columns, sign)
        if columns > 1 and found[0] > 0.8 and (best is None or found[:2] > best[:2]):
            best = found
    return best[2] if best else None


def _is_header(rows: list[list[str]]) -> bool:
    """Say whether the first row names columns: each with a name of its own, none a number or a date."""
    first = [cell.strip() for cell in rows[0]]
    if len(set(first)) != len(first) or not all(first):
        return False
    return not any(re.fullmatch(r"[\d/.:年月日-]+", unicodedata.normalize("NFKC", cell)) for cell in first)


# --- fixed width ---------------------------------------------------------------------------------------------------


def _fixed(data: bytes, encoding: str, doubts: tuple[str, ...]) -> Sample | None:
    """Return the layout of lines that all have the same number of bytes, cut where every one of them changes kind."""
    crlf = b"\r\n" in data[:BYTES]
    lines = data[:BYTES].split(b"\r\n" if crlf else b"\n")[:LINES]
    lines = [line for line in lines if line.strip(b"\x1a\0 ")]
    lengths = {len(line) for line in lines}
    if len(lines) < 2 or len(lengths) != 1:
        return None
    marks = Counter(line[:1] for line in lines)
    kind, times = marks.most_common(1)[0]
    special = len(marks) > 1 and times >= len(lines) - 2 and len(lines) > 3  # one header, one trailer
    body = [line for line in lines if line[:1] == kind] if special else lines
    widths = _widths(body, encoding)
    columns: dict[str, list[str]] = {}
    start = 0
    for number, width in enumerate(widths, 1):
        values = [line[start : start + width].decode(encoding, "replace").strip("　 ") for line in body]
        columns[f"項目{number}"] = values
        start += width
    more: tuple[str, ...] = (
        "the fields' limits are where all lines change kind: set them by the file's specification",
    )
    if special:
        more += ("first or last lines differ: they may be a header and a trailer (docs: fixed-width)",)
    newline = "crlf" if crlf else "lf"
    return Sample("fixed_width", encoding, columns=columns, widths=widths, newline=newline, doubts=(*doubts, *more))


def _widths(lines: list[bytes], encoding: str) -> tuple[int, ...]:
    kinds = [_kinds(line, encoding) for line in lines]
    length = len(lines[0])
    cuts = [0]
    for place in range(1, length):
        here, before = {each[place] for each in kinds}, {INSIDE.get(each[place - 1], each[place - 1]) for each in kinds}
        inside = bool(INSIDE.keys() & here)
        after_filling = " " in before and " " not in here
        changed = len(here) == len(before) == 1 and here != before and " " not in before | here
        if not inside and (after_filling or changed):
            cuts.append(place)
    return tuple(end - start for start, end in zip(cuts, [*cuts[1:], length], strict=True))


def _kinds(line: bytes, encoding: str) -> str:
    """Return a sign for each byte: 9 a digit, a another letter, k a wide one, + its other bytes, blank for filling."""
    made = []
    for sign in line.decode(encoding, "replace"):
        size = len(sign.encode(encoding, "replace"))
        if sign in " 　":
            kind = "_" if sign == "　" else " "
        elif sign.isascii() and sign.isdigit():
            kind = "9"
        else:
            kind = "a" if size == 1 else "k"
        made.append(kind + ("~" if kind == "_" else "+") * (size - 1))
    whole = re.sub(r"(?<=k\+)_~(?=k)", "k+", "".join(made))  # one wide blank parts a family name from a given one
    return whole.replace("_", " ").ljust(len(line))[: len(line)]
