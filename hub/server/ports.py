"""What the server asks of the rest of the hub: callables handed in by `app.py`.

Those that are not coroutines are called in worker threads and may block; they raise `Unavailable` while the ledger
is away.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hub.server.metrics import Metric
from hub.stages.calls import Taken
from hub.stages.receive import Receipt

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the hub needs or does: whether it is well, and what is waited for if not."""

    name: str  # broker, ledger, intake …
    ok: bool
    detail: str = ""


class Receive(Protocol):
    """`hub.stages.receive.Reception.receive`."""

    def __call__(self, documents: Sequence[Any], system: str, *, batch: bool) -> Awaitable[Receipt]:
        """Publish a system's events; raises `BrokerUnavailable`."""
        ...


class RobotQueue(Protocol):
    """`hub.stages.robots.Robots`; its calls also raise `hub.ledger.work.LeaseLost`."""

    def claim(self, system: str, limit: int, lease: float | None, receiver: str | None) -> Json:
        """Lease what is next."""
        ...

    def beat(self, system: str, number: int, lease: str | None, seconds: float | None) -> Json:
        """Let a lease last from now."""
        ...

    def complete(self, system: str, number: int, lease: str | None) -> Json:
        """Take it that work is done."""
        ...

    def fail(self, system: str, number: int, lease: str | None, *, kind: str, note: str, after: float | None) -> Json:
        """Take it that work failed."""
        ...


class Hook(Protocol):
    """`hub.stages.calls.Calls.receive`."""

    def __call__(self, system: str, name: str, headers: Mapping[str, str], body: bytes) -> Awaitable[Taken]:
        """Take a system's call; raises `Rejected`, `NotFound`, `Malformed`, `Unavailable`."""
        ...


class FeedPort(Protocol):
    """`hub.stages.feeds.Feeds`; raises `NotFound`, `UsageError`, `Unavailable`."""

    def items(self, system: str, after: int, limit: int, *, receiver: str | None) -> Json:
        """Return what is on offer."""
        ...

    def acknowledge(
        self, system: str, *, cursor: int | None, keys: Sequence[str], refused: Mapping[str, str], receiver: str | None
    ) -> Json:
        """Take a system's word of what it has taken and what it refuses."""
        ...

    def settled(self, job: int) -> bool:
        """Say whether the receiver's owner has done all of an acknowledgement."""
        ...


@dataclass(frozen=True, slots=True)
class ServerPorts:
    """What the routes call.

    `system_of` answers the system a bearer token is bound to. `event(caller, id)` and `deliveries(caller, filters)`
    give, of what the caller is party to, the same JSON as the command line, and raise its errors (`NotFound`,
    `AmbiguousId`, `UsageError`); `replay(caller, asked)` begins a job and `job(caller, number)` shows it.
    """

    system_of: Callable[[str], str | None]
    receive: Receive
    hook: Hook
    feeds: FeedPort
    event: Callable[[str, str], Json]
    deliveries: Callable[[str, Mapping[str, str]], Json]
    replay: Callable[[str, Mapping[str, Any]], Json]
    job: Callable[[str, str], Json]
    robots: RobotQueue
    checks: Callable[[], Sequence[Check]]
    metrics: Callable[[], Sequence[Metric]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes and times in seconds of one request."""

    body: int = 32 * 1024 * 1024
    read_seconds: float = 60.0
    publish_seconds: float = 20.0
    retry_after: int = 5
    listed_errors: int = 100
