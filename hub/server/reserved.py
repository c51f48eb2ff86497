"""Calls whose shapes are kept for what is to come: each answers 501 and says `not yet`, to whoever asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.server import openapi
from hub.server.problems import Problem

CALLS = (
    ("POST", "/jobs/{system}/claim", "Take work from a robot's queue"),
    ("POST", "/jobs/{system}/{job}/complete", "Say that a robot's work is done"),
    ("POST", "/jobs/{system}/{job}/fail", "Say that a robot's work failed"),
    ("GET", "/prefill/{form}", "What the city already knows for a form"),
)


def add(router: APIRouter) -> None:
    """Add every reserved call; whatever parameters and body come with it are taken."""
    for method, path, summary in CALLS:
        router.add_api_route(path, _refuse, **_described(method, path, summary))


def _described(method: str, path: str, summary: str) -> dict[str, Any]:
    return {
        "methods": [method],
        "summary": f"{summary} (not yet)",
        "operation_id": f"reserved {method} {path}",
        "status_code": HTTPStatus.NOT_IMPLEMENTED,
        "responses": openapi.NOT_YET,
    }


async def _refuse(request: Request) -> Response:
    raise Problem(HTTPStatus.NOT_IMPLEMENTED, f"{request.method} {request.url.path}: not yet")
