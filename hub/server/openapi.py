"""The parts of the OpenAPI description that the routes' signatures cannot say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.server import problems
from hub.server.cloudevents import BATCH, STRUCTURED

Responses = dict[int | str, dict[str, Any]]

_CLOUDEVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "type", "subject", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "maxLength": 500},
        "source": {"type": "string", "description": "`/systems/<system>` of the token; may be left out"},
        "type": {"type": "string", "description": "short (`resident.moved`) or as on the wire"},
        "subject": {"type": "string", "maxLength": 200, "description": "the resident's number"},
        "time": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "description": "the type's fields"},
    },
    "additionalProperties": {"type": ["string", "integer", "boolean"]},
}
_IDS = {"type": "array", "items": {"type": "string"}}
_PROBLEM = {problems.CONTENT_TYPE: {"schema": problems.SCHEMA}}
_SAID = {
    400: "Malformed; `errors` lists the wrong parts",
    401: "No token, or one that is unknown or revoked",
    403: "The token is another system's",
    404: "Not there, or not the caller's",
    408: "The body came too slowly",
    409: "The lease is not the caller's any more",
    413: "The body is too long",
    415: "Not a content type of CloudEvents in JSON",
    501: "Reserved: not there yet",
    503: "Kafka or the ledger is away; repeat after `Retry-After` seconds",
}


def refusals(*statuses: int, **said: str) -> Responses:
    """Return the description of answers that are problems; `said` has other words for some (`_404="…"`)."""
    words = {**dict.fromkeys(statuses, ""), **{int(name[1:]): text for name, text in said.items()}}
    return {status: {"description": text or _SAID[status], "content": _PROBLEM} for status, text in words.items()}


OTHERWISE: Responses = {"default": {"description": "Anything else", "content": _PROBLEM}}
PROBLEMS = refusals(400, 401, 503)  # of every call but reserved ones
BODY = refusals(408, 413)  # of a call with a body
FETCHED = refusals(403, _404="The system has none of that name")  # of feeds and queues
LEASED = FETCHED | refusals(409)
HOOK = BODY | refusals(
    _401="The signature does not prove who calls, or its time is too far from ours",
    _404="No source of that name is called",
    _409="Another call had this id",
)
EVENTS = BODY | refusals(415, _403="The source is another system's", _413="An event above 256 KiB, or a body too long")


def _body(description: str, properties: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": required, "description": description, "content": content}}


EVENTS_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Binary mode carries the attributes in `ce-` headers, and `data` as the body.",
        "content": {
            STRUCTURED: {"schema": _CLOUDEVENT},
            BATCH: {"schema": {"type": "array", "items": _CLOUDEVENT}},
            "application/json": {"schema": {}},
        },
    },
}
HOOK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "What the source's `format` says; it is signed as `webhook` of the source says.",
        "content": {"*/*": {"schema": {}}},
    },
}
ACK_BODY = _body(
    "What was taken, up to a place of the feed or by delivery keys, and what is refused for good.",
    {
        "cursor": {"type": "integer", "description": "the `next` of an answer"},
        "keys": _IDS,
        "refused": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["key"],
                "properties": {name: {"type": "string"} for name in ("key", "code", "message")},
            },
        },
        "receiver": {"type": "string"},
    },
    required=True,
)
REPLAY_BODY = _body(
    "Which of the caller's deliveries: their keys, or the filters of `/v1/deliveries`.",
    {
        "deliveries": _IDS,
        "status": _IDS,
        "type": _IDS,
        **{name: {"type": "string"} for name in ("resident", "batch", "since", "until", "error")},
        "rules": {"enum": ["then", "now"]},
        "rate": {"type": "number", "description": "deliveries a second"},
        "even_if_stale": {"type": "boolean"},
        "dry_run": {"type": "boolean"},
        "reason": {"type": "string"},
    },
    required=True,
)
_LEASE = {"lease": {"type": "string", "description": "as claimed; without it the caller speaks for whoever has it"}}
CLAIM_BODY = _body(
    "May be left out.",
    {
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
        "lease": {"type": "integer", "minimum": 10, "maximum": 86_400, "description": "seconds"},
        "receiver": {"type": "string", "description": "one of the system's queues; else all of them"},
    },
)
BEAT_BODY = _body("May be left out.", {**_LEASE, "seconds": {"type": "integer"}})
COMPLETE_BODY = _body("May be left out.", _LEASE)
FAIL_BODY = _body(
    "May be left out.",
    {
        **_LEASE,
        "class": {"enum": ["transient", "rejected"], "default": "transient"},
        "code": {"type": "string", "pattern": "[a-z0-9][a-z0-9-]{0,39}"},
        "message": {"type": "string", "description": "200 characters are kept: nothing of a resident"},
        "retry_after": {"type": "integer", "description": "seconds"},
    },
)


def parameters(queries: Iterable[str], paths: Iterable[str] = ()) -> dict[str, Any]:
    """Return the description of optional query parameters, and of path parameters that no signature names."""
    text = {"schema": {"type": "string"}}
    named = [{"name": name, "in": "path", "required": True, **text} for name in paths]
    return {"parameters": named + [{"name": name, "in": "query", **text} for name in queries]}
