"""The work queue over HTTP: robots claim, go on, complete and fail, each with the token of their own system."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from hub.errors import NotFound, UsageError
from hub.events.text import parse
from hub.ledger.work import LeaseLost
from hub.server import openapi, shapes
from hub.server.guard import Caller, body_of
from hub.server.ports import Json, Limits, ServerPorts
from hub.server.problems import Problem

MOST = 100  # pieces of work in one claim
SHORTEST, LONGEST = 10, 86_400  # seconds of a lease
_CODE = re.compile("[a-z0-9][a-z0-9-]{0,39}")


def add(router: APIRouter, ports: ServerPorts, limits: Limits) -> None:
    """Add the calls of the work queue."""

    async def asked(request: Request, caller: str, system: str, known: set[str]) -> Json:
        if caller != system:
            raise Problem(HTTPStatus.FORBIDDEN, f"the token is not one of {system}")
        return _checked(parse(body) if (body := await body_of(request, limits)) else {}, known)

    @router.post(
        "/jobs/{system}/claim",
        summary="Take work from a robot's queue",
        response_model=shapes.Claimed,
        responses={**openapi.BODY, **openapi.FETCHED},
        openapi_extra=openapi.CLAIM_BODY,
    )
    async def claim(system: str, request: Request, caller: Caller) -> Response:
        """Lease what is next, in the order of events and one piece of work of a resident at a time."""
        body = await asked(request, caller, system, {"limit", "lease", "receiver"})
        limit = _whole(body.get("limit", 1), "limit", 1, MOST)
        return await _said(ports.robots.claim, system, limit, _lease(body), _text(body, "receiver", 100))

    @router.post(
        "/jobs/{system}/{job}/heartbeat",
        summary="Go on",
        response_model=shapes.Lasting,
        responses={**openapi.BODY, **openapi.LEASED},
        openapi_extra=openapi.BEAT_BODY,
    )
    async def heartbeat(system: str, job: int, request: Request, caller: Caller) -> Response:
        """Let the lease last from now."""
        body = await asked(request, caller, system, {"lease", "seconds"})
        return await _said(ports.robots.beat, system, job, _text(body, "lease", 100), _lease(body, "seconds"))

    @router.post(
        "/jobs/{system}/{job}/complete",
        summary="Say that a robot's work is done",
        response_model=shapes.Completed,
        responses={**openapi.BODY, **openapi.LEASED},
        openapi_extra=openapi.COMPLETE_BODY,
    )
    async def complete(system: str, job: int, request: Request, caller: Caller) -> Response:
        """Confirm the delivery. It is safe to repeat."""
        body = await asked(request, caller, system, {"lease"})
        return await _said(ports.robots.complete, system, job, _text(body, "lease", 100))

    @router.post(
        "/jobs/{system}/{job}/fail",
        summary="Say that a robot's work failed",
        response_model=shapes.Failed,
        responses={**openapi.BODY, **openapi.LEASED},
        openapi_extra=openapi.FAIL_BODY,
    )
    async def fail(system: str, job: int, request: Request, caller: Caller) -> Response:
        """Have it offered again later (`transient`), or make the delivery a dead letter (`rejected`)."""
        body = await asked(request, caller, system, {"lease", "class", "code", "message", "retry_after"})
        kind = body.get("class", "transient")
        if kind not in {"transient", "rejected"}:
            raise UsageError("`class` is `transient` or `rejected`")
        after = body.get("retry_after")
        wait = None if after is None else _whole(after, "retry_after", 0, LONGEST)
        lease = _text(body, "lease", 100)
        return await _said(ports.robots.fail, system, job, lease, kind=kind, note=_note(body), after=wait)


async def _said(call: Callable[..., Json], *args: Any, **named: Any) -> Response:
    try:
        found = await asyncio.to_thread(call, *args, **named)
    except LeaseLost:
        detail = "the lease is not yours any more: it ran out or was given back; leave this work, and claim again"
        raise Problem(HTTPStatus.CONFLICT, detail) from None
    except NotFound as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
    return Response(orjson.dumps(found), media_type="application/json")


def _checked(body: Any, known: set[str]) -> Json:
    if not isinstance(body, dict):
        raise UsageError("the body is a JSON object", mend="with: " + ", ".join(sorted(known)))
    if unknown := sorted(body.keys() - known):
        raise UsageError(f"no `{unknown[0]}` here", mend="known are: " + ", ".join(sorted(known)))
    return body


def _lease(body: Mapping[str, Any], key: str = "lease") -> float | None:
    value = body.get(key)
    return None if value is None else _whole(value, key, SHORTEST, LONGEST)


def _whole(value: Any, key: str, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise UsageError(f"`{key}` is a whole number from {least} to {most}")
    return value


def _text(body: Mapping[str, Any], key: str, most: int) -> str | None:
    value = body.get(key)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise UsageError(f"`{key}` is a text of at most {most} characters")
    return value


def _note(body: Mapping[str, Any]) -> str:
    code, message = _text(body, "code", 40) or "robot", _text(body, "message", 100_000) or ""
    if not _CODE.fullmatch(code):
        raise UsageError("`code` is a short word of a-z, 0-9 and hyphens")
    return f"{code}: {message}".rstrip(": ")
