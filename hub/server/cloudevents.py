"""CloudEvents in HTTP requests: structured, batched and binary content mode.

Source: CloudEvents 1.0.2, HTTP protocol binding. Plain `application/json` is taken as structured, an array as a batch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

from hub.errors import Malformed
from hub.events.envelope import parse
from hub.server.problems import Problem

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
_JSON = re.compile(r"[a-z0-9.+-]+/([a-z0-9.-]+\+)?json")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,15}")


def documents(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> tuple[list[Any], bool]:
    """Return the events of a request as read from JSON, not yet checked, and whether they came as a batch.

    `headers` are raw, names in lower case. Raises `Problem` (415) and `Malformed` (`json`, `attribute`).
    """
    named = dict(headers)
    content_type = named.get(b"content-type", b"").decode("latin-1")
    media = content_type.partition(";")[0].strip().lower()
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise _unsupported(f"the charset {charset[1]}")
    binary = b"ce-specversion" in named or b"ce-type" in named
    if media in {STRUCTURED, BATCH} or (media == "application/json" and not binary):
        value = parse(body)
        if media == "application/json" and isinstance(value, dict) and "specversion" not in value:
            mend = f"send an event as {STRUCTURED}, or its attributes as ce-* headers beside its data"
            raise Malformed("the ce-* headers are missing, or the body is no CloudEvent", code="attribute", mend=mend)
        return _structured(media, value)
    if binary and _JSON.fullmatch(media):
        return [_binary(named, media, body)], False
    raise _unsupported(f"the content type {media}" if media else "a body without content type")


def _structured(media: str, value: Any) -> tuple[list[Any], bool]:
    if media == BATCH and not isinstance(value, list):
        raise Malformed("a batch is a JSON array of events", code="json", mend=f"send one event as {STRUCTURED}")
    if isinstance(value, list) and media != STRUCTURED:
        return value, True
    return [value], False


def _binary(headers: dict[bytes, bytes], media: str, body: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {
        name[3:].decode("latin-1"): _decoded(name, value) for name, value in headers.items() if name.startswith(b"ce-")
    }
    if media != "application/json":
        event["datacontenttype"] = media
    sequence = event.get("sequence")
    if sequence is not None and _WHOLE.fullmatch(sequence):
        event["sequence"] = int(sequence)  # headers have no types; the hub's sequences are numbers
    event["data"] = parse(body) if body else None
    return event


def _decoded(name: bytes, value: bytes) -> str:
    try:
        text = value.decode().strip(" \t")
        if _QUOTED.fullmatch(text):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise Malformed(f"{name.decode('latin-1')} is not UTF-8, percent-encoded", code="attribute") from None


def _unsupported(what: str) -> Problem:
    detail = f"{what} is not taken; send {STRUCTURED}, {BATCH}, or binary mode with application/json, in UTF-8"
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers={"Accept-Post": f"{STRUCTURED}, {BATCH}"})
