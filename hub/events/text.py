"""Reading JSON strictly, and refusing what databases and other programs cannot carry."""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from hub.errors import Malformed

LARGEST_EVENT = 256 * 1024  # bytes of compact JSON
_DIGITS_AS_ZERO = bytes(ord("0") if chr(byte) in "0123456789" else 0x20 for byte in range(256))
_MANY_DIGITS = b"0" * 19
_LONG_NUMBER = re.compile(rb"[-:,\[\s]\d{19}|^\d{19}")  # in a text it may be, too: then looking closer finds nothing
_QUOTE_ESCAPED = re.compile(rb"\\u0022", re.IGNORECASE)  # written again, it is one sign more
_BOM = b"\xef\xbb\xbf"


def parse(text: bytes) -> Any:
    """Return the JSON value of UTF-8 text; a leading byte order mark is passed over.

    Raises Malformed (`json`), with `line:column` as its place where that is known: not JSON, not UTF-8, a lone
    surrogate, a key that stands twice, a whole number that does not fit 64 bits.
    """
    text = text.removeprefix(_BOM)
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as fault:
        raise _not_json(text, fault) from None
    if _quotes(text) != _quotes(orjson.dumps(value)) or _QUOTE_ESCAPED.search(text):
        _refuse_twins(text)
    if _MANY_DIGITS in text.translate(_DIGITS_AS_ZERO) and _LONG_NUMBER.search(text):
        _refuse_huge_numbers(text)
    return value


def plain_json(value: Any) -> None:
    """Check that a value fits an event: at most 256 KiB, and nothing JSON, Kafka or a database cannot carry.

    Raises Malformed: `too-large`; `text` for U+0000, a lone surrogate, a number beyond 64 bits, too deep a nesting.
    """
    try:
        encoded = orjson.dumps(value)
    except TypeError as fault:
        raise Malformed(f"the event cannot be written as JSON: {fault}", code="text") from None
    if len(encoded) > LARGEST_EVENT:
        raise Malformed(
            f"the event has {len(encoded)} bytes", code="too-large", mend=f"at most {LARGEST_EVENT} bytes are taken"
        )
    if b"\\u0000" in encoded and _has_nul(value):
        raise Malformed("the event holds the character U+0000", code="text", mend="take it out at the source")


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list) and any(_has_nul(part) for part in value)


def _not_json(text: bytes, fault: orjson.JSONDecodeError) -> Malformed:
    try:
        text.decode()
    except UnicodeDecodeError as wrong:
        line = text.count(b"\n", 0, wrong.start) + 1
        column = wrong.start - text.rfind(b"\n", 0, wrong.start)
        mend = "save it as UTF-8"
        return Malformed(f"not UTF-8 at byte {wrong.start + 1}", code="json", place=f"{line}:{column}", mend=mend)
    mend = "correct the text at this place"
    return Malformed(f"not JSON: {fault.msg}", code="json", place=f"{fault.lineno}:{fault.colno}", mend=mend)


def _quotes(text: bytes) -> int:
    """Return how many quotes a text has: what is read and written again has fewer where a key stood twice."""
    return text.count(b'"')


def _refuse_twins(text: bytes) -> None:
    """Raise for a key that an object names twice: nobody can tell which value is meant."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Malformed(f"the key {twice[:100]} stands twice", code="json", mend="leave one of them")
        return made

    try:
        json.loads(text, object_pairs_hook=once)
    except RecursionError:
        raise Malformed("nested too deeply", code="json", mend="nest it less") from None


def _refuse_huge_numbers(text: bytes) -> None:
    """Raise for a whole number the fast parser would silently turn into a rounded one."""

    def whole(digits: str) -> int:
        number = int(digits) if len(digits) < 25 else 2**64
        if not -(2**63) <= number < 2**64:
            raise Malformed("a number has too many digits", code="json", mend="write it in quotes")
        return number

    try:
        json.loads(text, parse_int=whole)
    except RecursionError:
        raise Malformed("nested too deeply", code="json") from None
