"""Running the application on a port, and stopping it cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from hub.errors import UsageError


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket (port 0: a free one). Raises `UsageError` for a port that is taken or no address."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise UsageError(f"no address to listen on: {host} ({error})", code="address") from None
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} on {host} is taken",
                mend="choose another with --port, 0 for a free one",
                code="port-taken",
            ) from None
        raise UsageError(f"cannot listen on {host}:{port}: {error.strerror}", code="address") from None
    return listening


def address_of(listening: socket.socket) -> str:
    """Return the socket's address as a URL."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def serve(app: ASGIApp, listening: socket.socket, stop: asyncio.Event, *, grace: float = 5.0) -> None:
    """Serve until asked to stop; requests under way then have `grace` seconds to end. Closes the socket."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=max(1, round(grace)),
    )
    server = _Server(config)
    watching = asyncio.create_task(_end(server, stop))
    try:
        await server.serve(sockets=[listening])
    finally:
        watching.cancel()
        listening.close()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to the hub."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def _end(server: uvicorn.Server, stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True
