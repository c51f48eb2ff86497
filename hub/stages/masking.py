"""What errors say, without what was sent: an adapter or a system may quote a resident's data in its words.

Errors are kept, listed and logged; a payload is shown with what it may show. So whatever stands in a delivery's data
is taken out of the words of its error.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from hub.adapters.contract import Delivery
from hub.errors import HubError

HIDDEN = "＊"
NOTE = 200  # characters that are kept of what a system says of a delivery
SHORTEST = 4  # characters of an ASCII text that is taken out; of any other, half as many


def masked(text: str, deliveries: Iterable[Delivery]) -> str:
    """Return a text with every longer value of the deliveries' data taken out, also as JSON or in a URL."""
    return _without([one.data for one in deliveries], text) if text else text


def _without(data: Any, text: str) -> str:
    values = {form for value in _texts(data) for form in _forms(value)}
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return text


def note_of(text: str, *data: Any) -> str:
    """Return what a system says of a delivery as it is kept: in one line of at most `NOTE` characters.

    What stands in the delivery's `data` is taken out, as it was planned and as the system has it.
    """
    return " ".join(_without(data, text).split())[:NOTE]  # in this order: half a value would not be found


def mask(error: HubError, deliveries: Iterable[Delivery]) -> HubError:
    """Take what was sent out of an error's words, and return it."""
    known = list(deliveries)
    error.message, error.mend, error.place = (masked(each, known) for each in (error.message, error.mend, error.place))
    error.args = (error.message,)
    return error


def named(error: BaseException) -> str:
    """Return an error's kind and where it arose, for people: its own words may hold anything."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return type(error).__name__ + where


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)


def _forms(value: str) -> Iterator[str]:
    if len(value) < (SHORTEST if value.isascii() else SHORTEST // 2):
        return
    yield value
    yield " ".join(value.split())  # as who quotes it may have it
    if not value.isascii():
        yield value.encode("ascii", "backslashreplace").decode()
        yield quote(value)
