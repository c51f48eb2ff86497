"""What stands before a route: who calls, and how much they may send."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import ClientDisconnect

from hub.errors import Unavailable
from hub.server.ports import Limits
from hub.server.problems import Problem

_bearer = HTTPBearer(auto_error=False, description="A token bound to one system: `hub token new SYSTEM`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class Doorman:
    """Knows callers by their tokens; while the ledger is away, those it has met (revoked ones too)."""

    def __init__(self, system_of: Callable[[str], str | None]) -> None:
        self._system_of = system_of
        self._met: dict[bytes, str] = {}

    async def system_of(self, credentials: HTTPAuthorizationCredentials | None) -> str:
        """Return the caller's system. Raises `Problem` (401) and `Unavailable`."""
        if credentials is None:
            raise _unauthorized("a bearer token is needed")
        key = hashlib.sha256(credentials.credentials.encode()).digest()
        try:
            system = await asyncio.to_thread(self._system_of, credentials.credentials)
        except Unavailable:
            if key not in self._met:
                raise
            return self._met[key]
        if system is None:
            self._met.pop(key, None)
            raise _unauthorized("the token is unknown or revoked")
        self._met[key] = system
        return system


async def _caller(request: Request, credentials: Credentials) -> str:
    doorman: Doorman = request.app.state.doorman
    return await doorman.system_of(credentials)


Caller = Annotated[str, Depends(_caller)]


def _unauthorized(detail: str) -> Problem:
    mend = "the city's operators make one with `hub token new SYSTEM`"
    return Problem(HTTPStatus.UNAUTHORIZED, f"{detail} ({mend})", headers={"WWW-Authenticate": "Bearer"})


async def body_of(request: Request, limits: Limits) -> bytes:
    """Return the request's body. Raises `Problem`: 413 as soon as it is too long, 408 when it comes too slowly.

    Counted here because the framework's own limit answers a declared length in plain text.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limits.body:
        raise _too_long(limits)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.read_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limits.body:
                    raise _too_long(limits)
    except TimeoutError:
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, "the body came too slowly") from None
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "the caller hung up") from None
    return bytes(body)


def _too_long(limits: Limits) -> Problem:
    detail = f"a request has at most {limits.body} bytes; send smaller batches"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
