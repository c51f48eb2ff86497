"""Feeds over HTTP: a system fetches what it is told and acknowledges it, with its own token."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response

from hub.errors import UsageError
from hub.events.text import parse
from hub.server import openapi, shapes
from hub.server.guard import Caller, body_of
from hub.server.ports import FeedPort, Limits, ServerPorts
from hub.server.problems import Problem

MOST = 1000  # deliveries in one answer
LONGEST = 30  # seconds of waiting
LOOK = 0.2  # seconds between looks while somebody waits
SETTLES = 5.0  # seconds an acknowledgement waits for the receiver's owner
_KNOWN = ("cursor", "keys", "refused", "receiver")

After = Annotated[int, Query(ge=0, description="The `next` of an earlier answer; without it, all that is on offer.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="The most deliveries in the answer.")]
Wait = Annotated[float, Query(ge=0, le=LONGEST, description="Seconds to wait while nothing is on offer.")]
Which = Annotated[str | None, Query(description="The receiver, where the system has several feeds.")]


def add(router: APIRouter, ports: ServerPorts, limits: Limits) -> None:
    """Add the calls of feeds."""

    @router.get(
        "/feeds/{system}",
        summary="Pull what a system is told",
        response_model=shapes.Feed,
        responses=openapi.FETCHED,
    )
    async def items(
        system: str, caller: Caller, after: After = 0, limit: Limit = 100, wait: Wait = 0, receiver: Which = None
    ) -> Response:
        """Return deliveries on offer, in order. Reading changes nothing: they are delivered when acknowledged."""
        _own(system, caller)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:  # nobody's thread waits: leases and ledger need them
            found = await asyncio.to_thread(ports.feeds.items, system, after, limit, receiver=receiver)
            if found["items"] or loop.time() >= end:
                break
            await asyncio.sleep(min(LOOK, max(0.0, end - loop.time())))
        return Response(orjson.dumps(found), media_type="application/json")

    @router.post(
        "/feeds/{system}/ack",
        summary="Say what a system has taken",
        response_model=shapes.Acknowledged,
        responses={**openapi.BODY, **openapi.FETCHED},
        openapi_extra=openapi.ACK_BODY,
    )
    async def acknowledge(system: str, request: Request, caller: Caller) -> Response:
        """Deliver what was taken, and make dead letters of what was refused. It is safe to repeat."""
        _own(system, caller)
        said = _checked(parse(await body_of(request, limits)))
        found = await asyncio.to_thread(ports.feeds.acknowledge, system, **said)
        job = found.pop("job", None)
        found["settled"] = job is None or await _settled(ports.feeds, job)
        return Response(orjson.dumps(found), media_type="application/json")


async def _settled(feeds: FeedPort, job: int) -> bool:
    """Wait a little for the receiver's owner: then what comes next for the same residents is on offer."""
    end = asyncio.get_running_loop().time() + SETTLES
    while True:
        done = await asyncio.to_thread(feeds.settled, job)
        if done or asyncio.get_running_loop().time() > end:
            return done
        await asyncio.sleep(LOOK / 4)


def _own(system: str, caller: str) -> None:
    if caller != system:
        raise Problem(HTTPStatus.FORBIDDEN, f"the token is not one of {system}")


def _checked(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not body.keys() & {"cursor", "keys", "refused"}:
        raise UsageError("an acknowledgement is a JSON object", mend="with `cursor`, `keys` or `refused`")
    if unknown := sorted(body.keys() - set(_KNOWN)):
        raise UsageError(f"no `{unknown[0]}` here", mend="known are: " + ", ".join(_KNOWN))
    cursor, keys, receiver = body.get("cursor"), body.get("keys", []), body.get("receiver")
    if cursor is not None and (type(cursor) is not int or cursor < 0):
        raise UsageError("`cursor` is the `next` of an answer")
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise UsageError("`keys` is a list of delivery keys")
    if receiver is not None and not isinstance(receiver, str):
        raise UsageError("`receiver` is a name")
    return {"cursor": cursor, "keys": keys, "refused": _refused(body.get("refused", [])), "receiver": receiver}


def _refused(said: Any) -> dict[str, str]:
    """Return why, by delivery key."""
    found = {}
    for each in said if isinstance(said, list) else [None]:
        if not isinstance(each, dict) or not isinstance(each.get("key"), str):
            raise UsageError("`refused` is a list of objects", mend='each {"key", "code"?, "message"?}')
        words = [each[name] for name in ("code", "message") if isinstance(each.get(name), str)]
        found[each["key"]] = ": ".join(words) or "refused"
    return found
