"""Functions on texts. Names are never normalised by themselves: each change of a text is asked for by name."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import jaconv

HYPHENS = "-‐‑–—―−ー－ｰ"  # what stands for a hyphen between digits, by codec and by hand
_POSTAL = re.compile(rf"\s*〒\s*([0-9０-９]{{3}})\s*[{HYPHENS}]?\s*([0-9０-９]{{4}})(?![0-9０-９])\s*")


def kana(text: str) -> str:
    """Return the text in full-width katakana: half-width kana, hiragana and spaces become full-width katakana."""
    return str(jaconv.hira2kata(jaconv.h2z(text))).replace(" ", "　")


def zenkaku(text: str) -> str:
    """Return the text in full-width characters: kana, letters, digits, signs and spaces."""
    return str(jaconv.h2z(text, kana=True, ascii=True, digit=True))


def hankaku(text: str) -> str:
    """Return the text in half-width characters: katakana, letters, digits, signs, spaces; the rest stays."""
    return str(jaconv.z2h(text, kana=True, ascii=True, digit=True))


def digits(text: Any) -> str:
    """Return the digits of the text, half-width; everything else is dropped."""
    return "".join(str(unicodedata.digit(sign)) for sign in str(text) if sign.isdecimal())


def pad(value: Any, width: int, fill: str = "0") -> str:
    """Return the value as a text of at least `width` characters, filled on the left; a longer one is never cut."""
    if len(fill) != 1:
        raise ValueError("the filling is one character")
    return str(value).rjust(width, fill)


def address(text: str) -> dict[str, str] | None:
    """Return an address `{text, postal_code?}`; a leading 〒 gives the postal code, an empty text null."""
    found = _POSTAL.match(text)
    rest = text[found.end() :] if found else text
    if not rest.strip():
        return None
    if found is None:
        return {"text": text}
    hyphen = "" if re.fullmatch(r"\s*〒\s*\w{7}\s*", found.group()) else "-"
    return {"text": rest, "postal_code": digits(found[1]) + hyphen + digits(found[2])}


def chars(text: str) -> int:
    """Return the number of characters (Unicode code points)."""
    return len(text)


def count_bytes(text: str, encoding: str) -> int:
    """Return the number of bytes the text takes in an encoding (`utf-8`, `cp932` …)."""
    try:
        return len(text.encode(encoding))
    except LookupError:
        raise ValueError(f"there is no encoding {encoding!r}") from None
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[error.start]!r} cannot be written in {encoding}") from None
