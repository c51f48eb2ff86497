"""The fields of one kind of record in a fixed-width file: cut out of its bytes, and laid out into them.

Widths count bytes or characters. Text is never cut inside a character, nor between a character and the marks that
belong to it; numbers and dates are never cut at all.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from hub.adapters.tabular import cell, stranger
from hub.errors import Malformed
from hub.settings.layouts import Layout, LayoutField

BLANK = " 　"
DIGITS = 100  # of a number, far more than any width


class Fields:
    """The fields of a header, record or trailer, in order."""

    def __init__(self, layout: Layout, fields: Sequence[LayoutField]) -> None:
        self.fields = tuple(fields)
        self.encoding = "utf-8" if layout.encoding == "utf-8-sig" else layout.encoding
        self._by_bytes = layout.widths == "bytes"
        self._overflow = layout.overflow
        ends = [sum(field.width for field in fields[: index + 1]) for index in range(len(fields))]
        self._slices = [slice(end - field.width, end) for field, end in zip(fields, ends, strict=True)]
        self.width = ends[-1] if ends else 0

    # --- reading -----------------------------------------------------------------------------------------------

    def read(self, body: bytes) -> dict[str, str]:
        """Return the named fields of a record without its line break; raises `Malformed`.

        Codes: `layout-length`, `layout-encoding`, `layout-constant`, `layout-number`.
        """
        values: dict[str, str] = {}
        for field, text in zip(self.fields, self._parts(body), strict=True):
            value = self._read(field, text)
            if field.name:
                values[field.name] = value
        return values

    def number(self, body: bytes, field: LayoutField) -> int:
        """Return the digits of one number field, its sign before them, without a decimal point; blanks are 0."""
        part = self._whole(body)[self._slices[self.fields.index(field)]]
        return _digits(field, part.decode(self.encoding, "replace") if isinstance(part, bytes) else part) or 0

    def _parts(self, body: bytes) -> list[str]:
        whole = self._whole(body)
        cut = [(field, whole[part]) for field, part in zip(self.fields, self._slices, strict=True)]
        return [text if isinstance(text, str) else self._decode(text, _shown(field)) for field, text in cut]

    def _whole(self, body: bytes) -> bytes | str:
        """Return what widths count in, of the right length."""
        whole: bytes | str = body if self._by_bytes else self._decode(body, "the record")
        if len(whole) != self.width:
            unit = "bytes" if self._by_bytes else "characters"
            raise Malformed(f"the record has {len(whole)} {unit}, the layout {self.width}", code="layout-length")
        return whole

    def _decode(self, raw: bytes, what: str) -> str:
        try:
            return raw.decode(self.encoding)
        except UnicodeDecodeError as error:
            shown = raw[error.start : error.end].hex(" ").upper()
            raise Malformed(f"{what}: the bytes {shown} are no {self.encoding}", code="layout-encoding") from None

    def _read(self, field: LayoutField, text: str) -> str:
        if field.constant is not None:
            if text.strip(BLANK) != field.constant.strip(BLANK):
                message = f"{_shown(field)} is {text.strip(BLANK)!r}, and must be {field.constant!r}"
                raise Malformed(message, code="layout-constant")
            return field.constant
        if field.is_number:
            digits = _digits(field, text)
            return "" if digits is None else _pointed(digits, field.decimals)
        filling = BLANK if field.filling in BLANK else field.filling
        stripped = text.lstrip(filling) if field.is_right else text.rstrip(filling)
        if field.type == "date" and not stripped.strip(BLANK + "0"):
            return ""
        return stripped

    # --- writing -----------------------------------------------------------------------------------------------

    def write(self, values: Sequence[Any]) -> tuple[bytes, list[str]]:
        """Return a record without its line break, and what was cut; raises `Malformed` naming the field.

        Codes: `unencodable`, `layout-sign`, `layout-number`, `layout-overflow`.
        """
        cut: list[str] = []
        parts = [self._write(field, value, cut) for field, value in zip(self.fields, values, strict=True)]
        return b"".join(parts), cut

    def _write(self, field: LayoutField, value: Any, cut: list[str]) -> bytes:
        text = _number_text(field, value) if field.is_number else cell(value)
        if lacks := stranger(text, self.encoding):
            raise Malformed(f"{lacks} in {_shown(field)} is not in {self.encoding}", code="unencodable")
        if any(unicodedata.category(sign) == "Cc" for sign in text):
            raise Malformed(f"a line break or another control sign stands in {_shown(field)}", code="layout-sign")
        if self._size(text) > field.width:
            if (field.overflow or self._overflow) == "reject" or field.is_number or field.type == "date":
                unit = "bytes" if self._by_bytes else "characters"
                message = f"{_shown(field)} has room for {field.width} {unit}, the value takes {self._size(text)}"
                raise Malformed(message, code="layout-overflow")
            text = self._cut(text, field.width)
            cut.append(field.name)
        return self._fill(field, text)

    def _size(self, text: str) -> int:
        return len(text.encode(self.encoding)) if self._by_bytes else len(text)

    def _cut(self, text: str, width: int) -> str:
        """Return as much of a text as has room, whole characters with the marks that belong to them."""
        end = len(text)
        while self._size(text[:end]) > width:
            end -= 1
        while end and _belongs_before(text[end]):
            end -= 1
        return text[:end]

    def _fill(self, field: LayoutField, text: str) -> bytes:
        """Return the text with its filling; where a wide filling does not come out even, a space makes it so."""
        one = self._size(field.filling)
        count, odd = divmod(field.width - self._size(text), one)
        spaces, filling = " " * odd, field.filling * count
        digits = text[1:] if text.startswith("-") and field.filling == "0" else text
        sign = text[: len(text) - len(digits)]
        whole = f"{spaces}{sign}{filling}{digits}" if field.is_right else f"{text}{filling}{spaces}"
        return whole.encode(self.encoding)


def _shown(field: LayoutField) -> str:
    return f"`{field.name}`" if field.name else f"the filling ({field.place})"


def _belongs_before(sign: str) -> bool:
    """Say whether a character is a mark on the one before it: variation selectors, voicing marks, accents."""
    return bool(unicodedata.combining(sign)) or "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef"


def _digits(field: LayoutField, text: str) -> int | None:
    """Return a number without its decimal point, None for blanks. Raises `Malformed`."""
    bare = text.strip(BLANK)
    sign = ""
    if field.signed and bare[:1] in ("+", "-"):
        sign, bare = bare[0], bare[1:]
    elif field.signed and bare[-1:] in ("+", "-"):
        sign, bare = bare[-1], bare[:-1]
    if field.filling not in BLANK + "0":
        bare = bare.lstrip(field.filling) if field.is_right else bare.rstrip(field.filling)
    if not bare and not sign:
        return None
    if not (bare.isascii() and bare.isdigit() and len(bare) <= DIGITS):
        raise Malformed(f"{_shown(field)} is no number: {text!r}", code="layout-number")
    return -int(bare) if sign == "-" else int(bare)


def _pointed(digits: int, decimals: int) -> str:
    """Return a number as text with its decimal point."""
    if not decimals:
        return str(digits)
    text = f"{abs(digits):0{decimals + 1}d}"
    return f"{'-' if digits < 0 else ''}{text[:-decimals]}.{text[-decimals:]}"


def _number_text(field: LayoutField, value: Any) -> str:
    """Return the digits of a value; nothing for an absent one. Raises `Malformed`."""
    if value is None or value == "":
        return ""
    try:
        if isinstance(value, bool):
            raise ValueError  # noqa: TRY301, TRY004 — Python counts true as 1
        number = Decimal(str(value)).scaleb(field.decimals)
        if not number.is_finite() or number.adjusted() > DIGITS or number != number.to_integral_value():
            raise ValueError  # noqa: TRY301
    except (InvalidOperation, ValueError):
        message = f"{_shown(field)} takes numbers with {field.decimals} decimals, not {cell(value)[:40]!r}"
        raise Malformed(message, code="layout-number") from None
    if number < 0 and not field.signed:
        raise Malformed(f"{_shown(field)} is not `signed`, and the value is negative", code="layout-number")
    return str(int(number))
