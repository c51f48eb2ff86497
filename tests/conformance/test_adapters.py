"""Every transport through the whole conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import PREPARED_CHECKS, SINK_CHECKS, SOURCE_CHECKS
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
from tests.services.rest import Rest

SOURCES = {
    *("csv", "csv-keep", "csv-delete", "http", "kafka"),
    *("sqlite", "sqlite-overlap", "postgresql", "postgresql-overlap", "mariadb", "mariadb-overlap"),
    *("sqlite-delete", "sqlite-mark", "postgresql-mark", "mariadb-delete"),
}
SINKS = {
    "csv",
    "csv-columns",
    "jsonl",
    "sqlite",
    "postgresql",
    "mariadb",
    "http",
    "http-repeating",
    "http-confirming",
    "kafka",
}
DATABASES = {"sqlite", "postgresql", "mariadb"}
PREPARED = {"csv", "csv-columns", "jsonl"}


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
    if kind == "kafka":
        topic = request.getfixturevalue("topic_prefix")
        return KafkaSourceCase(tmp_path, request.getfixturevalue("kafka_bootstrap"), topic)
    if kind == "http":
        return HttpSourceCase(tmp_path, request.getfixturevalue("rest"))
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
    if request.param.startswith("csv"):
        return CsvSinkCase(tmp_path, columns if request.param == "csv-columns" else None)
    return {"jsonl": JsonlCase, "kafka": KafkaCase}[request.param](tmp_path)


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
