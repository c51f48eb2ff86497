"""Calls whose shapes are kept for what is to come: each answers 501 and says `not yet`, to whoever asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request, Response

from hub.server import openapi
from hub.server.problems import Problem

_NAME = re.compile(r"{(\w+)}")
CALLS = (("GET", "/prefill/{form}", ("resident",), "What the city already knows for a form"),)


def router() -> APIRouter:
    """Return every reserved call; whatever parameters and body come with it are taken."""
    found = APIRouter(prefix="/v1", default_response_class=Response)  # which promises no JSON
    for method, path, queries, summary in CALLS:
        found.add_api_route(path, _refuse, **_described(method, path, queries, summary))
    return found


def _described(method: str, path: str, queries: Iterable[str], summary: str) -> dict[str, Any]:
    return {
        "methods": [method],
        "summary": f"{summary} (not yet)",
        "operation_id": f"reserved {method} {path}",
        "status_code": HTTPStatus.NOT_IMPLEMENTED,
        "responses": openapi.refusals(501),
        "openapi_extra": openapi.parameters(queries, _NAME.findall(path)),
    }


async def _refuse(request: Request) -> Response:
    raise Problem(HTTPStatus.NOT_IMPLEMENTED, f"{request.method} {request.url.path}: not yet")
