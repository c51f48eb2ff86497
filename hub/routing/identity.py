"""Who a typed or scanned record is about: the number says who it may be, facts say whether it is.

A number without a check digit (宛名番号) that was mistyped is a real other person, so nothing is believed of a number
alone. Facts are compared by search keys, which forgive how a thing is written; what is stored stays as it was.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jaconv

from hub.errors import Malformed
from hub.events.envelope import Event
from hub.routing.functions.dates import wareki

PROVISIONAL = "~"  # begins the subject of somebody nobody has identified: ~<system>:<no>
FACTS = ("kana", "birth_date", "name", "sex", "address")  # of a resident, that a record may be held against
AGREES, DIFFERS, NOT_GIVEN, NOT_KNOWN = "agrees", "differs", "not-given", "not-known"
_SMALL = str.maketrans("ァィゥェォッャュョヮヵヶ", "アイウエオツヤユヨワカケ")
_BARS = re.compile("[‐‑‒–—―−－ｰ-]")  # what is typed for ー
_DROPPED = re.compile("[\\s・･,.､。ʼ'’\ufe00-\ufe0f\U000e0100-\U000e01ef]")

Known = Callable[[str], "Mapping[str, Any] | None"]
"""`known(subject)` returns `facts.resident` of a resident, None for one the hub has never heard of."""


def is_provisional(subject: str) -> bool:
    """Say whether a subject is of somebody nobody has identified."""
    return subject.startswith(PROVISIONAL)


def search_key(name: str, value: Any) -> str:
    """Return what of a fact's value is compared; empty when there is nothing to compare.

    Widths, kana of either kind and of either size, bars, spaces and variation selectors do not count; of an address
    also how 丁目, 番地 and hyphens are written. A date is read in every form `wareki` reads.
    """
    if isinstance(value, Mapping):
        value = value.get("text")
    text = unicodedata.normalize("NFKC", str(value if value is not None else ""))
    if name == "birth_date":
        try:
            return wareki(text) or ""
        except ValueError:
            return ""
    text = _DROPPED.sub("", str(jaconv.hira2kata(text))).casefold()
    if name == "address":
        return re.sub("(?:丁目|番地の?|番|号|[‐‑‒–—―−－ーｰ-])+", "-", text).strip("-")
    return _BARS.sub("ー", text).translate(_SMALL)


def checked(given: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, str]:
    """Return of each fact whether what was given agrees with what is known of the resident."""
    found = {}
    for name, value in given.items():
        key, stored = search_key(name, value), search_key(name, known.get(name))
        found[name] = NOT_GIVEN if not key else NOT_KNOWN if not stored else AGREES if key == stored else DIFFERS
    return found


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A report of somebody whose number is `unknown`, or belongs to one whom too little agrees with (`mismatch`).

    `event` is whole but for its subject, which is `~<system>`; `found` is the resident who has the number, if any;
    `checked` says of each fact whether it agrees, never what it is.
    """

    event: Event
    reason: str
    given: str
    found: str = ""
    checked: dict[str, str] = field(default_factory=dict)
    provisional: bool = False


def refused(reason: str, found: Mapping[str, str], place: str) -> Malformed:
    """Return why a record goes to quarantine; it names facts, never their values."""
    if reason == "unknown":
        return Malformed("nobody has the number that was given", place=place, code="identity-unknown")
    said = ", ".join(f"{name} {how}" for name, how in found.items())
    return Malformed(
        f"the number belongs to somebody else than the record describes: {said}", place=place, code="identity-mismatch"
    )
