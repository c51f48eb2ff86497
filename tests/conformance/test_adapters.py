"""Every transport through the whole conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import PREPARED_CHECKS, SINK_CHECKS, SOURCE_CHECKS
from hub.adapters.conformance.own.applications import AiOcrCase, ApplicationSourceCase, DecisionCase
from tests.conformance.desks import ChatCase, MailCase, PrintCase
from tests.conformance.files import FORMATS
from tests.conformance.helpers import (
    CsvSinkCase,
    CsvSourceCase,
    DatabaseSinkCase,
    DatabaseSourceCase,
    HttpCase,
    HttpSourceCase,
    JsonlCase,
    KafkaCase,
    KafkaSourceCase,
    OutboxCase,
    Server,
)
from tests.conformance.queue import RpaCase
from tests.conformance.uipath import UiPathCase, UiPathSourceCase
from tests.services.chat import ChatRoom
from tests.services.orchestrator import Orchestrator
from tests.services.post_office import PostOffice
from tests.services.rest import Rest

SOURCES = {
    *("csv", "csv-keep", "csv-delete", "http", "kafka"),
    *("sqlite", "sqlite-overlap", "postgresql", "postgresql-overlap", "mariadb", "mariadb-overlap"),
    *("sqlite-delete", "sqlite-mark", "postgresql-mark", "mariadb-delete"),
    *("uipath", "online_application", "ai_ocr"),
}
SINKS = {
    *("csv", "csv-columns", "jsonl", "sqlite", "postgresql", "mariadb"),
    *("http", "http-repeating", "http-confirming", "kafka", "rpa"),
    *("chat", "chat-line-works", "chat-teams", "mail", "print", "uipath", "uipath-repeating", "online_application"),
}
DATABASES = {"sqlite", "postgresql", "mariadb"}
PREPARED = {"csv", "csv-columns", "jsonl", "print", "online_application"}
FOLDERS: dict[str, Any] = {"online_application": ApplicationSourceCase, "ai_ocr": AiOcrCase}
SERVERS: dict[str, Any] = {
    "kafka": (KafkaSourceCase, "kafka_bootstrap", "topic_prefix"),
    "http": (HttpSourceCase, "rest"),
    "uipath": (UiPathSourceCase, "orchestrator"),
}
ALONE: dict[str, Any] = {
    "jsonl": JsonlCase,
    "kafka": KafkaCase,
    "rpa": RpaCase,
    "print": PrintCase,
    "online_application": DecisionCase,
}


@pytest.fixture
def orchestrator() -> Iterator[Orchestrator]:
    orchestrator = Orchestrator()
    yield orchestrator
    orchestrator.stop()


def url_of(request: pytest.FixtureRequest, kind: str, path: str) -> str:
    """Return the URL of a fresh database of a kind."""
    if kind == "sqlite":
        return f"sqlite:///{path}"
    return str(request.getfixturevalue("postgres_url" if kind == "postgresql" else "mariadb_url"))


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    kind, _, variant = request.param.partition("-")
    if kind == "csv":
        return CsvSourceCase(tmp_path, after=variant or "move")
    if kind in FOLDERS:
        return FOLDERS[kind](tmp_path)
    if kind in SERVERS:
        case, *needs = SERVERS[kind]
        return case(tmp_path, *map(request.getfixturevalue, needs))
    url = url_of(request, kind, f"{tmp_path}/juki.db")
    if variant in ("delete", "mark"):
        return OutboxCase(url, tmp_path, mark=variant == "mark")
    return DatabaseSourceCase(url, tmp_path, overlap=50 if variant else 0)


@pytest.fixture
def rest() -> Iterator[Rest]:
    rest = Rest()
    yield rest
    rest.stop()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def room() -> Iterator[ChatRoom]:
    room = ChatRoom()
    yield room
    room.stop()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[PostOffice]:
    office = PostOffice(tmp_path)
    yield office
    office.stop()


def _telling_people(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "mail":
        return MailCase(tmp_path, request.getfixturevalue("office"))
    return ChatCase(tmp_path, request.getfixturevalue("room"), request.param.partition("-")[2] or "webhook")


@pytest.fixture
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    columns = {"columns": {"鍵": "key", "氏名": "data.name"}}
    if request.param in DATABASES:
        return DatabaseSinkCase(url_of(request, request.param, f"{tmp_path}/kokuho.db"), tmp_path)
    if request.param.startswith("http"):
        server = request.getfixturevalue("server")
        server.honours_key = request.param == "http"
        asking = {"confirm": {"url": f"http://127.0.0.1:{server.port}/applied/{{key}}"}}
        more = asking if request.param == "http-confirming" else {}
        return HttpCase(tmp_path, server, idempotent=server.honours_key, **more)
    if request.param.startswith(("chat", "mail")):
        return _telling_people(request, tmp_path)
    if request.param.startswith("uipath"):
        orchestrator = request.getfixturevalue("orchestrator")
        orchestrator.unique = request.param == "uipath"
        return UiPathCase(tmp_path, orchestrator)
    if request.param.startswith("csv"):
        return CsvSinkCase(tmp_path, columns if request.param == "csv-columns" else None)
    return ALONE[request.param](tmp_path)


@pytest.mark.parametrize("check", SOURCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("source", sorted(SOURCES), indirect=True)
def test_a_source(source: Any, check: Any) -> None:
    check(source)


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("sink", sorted(SINKS), indirect=True)
async def test_a_sink(sink: Any, check: Any) -> None:
    await check(sink)


@pytest.mark.parametrize("check", PREPARED_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("sink", sorted(PREPARED), indirect=True)
async def test_a_sink_in_two_steps(sink: Any, check: Any) -> None:
    await check(sink)


def kit_of(name: str) -> set[str]:
    """Return what an adapter declares, as far as the kit has checks: a feed is fetched, the engine's tests hold it."""
    features = registry.find(name).features
    return set() if features.pulled else {side for side in ("source", "sink", "prepared") if getattr(features, side)}


def test_every_transport_is_held_to_the_kit() -> None:
    tried = {
        "source": {case.partition("-")[0] for case in SOURCES},
        "sink": {case.partition("-")[0] for case in SINKS},
        "prepared": {case.partition("-")[0] for case in PREPARED},
    }
    for side, kinds in tried.items():
        names = {"database" if kind in DATABASES else kind for kind in kinds} | {*FORMATS}
        assert names == {name for name in registry.names() if side in kit_of(name)}
