"""What pydantic refuses, in words of our own: what the value is, and the mend."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hub.settings.secret import Secret

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

KINDS = {  # the beginning of pydantic's name for a refusal: what is wanted, and the mend
    "int": ("must be a whole number", "write digits alone, without quotes"),
    "float": ("must be a number", "write a number, without quotes"),
    "bool": ("must be true or false", "write true or false, without quotes"),
    "list": ("must be a list", "write it in brackets: [...]"),
    "tuple": ("must be a list", "write it in brackets: [...]"),
    "dict": ("must be a mapping", "write `name: value` lines, or {name: value}"),
    "model": ("must be a mapping", "write `name: value` lines, or {name: value}"),
}
EXAMPLES = {"%": '"5%"', "[0-5]": '"19:00"', "^https?://": "https://…", "socks5": "http://proxy.example:8080"}
_MEND = re.compile(r"(?:; |: )(?=(?:add|end|give|name|quote|use|write) )")  # after what is wrong stands what to do
_NEEDED = re.compile(r"(?:\bneeds|\bneed) (`[^`]+`(?:, `[^`]+`)*)")


def refusal(detail: ErrorDetails, raw: str = "") -> tuple[str, str]:
    """Return what is wrong with a value, and the mend; `raw` is the value as it is written. No secret is repeated."""
    value, kind = detail["input"], detail["type"]
    if wanted := KINDS.get(kind.partition("_")[0]):
        return wanted
    if kind == "string_type":
        return "must be text", f'put it in quotes: "{raw or value}"' if isinstance(value, int | float) else "write one"
    if kind.endswith("too_short") and not value:
        return "is empty", "write one"
    hidden = isinstance(value, Secret | dict | list) or "://" in str(value)  # an address may hold a password
    shown = "that" if hidden else f"`{value}`"
    return f"cannot be {shown}", _way(kind, detail["msg"], detail.get("ctx", {}))


def _way(kind: str, message: str, bounds: dict[str, Any]) -> str:
    match kind:
        case "literal_error":
            return "write one of: " + str(bounds["expected"]).replace("'", "").replace(" or ", ", ")
        case "string_pattern_mismatch":
            example = next((text for sign, text in EXAMPLES.items() if sign in bounds["pattern"]), "")
            return f"write it like {example}" if example else f"it is written as the pattern {bounds['pattern']} says"
        case "too_short" | "string_too_short":
            return f"write at least {bounds['min_length']}"
        case "too_long" | "string_too_long":
            return f"write at most {bounds['max_length']}"
        case "value_error":
            return str(bounds["error"])
    bound = "it is" if kind.startswith(("greater", "less")) else "it should be"
    return message.replace("Input should be", bound)


def said(text: str) -> tuple[str, str]:
    """Return the two parts of a refusal that a validator put into words: what is wrong, and the mend."""
    wrong, *mend = _MEND.split(text, maxsplit=1)
    if mend:
        return wrong, mend[0]
    if _MEND.match(f"; {text}"):
        return "is not written right", text
    needed = _NEEDED.search(text)
    return text, f"write {needed[1]}" if needed else ""
