"""What chat services take: the shape and the size of a message, and what their answers mean.

Sources: Slack, incoming webhooks and rate limits; Teams, workflow webhooks with an Adaptive Card (28 KB, four a
second); LINE WORKS API 2.0, `POST /v1.0/bots/{id}/channels/{id}/messages`, texts of at most 2,000 characters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from hub.adapters.http_client import retry_after
from hub.errors import HubError, Rejected, Transient

Json = dict[str, Any]
REFUSED = frozenset({400, 413, 422})  # the message itself; any other refusal is a setting to mend
BLOCK, BLOCKS = 3_000, 50  # Slack: characters of a block, blocks of a message


@dataclass(frozen=True, slots=True)
class Service:
    """One chat service: `body(text)` is a message, `fits(text, body)` whether it may be so long, messages a second."""

    body: Callable[[str], Json]
    fits: Callable[[str, bytes], bool]
    per_second: float


def _slack(text: str) -> Json:
    cuts = [text[start : start + BLOCK] for start in range(0, len(text), BLOCK)]
    blocks = [{"type": "section", "text": {"type": "plain_text", "text": cut}} for cut in cuts]
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": escaped, "blocks": blocks}


def _teams(text: str) -> Json:
    # Runs of text, since a TextBlock would read a value of ours as Markdown.
    lines = [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line or " "}]} for line in text.split("\n")
    ]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": lines,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


SERVICES: dict[str, Service] = {
    "webhook": Service(lambda text: {"text": text}, lambda _, body: len(body) <= 256 * 1024, 10.0),
    "slack": Service(_slack, lambda text, _: len(text) <= BLOCK * BLOCKS, 1.0),
    "teams": Service(_teams, lambda _, body: len(body) <= 28 * 1024, 4.0),
    "line-works": Service(
        lambda text: {"content": {"type": "text", "text": text}}, lambda text, _: len(text) <= 2_000, 4.0
    ),
}


def message(service: Service, text: str) -> bytes | None:
    """Return the body of a message, None when it is too long for the service."""
    body = orjson.dumps(service.body(text))
    return body if service.fits(text, body) else None


def judge(answer: httpx.Response) -> HubError | None:
    """Return None for what was posted, else what follows.

    Only what is wrong with the message is refused for good: a channel that is gone, a bot that may not write there or a
    key that has run out are settings to mend, and their messages wait.
    """
    status = answer.status_code
    if 200 <= status < 300:
        return None
    if status in REFUSED:
        return Rejected(f"HTTP {status}: the message is refused", code=f"http-{status}")
    wait = retry_after(answer)
    if wait is None and (reset := answer.headers.get("ratelimit-reset", "")).isdecimal():
        wait = float(reset)
    return Transient(f"HTTP {status}", retry_after=wait, reached=True, code=f"http-{status}")
