"""Kafka and SQL for tests: real ones, one of each a run, shared by all processes of the run.

They run in containers where a Docker engine answers, else on this machine. Each test has its own topics
(`topic_prefix`), database (`postgres_url`, `sqlite_url`) or either of both (`database_url`; `ledger_url`: a ledger).
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from hub.kafka.local import LocalBroker
from hub.kafka.prepare import prepare
from hub.ledger.engine import Ledger
from hub.ledger.schema import ready
from tests.services import docker, mariadb, postgres
from tests.services.blank import blank_url
from tests.services.leftovers import leftovers
from tests.services.shared import shared


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    return _run_folder(tmp_path_factory)


@pytest.fixture(scope="session")
def local_kafka() -> None:
    """Make ready for local brokers, so that each start takes a second or two."""
    prepare()


@pytest.fixture(scope="session")
def kafka_bootstrap(run_folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Bootstrap servers of a real Apache Kafka."""
    if docker.docker_answers():
        with shared(run_folder, "kafka", docker.start_kafka, docker.stop) as state:
            yield state["bootstrap"]
    else:
        request.getfixturevalue("local_kafka")
        with LocalBroker(run_folder / "var").lease() as bootstrap:
            yield bootstrap


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that no other test has."""
    return f"t{uuid.uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def postgres_server(run_folder: Path) -> Iterator[str]:
    """SQLAlchemy URL of a PostgreSQL server, as one who may create databases."""
    place = docker if docker.docker_answers() else postgres
    with shared(run_folder, "postgres", place.start_postgres, place.stop) as state:
        yield state["url"]


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    with _database(postgres_server, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def mariadb_server(run_folder: Path) -> Iterator[str]:
    """SQLAlchemy URL of a MariaDB server, as one who may create databases."""
    with shared(run_folder, "mariadb", mariadb.start, mariadb.stop) as state:
        yield state["url"]


@pytest.fixture
def mariadb_url(mariadb_server: str) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty MariaDB database and account, with the collation a server has by itself."""
    name = f"t{uuid.uuid4().hex[:12]}"
    _execute(mariadb_server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci")
    _execute(mariadb_server, f"CREATE USER {name} IDENTIFIED BY '{name}'")
    _execute(mariadb_server, f"GRANT ALL ON {name}.* TO {name}")
    url = sqlalchemy.make_url(mariadb_server).set(database=name, username=name, password=name)
    yield url.render_as_string(hide_password=False)
    _execute(mariadb_server, f"DROP DATABASE {name}")
    _execute(mariadb_server, f"DROP USER {name}")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """SQLAlchemy URL of a fresh SQLite file."""
    return f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of a fresh, empty database; the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with the ledger's tables, to be copied; all copies have one ledger id."""
    with _database(postgres_server, "template0") as url:
        ledger = Ledger(url)
        ready(ledger)
        ledger.close()
        yield str(sqlalchemy.make_url(url).database)


@pytest.fixture
def sqlite_ledger_url(tmp_path: Path) -> str:
    """SQLAlchemy URL of a new ledger in a SQLite file."""
    return blank_url(tmp_path)


@pytest.fixture
def postgres_ledger_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """SQLAlchemy URL of a new ledger on PostgreSQL."""
    with _database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest) -> str:
    """SQLAlchemy URL of a new ledger; the test runs once on SQLite and once on PostgreSQL."""
    return str(request.getfixturevalue("sqlite_ledger_url" if request.param == "sqlite" else "postgres_ledger_url"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Where CI runs, a skipped test is a failed one: everything it needs is there or brought along."""
    report = yield
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under CI=true: {report.longrepr}"
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that leaves a process behind. Of pytest-xdist's processes only the leading one looks."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    if factory is None or hasattr(session.config, "workerinput") or factory._basetemp is None:
        return
    left = leftovers(_run_folder(factory))
    if left:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        print("\nprocesses left behind:\n  " + "\n  ".join(left))  # noqa: T201


def _run_folder(factory: pytest.TempPathFactory) -> Path:
    base = factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@contextlib.contextmanager
def _database(server: str, template: str) -> Iterator[str]:
    name = f"t{uuid.uuid4().hex[:12]}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield sqlalchemy.make_url(server).set(database=name).render_as_string(hide_password=False)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
