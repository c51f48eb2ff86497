"""Unquoted YAML scalars, judged as they are written, before any conversion (YAML 1.2 core schema).

`on`, `yes`, `no` and dates are text. What other readers silently turn into something else is refused with the mend:
numbers with a leading zero (PyYAML reads `0123` as 83) and times (PyYAML reads `19:00` as 1140).
"""

from __future__ import annotations

import re

Scalar = str | int | float | bool | None

WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
STARTS_NUMBER = frozenset("0123456789+-.")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?", re.ASCII)
CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?", re.ASCII)
INTEGER = re.compile(r"[-+]?[0-9]+", re.ASCII)
OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
REAL = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
LONGEST_NUMBER = 18  # digits that surely fit a signed 64-bit integer


class Refused(ValueError):  # noqa: N818 — an answer about one scalar, not an error of the program
    """An unquoted scalar that different readers take for different things; `mend` says how to write it."""

    def __init__(self, message: str, mend: str) -> None:
        super().__init__(message)
        self.mend = mend


def check_written(text: str) -> None:
    """Raise `Refused` for an unquoted scalar that must not be guessed at: `0123`, `19:00`, a number beyond 64 bits."""
    if LEADING_ZERO.fullmatch(text):
        raise Refused(f"`{text}` is a number with a leading zero, which would be lost", f'put it in quotes: "{text}"')
    if CLOCK.fullmatch(text):
        raise Refused(f"`{text}` is a time without quotes", f'put it in quotes: "{text}"')
    if len(text) > LONGEST_NUMBER and (INTEGER.fullmatch(text) or HEXADECIMAL.fullmatch(text) or OCTAL.fullmatch(text)):
        raise Refused(f"`{text[:20]}…` is too long for a number", "put it in quotes, so that it stays text")


def resolve(text: str) -> Scalar:
    """Return the value of an unquoted scalar by the core schema of YAML 1.2 (section 10.3.2); raise `Refused`."""
    if text in WORDS:
        return WORDS[text]
    if text[0] not in STARTS_NUMBER:
        return text
    check_written(text)
    if INTEGER.fullmatch(text):
        return int(text)
    if OCTAL.fullmatch(text) or HEXADECIMAL.fullmatch(text):
        return int(text, 0)
    return float(text) if REAL.fullmatch(text) else text
