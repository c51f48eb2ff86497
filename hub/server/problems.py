"""Errors as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hub.errors import AmbiguousId, HubError, Malformed, NotFound, Unavailable, UsageError
from hub.server.closed import HEADERS

CONTENT_TYPE = "application/problem+json"
_STATUS = {
    NotFound: HTTPStatus.NOT_FOUND,
    UsageError: HTTPStatus.BAD_REQUEST,
    Malformed: HTTPStatus.BAD_REQUEST,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "about:blank: the status says what kind of problem it is"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": "of a webhook's call: which proof was missing"},
        "errors": {
            "type": "array",
            "description": "The wrong parts of a batch, by their index; nothing of the batch was taken.",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"type": "integer"},
                    "place": {"type": "string"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


class Problem(Exception):  # noqa: N818 - the standard's word
    """A request that is answered with a problem; `more` are members beside the standard ones."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = dict(more or {})


def add_handlers(app: FastAPI, *, retry_after: int) -> None:
    """Answer every error of the application as a problem; `retry_after` (seconds) goes with 503."""

    async def problem(_request: Request, error: Exception) -> Response:
        return answer(error, retry_after)

    for kind in (Problem, HubError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, problem)


def answer(error: Exception, retry_after: int) -> Response:
    """Return the response to an error."""
    found = error if isinstance(error, Problem) else _problem(error, retry_after)
    body = {
        "type": "about:blank",
        "title": HTTPStatus(found.status).phrase,
        "status": found.status,
        "detail": found.detail,
        **found.more,
    }
    # The answer to an unexpected error passes by the application's middleware.
    return Response(orjson.dumps(body), found.status, {**HEADERS, **found.headers}, CONTENT_TYPE)


def _problem(error: Exception, retry_after: int) -> Problem:
    if isinstance(error, HTTPException):
        return Problem(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, RequestValidationError):
        wrong = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        return Problem(HTTPStatus.BAD_REQUEST, wrong)
    if isinstance(error, Unavailable):
        headers = {"Retry-After": str(retry_after)}
        return Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{error.message}; it is safe to repeat", headers=headers)
    if isinstance(error, AmbiguousId):
        return Problem(HTTPStatus.CONFLICT, str(error), more={"candidates": error.candidates})
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            return Problem(status, str(error))
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the hub could not handle this; its log says why")
