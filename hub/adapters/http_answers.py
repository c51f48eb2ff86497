"""What an HTTP answer means: taken, to be tried later, or refused; and the standard's own errors by their names.

Source of E0001 to E0004 and of the 5xx that is no JSON: 共通機能標準仕様書, REST 連携. Nothing of an answer's body is
kept but titles, codes and what a city names (`shows`): it may hold personal data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import orjson
from pydantic import BeforeValidator, Field

from hub.adapters.contract import AdapterSettings
from hub.adapters.http_client import retry_after
from hub.errors import HubError, Rejected, Transient

TEXT_LIMIT = 200  # characters of a text in a refusal that are kept
CODE = re.compile(r"[A-Z][A-Z0-9_.-]{0,19}")  # no number alone: that may be a resident's
LATER = frozenset({401, 403, 407, 408, 425, 429})  # the first three: a key that has run out is a setting to mend
NAMED = {
    "E0001": "a required item is missing",
    "E0002": "a character is not allowed",
    "E0003": "an item has the wrong number of digits",
    "E0004": "items contradict each other",
}


def _status(value: Any) -> str:
    text = str(value).lower()
    whole = text.isdecimal() and 200 <= int(text) <= 599
    if isinstance(value, bool) or not (whole or text in {"2xx", "3xx", "4xx", "5xx"}):
        raise ValueError("write a status such as 409, or a class such as 4xx")
    return text


Status = Annotated[str, BeforeValidator(_status, json_schema_input_type=int | str)]


class StatusSettings(AdapterSettings):
    """What statuses mean where it is not what they usually do: `409`, or a class, `4xx`. The exact one wins."""

    done: list[Status] = Field(default=[], description="Delivered, such as 409 of a service that has it already.")
    transient: list[Status] = Field(default=[], description="To be tried later.")
    rejected: list[Status] = Field(default=[], description="Refused for good.")


@dataclass(frozen=True, slots=True)
class Judgement:
    """Reads answers, by the settings first."""

    settings: StatusSettings
    shows: Sequence[str] = ()

    def of(self, answer: httpx.Response) -> HubError | None:
        """Return None for what was taken, else what follows."""
        meaning = self._meaning(answer.status_code)
        if meaning == "done":
            return None
        code = named(answer) or f"http-{answer.status_code}"
        if meaning == "rejected":
            return Rejected(shown(answer, self.shows), code=code)
        return Transient(shown(answer, self.shows), retry_after=retry_after(answer), reached=True, code=code)

    def _meaning(self, status: int) -> str:
        return self.said(status) or usual(status)

    def said(self, status: int) -> str:
        """Return what the settings say of a status, or nothing."""
        for text in (str(status), f"{status // 100}xx"):
            for meaning in ("done", "transient", "rejected"):
                if text in getattr(self.settings, meaning):
                    return meaning
        return ""


def usual(status: int) -> str:
    """Return what a status means by itself: a redirect is a setting to mend, so it is tried later."""
    if 200 <= status < 300:
        return "done"
    return "transient" if status in LATER or status >= 500 or status < 400 else "rejected"


def named(answer: httpx.Response) -> str:
    """Return the first of the standard's error codes in a 400, or nothing."""
    return next(iter(_codes(answer)), "") if answer.status_code == httpx.codes.BAD_REQUEST else ""


def shown(answer: httpx.Response, shows: Sequence[str] = ()) -> str:
    """Return the status with what may be said of it.

    That is the standard's errors by name, a problem's title (RFC 9457), a `code` that is no number, and of the members
    of a JSON answer those in `shows`, by their paths.
    """
    text = f"HTTP {answer.status_code}"
    document = _document(answer)
    said = [f"{code} {NAMED[code]}" for code in _codes(answer)] if answer.status_code == httpx.codes.BAD_REQUEST else []
    if answer.headers.get("content-type", "").startswith("application/problem+json"):
        said += _texts(document, "title")
    if not said:
        said += [code for code in _texts(document, "code") if CODE.fullmatch(code)]
    for path in shows:
        said += [each for each in _texts(document, path) if each not in said]
    if said:
        text += ": " + "; ".join(said)
    if 300 <= answer.status_code < 400:
        text += ": a redirect; set `url` to the new address"
    return text


def _codes(answer: httpx.Response) -> Sequence[str]:
    errors = _document(answer).get("errors")
    listed = errors if isinstance(errors, list) else []
    codes = [one.get("code") for one in listed if isinstance(one, dict)]
    return list(dict.fromkeys(code for code in codes if code in NAMED))


def _texts(document: Any, path: str) -> list[str]:
    """Return the texts and numbers at a path of names, of each item of a list on the way."""
    found = [document]
    for name in path.split("."):
        found = [each[name] for each in _items(found) if isinstance(each, dict) and name in each]
    texts = [
        str(each)[:TEXT_LIMIT] for each in _items(found) if isinstance(each, str | int) and not isinstance(each, bool)
    ]
    return [text for text in texts if text]


def _items(found: Sequence[Any]) -> list[Any]:
    """Return values, and in the place of a list what is in it."""
    return [item for each in found for item in (each if isinstance(each, list) else [each])]


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        document = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}
