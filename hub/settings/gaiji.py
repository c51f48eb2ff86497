"""A system's own characters (外字): tables that say which character of the city each private-use code is.

A code is `U+E000`, or the bytes of cp932 and Shift_JIS, `F040` to `F9FC`, which are U+E000 to U+E757. A value is the
character itself, `U+9AD9`, `U+845B U+E0100` (an ideographic variation), or `MJ006800`, which the table `mj` resolves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.settings.models import Characters, City, TableRow

PRIVATE = re.compile("[\ue000-\uf8ff\U000f0000-\U000ffffd\U00100000-\U0010fffd]")
_POINT = re.compile(r"[Uu]\+([0-9A-Fa-f]{4,6})")
_BYTES = re.compile(r"(?:0x)?([Ff][0-9])([4-9A-Fa-f][0-9A-Fa-f])")
_MJ = re.compile(r"MJ[0-9]{6}")
ROW = 188  # codes of one lead byte


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What a system's characters are: `inward` from its private use to the city's, `outward` back.

    `shrunk` says which character stands for one that an encoding lacks (縮退). `wrong` lists the lines that say
    nothing: the row, what is wrong, the mend.
    """

    inward: Mapping[str, str] = field(default_factory=dict)
    outward: Mapping[str, str] = field(default_factory=dict)
    shrunk: Mapping[str, str] = field(default_factory=dict)
    wrong: tuple[tuple[TableRow, str, str], ...] = ()


def is_private(text: str) -> bool:
    """Say whether a text holds a private-use character, of which nobody else knows what it is."""
    return PRIVATE.search(text) is not None


def named(sign: str) -> str:
    """Return a character's code points, `U+9AD9` or `U+845B U+E0100`."""
    return " ".join(f"U+{ord(each):04X}" for each in sign)


def private_use(code: str) -> str:
    """Return the private-use character of a code; raises ValueError."""
    code = code.strip()
    if found := _POINT.fullmatch(code):
        sign = chr(int(found[1], 16))
        if is_private(sign):
            return sign
        raise ValueError(f"`{code}` is no private-use character")
    if found := _BYTES.fullmatch(code):
        lead, trail = int(found[1], 16), int(found[2], 16)
        if trail != 0x7F and trail <= 0xFC:
            return chr(0xE000 + (lead - 0xF0) * ROW + trail - 0x40 - (trail > 0x7F))
    raise ValueError(f"`{code}` is neither U+E000 … nor cp932's F040 to F9FC")


def _sign(point: str) -> str:
    number = int(point.upper().replace("U+", "0x"), 0)
    if number > 0x10FFFF:
        raise ValueError(f"`{point}` is beyond Unicode")
    return chr(number)


def character(value: str, mj: Mapping[str, str]) -> str:
    """Return the character or variation sequence that a value means; raises ValueError."""
    value = value.strip()
    if _MJ.fullmatch(value):
        if value not in mj:
            raise ValueError(f"`{value}` is not in the table `mj`")
        value = mj[value].strip()
    parts = value.split()
    if parts and all(_POINT.fullmatch(part) for part in parts):
        value = "".join(_sign(part) for part in parts)
    if not value or is_private(value) or any("\ud800" <= sign <= "\udfff" or sign < " " for sign in value):
        raise ValueError(f"`{value}` is no character that others know")
    return value


def glyphs(said: Characters, tables: Mapping[str, tuple[TableRow, ...]]) -> Glyphs:
    """Return what a system's tables say; a table that is not there says nothing."""
    rows = {key: tables.get(name, ()) for key, name in said.tables.items()}
    mj = {row.code.strip(): row.value for row in rows.get("mj", ())}
    wrong: list[tuple[TableRow, str, str]] = []
    inward: dict[str, str] = {}
    outward: dict[str, str] = {}
    for row in rows.get("gaiji", ()):
        try:
            sign, meant = private_use(row.code), character(row.value, mj)
        except ValueError as error:
            wrong.append((row, str(error), "write U+E000 or F040 as code; as value a character, U+9AD9, or MJ006800"))
            continue
        inward.setdefault(sign, meant)
        outward.setdefault(meant, sign)  # of several codes for one character, the first is written
    return Glyphs(inward, outward, _shrunk(rows.get("shrink", ()), mj, wrong), tuple(wrong))


def _shrunk(rows: Iterable[TableRow], mj: Mapping[str, str], wrong: list[tuple[TableRow, str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows:
        try:
            found.setdefault(character(row.code, mj), character(row.value, mj))
        except ValueError as error:
            wrong.append((row, str(error), "write characters, U+9AD9, or MJ006800, on both sides"))
    return found


def own_tables(city: City) -> frozenset[str]:
    """Return the tables that hold characters, not codes that rules look up."""
    texts = [system.text for system in city.systems.values()]
    texts += [source.text for system in city.systems.values() for source in system.sources.values()]
    return frozenset(name for text in texts if text is not None for name in text.tables.values())
