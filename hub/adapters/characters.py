"""How one system writes: from its characters to the city's when it is read, and back when it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from hub.errors import Malformed
from hub.settings.gaiji import PRIVATE, Glyphs, is_private, named

SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"  # of variations: they belong to the character before them
# One place in JIS, two characters in Unicode: which one a codec takes depends on the codec.
TWINS = ("〜～", "‖∥", "−－", "¢￠", "£￡", "¬￢", "—―", "¦￤", "¥￥", "‾￣")
_TWIN = {one: other for pair in TWINS for one, other in (tuple(pair), tuple(reversed(pair)))}


class Characters:
    """Maps texts of one system; `encoding` is what its sinks write (None: all of Unicode).

    Where Unicode is written, the table's own code goes before the character itself; in any other encoding a character
    that it has stays as it is.
    """

    def __init__(self, glyphs: Glyphs, encoding: str | None = None, show: str | None = None) -> None:
        """Map by a system's tables; `show` stands for what cannot be written (None: it stays, and is refused)."""
        self._glyphs = glyphs
        self._show = show
        self._encoding = None if is_unicode(encoding) else encoding
        longer = sorted((sign for sign in (*glyphs.outward, *glyphs.shrunk) if len(sign) > 1), key=len, reverse=True)
        self._signs = re.compile("|".join([*map(re.escape, longer), f".[{SELECTORS}]*"]), re.DOTALL)
        self._outward = lru_cache(maxsize=65_536)(self._one)

    def inward(self, text: str) -> str:
        """Return a text in the city's characters; raises Malformed (`gaiji`) for a code that no table names."""
        if not is_private(text):
            return text
        unknown = sorted({sign for sign in PRIVATE.findall(text) if sign not in self._glyphs.inward})
        if unknown:
            shown = ", ".join(map(_with_bytes, unknown))
            raise Malformed(
                f"no table says which character {shown} is", code="gaiji", mend="add it to `text: {gaiji: tables/…}`"
            )
        return PRIVATE.sub(lambda found: self._glyphs.inward[found[0]], text)

    def outward(self, text: str) -> tuple[str, list[str]]:
        """Return a text in the system's characters, and those that it does not have."""
        if self.stays(text):
            return text, []
        lost: list[str] = []
        parts = []
        for sign in self._signs.findall(text):
            written, lacking = self._outward(sign)
            parts.append(written)
            if lacking:
                lost.append(sign)
        return "".join(parts), lost

    def stays(self, text: str) -> bool:
        """Say whether a text is surely written as it is."""
        return text.isascii() or (self._encoding is not None and self._has(text) and not is_private(text))

    def _one(self, sign: str) -> tuple[str, bool]:
        """Return how one character is written, and whether it is not what it was."""
        own = self._glyphs.outward.get(sign)
        if own is not None and (self._encoding is None or not self._has(sign)):
            if self._has(own):
                return own, False
        elif self._has(sign) and not is_private(sign):
            return sign, False
        twin = _TWIN.get(sign)
        if twin is not None and self._has(twin):
            return twin, False
        shrunk = self._glyphs.shrunk.get(sign)
        if shrunk is not None:
            written = [self._outward(each) for each in self._signs.findall(shrunk)]
            if not any(lacking for _, lacking in written):
                return "".join(each for each, _ in written), False
        if self._show is None:
            return sign, True
        bare = re.sub(f"[{SELECTORS}]", "", sign)
        return (bare, True) if bare != sign and bare and self._has(bare) else (self._show, True)

    def _has(self, text: str) -> bool:
        if self._encoding is None:
            return True
        try:
            return text.encode(self._encoding).decode(self._encoding) == text
        except UnicodeError:
            return False


def is_unicode(encoding: str | None) -> bool:
    """Say whether an encoding has all of Unicode; so has what names none."""
    return encoding is None or encoding.replace("_", "-").lower().startswith("utf")


def comes_back(raw: bytes, encoding: str) -> bool:
    """Say whether bytes that were read can be made again from their text: of 398 codes of cp932 they cannot."""
    if encoding in {"utf-8", "utf-8-sig"} or raw.isascii():
        return True
    try:
        return raw.decode(encoding).encode(encoding) == raw
    except UnicodeError:
        return False


def changed(value: Any, change: Callable[[str], str]) -> Any:
    """Return a JSON value with every text in it changed; keys stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: changed(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [changed(part, change) for part in value]
    return value


def _with_bytes(sign: str) -> str:
    """Return a private-use character's code, with its cp932 bytes where it has them."""
    try:
        return f"{named(sign)} ({sign.encode('cp932').hex().upper()})"
    except UnicodeEncodeError:
        return named(sign)
