"""The parts of the OpenAPI description that the routes' signatures cannot say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hub.server import problems
from hub.server.cloudevents import BATCH, STRUCTURED

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

PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"description": "Malformed; `errors` lists the wrong parts", "content": _PROBLEM},
    401: {"description": "No token, or one that is unknown or revoked", "content": _PROBLEM},
    503: {"description": "Kafka or the ledger is away; repeat after `Retry-After` seconds", "content": _PROBLEM},
}
NOT_YET: dict[int | str, dict[str, Any]] = {501: {"description": "Reserved: not there yet", "content": _PROBLEM}}
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
    "responses": {
        "202": {
            "description": "Kafka has all events; `duplicates` were known already, as far as could be told. An id used "
            "before for other content is among `accepted`, and its event goes to quarantine (`id-reused`)",
            "content": {
                "application/json": {"schema": {"type": "object", "properties": {"accepted": _IDS, "duplicates": _IDS}}}
            },
        },
        "403": {"description": "The source is another system's", "content": _PROBLEM},
        "413": {"description": "An event above 256 KiB, or a body too long", "content": _PROBLEM},
        "415": {"description": "Not a content type of CloudEvents in JSON", "content": _PROBLEM},
    },
}


HOOK: dict[int | str, dict[str, Any]] = {
    202: {
        "description": "All of it is safe. `quarantined` rows could not become events and wait for a person; "
        "of `waiting` ones (absent: none) a person says who they are about",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "accepted": _IDS,
                        "quarantined": {"type": "integer"},
                        "repeated": {"type": "boolean"},
                        "waiting": {"type": "integer"},
                    },
                }
            }
        },
    },
    401: {
        "description": "The signature does not prove who calls, or its time is too far from ours",
        "content": _PROBLEM,
    },
    404: {"description": "No source of that name is called", "content": _PROBLEM},
    409: {"description": "Another call had this id", "content": _PROBLEM},
}

FEED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Deliveries in order; `closed` says why nothing is handed out now",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "items": {"type": "array", "items": _CLOUDEVENT},
                        "next": {"type": "integer", "description": "for `after`, and for `cursor` of `…/ack`"},
                        "closed": {"type": "object"},
                    },
                }
            }
        },
    },
    403: {"description": "The token is another system's", "content": _PROBLEM},
    404: {"description": "The system has no feed", "content": _PROBLEM},
}
ACK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "What was taken, up to a place of the feed or by delivery keys, and what is refused for good.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
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
                    "additionalProperties": False,
                }
            }
        },
    },
    "responses": {
        "200": {
            "description": "How many were delivered, refused, or had been before; keys that the feed does not know;"
            " `settled`: what comes next for the same residents is on offer",
        },
        "403": {"description": "The token is another system's", "content": _PROBLEM},
        "404": {"description": "The system has no feed", "content": _PROBLEM},
    },
}

REPLAY_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Which of the caller's deliveries: their keys, or the filters of `/v1/deliveries`.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
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
                    "additionalProperties": False,
                }
            }
        },
    },
    "responses": {"200": {"description": "What the job would do; nothing has begun"}},
}


def _body(description: str, properties: dict[str, Any], answer: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {
        "requestBody": {"description": description, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {"description": answer, "content": {"application/json": {"schema": {"type": "object"}}}},
            "403": {"description": "The token is another system's", "content": _PROBLEM},
            "404": {"description": "No queue, or no such job", "content": _PROBLEM},
            "409": {"description": "The lease is not the caller's any more", "content": _PROBLEM},
        },
    }


_LEASE = {"lease": {"type": "string", "description": "as claimed; without it the caller speaks for whoever has it"}}
CLAIM_BODY = _body(
    "May be left out.",
    {
        "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 1},
        "lease": {"type": "integer", "minimum": 10, "maximum": 86_400, "description": "seconds"},
        "receiver": {"type": "string", "description": "one of the system's queues; else all of them"},
    },
    "`jobs`: each with `job`, `lease`, `until`, `attempt`, `receiver`, `key`, `type`, `action`, `event`",
)
BEAT_BODY = _body("May be left out.", {**_LEASE, "seconds": {"type": "integer"}}, "`until` when the lease lasts")
COMPLETE_BODY = _body("May be left out.", _LEASE, "The delivery is confirmed")
FAIL_BODY = _body(
    "May be left out.",
    {
        **_LEASE,
        "class": {"enum": ["transient", "rejected"], "default": "transient"},
        "code": {"type": "string", "pattern": "[a-z0-9][a-z0-9-]{0,39}"},
        "message": {"type": "string", "description": "200 characters are kept: nothing of a resident"},
        "retry_after": {"type": "integer", "description": "seconds"},
    },
    "It is offered again, or it is a dead letter",
)


def parameters(names: Iterable[str]) -> dict[str, Any]:
    """Return the description of optional query parameters."""
    return {"parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]}
