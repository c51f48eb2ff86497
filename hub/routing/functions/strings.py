"""CEL's standard extension for strings, as far as one word names it (`format` and `strings.quote` are left out).

Each is called behind the text: `row.電話.split("-")`. Positions are counted in characters (code points) from 0. Source:
https://github.com/google/cel-go/tree/master/ext#strings
"""

from __future__ import annotations

import string
from typing import Any

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def char_at(text: str, at: int) -> str:
    """Return the character at a position; an empty text right behind the last. Raises ValueError beyond."""
    return text[_within(text, at) :][:1]


def index_of(text: str, part: str, start: int = 0) -> int:
    """Return where a part first begins, at `start` or behind it; -1 when it does not. Raises ValueError."""
    return text.find(part, _within(text, start))


def last_index_of(text: str, part: str, start: int = -1) -> int:
    """Return where a part last begins, at `start` or before it; -1 when it does not. Raises ValueError."""
    return text.rfind(part) if start == -1 else text.rfind(part, 0, _within(text, start) + len(part))


def join(parts: list[Any], separator: str = "") -> str:
    """Return the texts of a list as one, with the separator between them. Raises ValueError for what is no text."""
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise ValueError(f"needs a list of texts, not {parts!r}")
    return separator.join(parts)


def lower_ascii(text: str) -> str:
    """Return the text with A to Z in lower case; everything else stays."""
    return text.translate(_LOWER)


def upper_ascii(text: str) -> str:
    """Return the text with a to z in upper case; everything else stays."""
    return text.translate(_UPPER)


def replace(text: str, old: str, new: str, most: int = -1) -> str:
    """Return the text with `old` replaced by `new`, at most so many times from the left (-1: always)."""
    return text.replace(old, new, most)


def reverse(text: str) -> str:
    """Return the text's characters from the last to the first."""
    return text[::-1]


def split(text: str, separator: str, most: int = -1) -> list[str]:
    """Return the parts between separators, at most so many, the last with the rest (-1: all, 0: none).

    An empty separator stands between all characters.
    """
    if most == 0:
        return []
    if separator:
        return text.split(separator, most - 1 if most > 0 else -1)
    alone = len(text) if most < 0 else most - 1
    return [*text[:alone], *filter(None, [text[alone:]])]


def substring(text: str, start: int, end: int | None = None) -> str:
    """Return the characters from `start` up to before `end`, or to the last. Raises ValueError for none such."""
    last = len(text) if end is None else _within(text, end)
    if _within(text, start) > last:
        raise ValueError(f"ends ({last}) before it begins ({start})")
    return text[start:last]


def trim(text: str) -> str:
    """Return the text without spaces at both ends, full-width ones too."""
    return text.strip()


def _within(text: str, at: int) -> int:
    if not 0 <= at <= len(text):
        raise ValueError(f"{text!r} has no position {at}, only 0 to {len(text)}")
    return at
