from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.errors import HubError, OutcomeUnknown, Rejected, Transient
from tests.conformance.helpers import EXPRESSIONS, Server, site, with_data

Open = Any


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
async def opened(tmp_path: Path, server: Server) -> AsyncIterator[Open]:
    sinks: list[Any] = []

    def open_it(path: str = "/", **options: Any) -> Any:
        url = f"http://127.0.0.1:{server.port}{path}"
        sinks.append(registry.open_sink("http", {"url": url, **options}, site(tmp_path), EXPRESSIONS))
        return sinks[-1]

    yield open_it
    for sink in sinks:
        await sink.close()


async def send(sink: Any, delivery: Any = None) -> HubError | None:
    (outcome,) = await sink.deliver(batch([delivery or deliveries(1)[0]]))
    error: HubError | None = outcome.error
    return error


async def test_the_request_as_it_is_sent(server: Server, opened: Open) -> None:
    sink = opened("/residents/{subject}/{data.name}?n={batch.no}", method="PUT", headers={"Authorization": "Bearer x"})
    delivery = with_data(deliveries(1)[0], {"name": "守口/太郎?"})
    assert await send(sink, delivery) is None
    ((method, path, headers, body),) = server.requests
    assert (method, path) == ("PUT", "/residents/1000/%E5%AE%88%E5%8F%A3%2F%E5%A4%AA%E9%83%8E%3F?n=1")
    assert headers["Idempotency-Key"] == "juki/e0000:kokuho.main:0"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
    assert headers["Authorization"] == "Bearer x"
    assert body == delivery.body


async def test_an_url_without_its_value_is_refused(server: Server, opened: Open) -> None:
    error = await send(opened("/{data.kana}"))
    assert isinstance(error, Rejected)
    assert "data.kana" in error.message
    assert server.requests == []


@pytest.mark.parametrize("status", [401, 403, 408, 425, 429, 500, 502, 503, 504, 301])
async def test_statuses_that_are_tried_later(server: Server, opened: Open, status: int) -> None:
    server.answer = lambda _: (status, {}, b"")
    error = await send(opened())
    assert isinstance(error, Transient)
    assert error.reached
    assert error.retry_after is None
    assert error.code == f"http-{status}"


@pytest.mark.parametrize("status", [400, 404, 409, 410, 422])
async def test_statuses_that_refuse(server: Server, opened: Open, status: int) -> None:
    server.answer = lambda _: (status, {"Content-Type": "text/html"}, "守口太郎は不明".encode())
    error = await send(opened())
    assert isinstance(error, Rejected)
    assert error.message == f"HTTP {status}"


async def test_the_title_of_a_problem_is_kept_and_nothing_else(server: Server, opened: Open) -> None:
    problem = '{"title":"' + "対象外" * 100 + '","detail":"守口太郎"}'
    server.answer = lambda _: (422, {"Content-Type": "application/problem+json"}, problem.encode())
    error = await send(opened())
    assert error is not None
    assert error.message == "HTTP 422: " + ("対象外" * 100)[:200]


async def test_retry_after_in_seconds_and_as_a_date(server: Server, opened: Open) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    earlier = format_datetime(datetime.now(UTC) - timedelta(seconds=90), usegmt=True)
    seconds = []
    for text in ("120", later, earlier, "soon"):
        server.answer = lambda _, text=text: (503, {"Retry-After": text}, b"")  # type: ignore[misc]
        error = await send(opened())
        assert isinstance(error, Transient)
        seconds.append(error.retry_after)
    assert seconds[0] == 120
    assert seconds[1] == pytest.approx(90, abs=3)
    assert seconds[2:] == [0, None]


@pytest.mark.parametrize(("idempotent", "expected"), [(True, Transient), (False, OutcomeUnknown)])
async def test_an_answer_that_is_lost(server: Server, opened: Open, idempotent: bool, expected: type) -> None:
    server.answer = lambda _: None
    sink = opened(idempotent=idempotent)
    error = await send(sink)
    assert type(error) is expected
    assert len(server.applied) == 1
    assert sink.features.idempotent is idempotent


@pytest.mark.parametrize(("idempotent", "expected"), [(True, Transient), (False, OutcomeUnknown)])
async def test_an_answer_that_does_not_come(server: Server, opened: Open, idempotent: bool, expected: type) -> None:
    def slow(_: str) -> Any:
        time.sleep(0.5)
        return 200, {}, b""

    server.answer = slow
    begun = time.monotonic()
    error = await send(opened(idempotent=idempotent, timeout=0.1))
    assert type(error) is expected
    assert time.monotonic() - begun < 0.4


async def test_nobody_there_was_never_reached(server: Server, opened: Open) -> None:
    sink = opened(idempotent=False)
    server.stop()
    error = await send(sink)
    server.start()
    assert isinstance(error, Transient)
    assert not error.reached
    assert error.code == "unreachable"


async def test_an_unknown_host_is_tried_later(tmp_path: Path) -> None:
    sink: Any = registry.open_sink("http", {"url": "http://nowhere.invalid/"}, site(tmp_path), EXPRESSIONS)
    error = await send(sink)
    await sink.close()
    assert isinstance(error, Transient)
    assert not error.reached
