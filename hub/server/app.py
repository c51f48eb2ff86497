"""The HTTP application: events in, views out, health and metrics. Nothing in it is loaded from outside."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import PlainTextResponse

import hub
from hub.errors import BrokerUnavailable, Rejected
from hub.events.text import parse
from hub.server import feeds, metrics, openapi, reserved, robots, shapes
from hub.server.closed import SecurityHeaders
from hub.server.cloudevents import documents
from hub.server.guard import Caller, Doorman, body_of
from hub.server.ports import Limits, ServerPorts
from hub.server.problems import Problem, add_handlers
from hub.server.visible import deliveries_for, event_for
from hub.stages.receive import Receipt

_FILTERS = frozenset({"system", "status", "type", "resident", "batch", "since", "until", "error", "limit", "cursor"})
_STATUS = {"source-other": HTTPStatus.FORBIDDEN, "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE}


def create_app(ports: ServerPorts, *, limits: Limits | None = None) -> FastAPI:
    """Return the application; its routes call the ports, and nothing else."""
    limits = limits or Limits()
    app = FastAPI(title="hub", version=hub.__version__, docs_url=None, redoc_url=None, responses=openapi.OTHERWISE)
    app.state.doorman = Doorman(ports.system_of)
    app.add_middleware(SecurityHeaders)
    add_handlers(app, retry_after=limits.retry_after)
    app.include_router(_health(ports))
    app.include_router(_version_1(ports, limits))
    app.include_router(reserved.router())
    return app


def _version_1(ports: ServerPorts, limits: Limits) -> APIRouter:
    router = APIRouter(prefix="/v1", responses=openapi.PROBLEMS)

    @router.post(
        "/events",
        status_code=202,
        summary="Report events",
        response_model=shapes.Accepted,
        responses=openapi.EVENTS,
        openapi_extra=openapi.EVENTS_BODY,
    )
    async def report(request: Request, caller: Caller) -> Response:
        """Take one event or a batch, and answer once Kafka has all of it. A 503 is safe to repeat.

        An id used before for other content is among `accepted`, and its event goes to quarantine (`id-reused`).
        """
        body = await body_of(request, limits)
        found, batch = await asyncio.to_thread(documents, request.headers.raw, body)
        try:
            async with asyncio.timeout(limits.publish_seconds):
                receipt = await ports.receive(found, caller, batch=batch)
        except TimeoutError:
            raise BrokerUnavailable("Kafka has not confirmed the events in time") from None
        if receipt.refused:
            raise _refusal(receipt, limits)
        return _json({"accepted": receipt.accepted, "duplicates": receipt.duplicates}, HTTPStatus.ACCEPTED)

    @router.get(
        "/events/{event_id:path}",
        summary="Show one of the caller's own events and its deliveries",
        response_model=shapes.EventShown,
        responses=openapi.refusals(404),
    )
    async def event(event_id: str, caller: Caller) -> Response:
        return _json(await asyncio.to_thread(event_for, caller, event_id, ports.event))

    @router.get(
        "/deliveries",
        summary="List deliveries",
        response_model=shapes.Deliveries,
        openapi_extra=openapi.parameters(sorted(_FILTERS)),
    )
    async def deliveries(request: Request, caller: Caller) -> Response:
        """List what the caller's system is told, and what others are told of its events."""
        filters = dict(request.query_params)
        if unknown := sorted(filters.keys() - _FILTERS):
            mend = "known are: " + ", ".join(sorted(_FILTERS))
            raise Problem(HTTPStatus.BAD_REQUEST, f"no filter {', '.join(unknown)} ({mend})")
        return _json(await asyncio.to_thread(deliveries_for, caller, filters, ports.deliveries))

    @router.post(
        "/replays",
        status_code=202,
        summary="Ask for deliveries again",
        response_model=shapes.Begun,
        responses={200: {"model": shapes.Preview}, **openapi.BODY, **openapi.refusals(404)},
        openapi_extra=openapi.REPLAY_BODY,
    )
    async def replay(request: Request, caller: Caller) -> Response:
        """Begin a job that sends the caller's own deliveries again; 200 where nothing begins."""
        asked = parse(await body_of(request, limits))
        found = await asyncio.to_thread(ports.replay, caller, asked)
        return _json(found, HTTPStatus.OK if found["no"] is None else HTTPStatus.ACCEPTED)

    @router.get(
        "/jobs/{number}",
        summary="Show one of the caller's own jobs",
        response_model=shapes.Job,
        responses=openapi.refusals(404),
    )
    async def job(number: str, caller: Caller) -> Response:
        return _json(await asyncio.to_thread(ports.job, caller, number))

    robots.add(router, ports, limits)
    _hooks(router, ports, limits)
    feeds.add(router, ports, limits)
    return router


def _hooks(router: APIRouter, ports: ServerPorts, limits: Limits) -> None:
    @router.post(
        "/hooks/{system}/{source}",
        status_code=202,
        summary="Report by a webhook",
        response_model=shapes.Called,
        responses=openapi.HOOK,
        openapi_extra=openapi.HOOK_BODY,
    )
    async def hook(system: str, source: str, request: Request) -> Response:
        """Take a signed call of a source with `webhook`; answer once all of it is in Kafka or quarantine.

        No token is needed: the signature proves who calls. A repeat within the window is taken once.
        """
        body = await body_of(request, limits)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}
        try:
            async with asyncio.timeout(limits.publish_seconds):
                taken = await ports.hook(system, source, headers, body)
        except TimeoutError:
            raise BrokerUnavailable("Kafka has not confirmed the events in time") from None
        except Rejected as error:
            status = HTTPStatus.CONFLICT if error.code == "replayed" else HTTPStatus.UNAUTHORIZED
            raise Problem(status, error.message, more={"code": error.code}) from None
        found = {"accepted": taken.accepted, "quarantined": taken.quarantined, "repeated": taken.repeated}
        if taken.waiting:
            found["waiting"] = taken.waiting
        return _json(found, HTTPStatus.ACCEPTED)


def _health(ports: ServerPorts) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/healthz", summary="Whether the process lives", response_model=shapes.Alive)
    async def healthz() -> Response:
        return _json({"status": "alive"})

    @router.get(
        "/readyz",
        summary="Whether the hub does its work, and what it waits for",
        response_model=shapes.Readiness,
        responses={503: {"model": shapes.Readiness, "description": "It does not, or not all of it"}},
    )
    async def readyz() -> Response:
        checks = await asyncio.to_thread(ports.checks)
        ready = all(check.ok for check in checks)
        found = {
            "ready": ready,
            "waiting_for": [check.name for check in checks if not check.ok],
            "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks],
        }
        return _json(found, HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE)

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=PlainTextResponse,
        responses=openapi.refusals(503),
    )
    async def metrics_text() -> Response:
        text = metrics.exposition(await asyncio.to_thread(ports.metrics))
        return Response(text, headers={"Content-Type": metrics.CONTENT_TYPE})

    return router


def _json(value: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def _refusal(receipt: Receipt, limits: Limits) -> Problem:
    listed = receipt.refused[: limits.listed_errors]
    codes = {refusal.code for refusal in receipt.refused}
    wrong = HTTPStatus.INTERNAL_SERVER_ERROR if codes == {"fault"} else HTTPStatus.BAD_REQUEST
    status = next((status for code, status in _STATUS.items() if code in codes), wrong)
    count = len(receipt.refused)
    more = f"; the first {len(listed)} are listed" if count > len(listed) else ""
    errors = [{"index": r.index, "place": r.place, "code": r.code, "message": r.message} for r in listed]
    detail = f"{count} event{'s are' if count > 1 else ' is'} wrong and nothing was taken{more}: {listed[0].message}"
    return Problem(status, detail, more={"errors": errors})
