"""What stands before every route: who calls, how much they may send, and what browsers may do with an answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.errors import Unavailable
from hub.server.ports import Limits
from hub.server.problems import Problem

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_bearer = HTTPBearer(auto_error=False, description="A token bound to one system: `hub token new SYSTEM`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


class SecurityHeaders:
    """ASGI middleware that closes every answer to browsers, unless its route has said otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on."""

        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, closed if scope["type"] == "http" else send)


class Doorman:
    """Knows callers by their tokens; while the ledger is away, those it has met (revoked ones too)."""

    def __init__(self, system_of: Callable[[str], str | None]) -> None:
        self._system_of = system_of
        self._met: dict[bytes, str] = {}

    async def __call__(self, credentials: Credentials) -> str:
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


def _unauthorized(detail: str) -> Problem:
    mend = "the city's operators make one with `hub token new SYSTEM`"
    return Problem(HTTPStatus.UNAUTHORIZED, f"{detail} ({mend})", headers={"WWW-Authenticate": "Bearer"})


async def body_of(request: Request, limits: Limits) -> bytes:
    """Return the request's body. Raises `Problem`: 413 as soon as it is too long, 408 when it is too slow."""
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
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
