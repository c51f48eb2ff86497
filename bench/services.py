"""What a bench stands on: a Kafka and a PostgreSQL of its own, in a temporary folder, set as in production."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy
from aiokafka.admin import AIOKafkaAdminClient

from bench.town import PROTECTED, SOURCE
from hub.app import Hub
from hub.kafka.local import LocalBroker
from hub.kafka.producer import Producer
from hub.kafka.topics import create_topic
from hub.ledger.protected import protect_early
from hub.settings.load import load_city
from tests.services import postgres

_CHUNK = 20_000
Records = Sequence[tuple[bytes, bytes]]


class Ground:
    """The services of one bench; every run has a folder, topics and a database of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = itertools.count(1)
        self._broker = LocalBroker(folder / "var", say=lambda _: None)
        self._postgres: dict[str, Any] | None = None

    @cached_property
    def bootstrap(self) -> str:
        """Return the bootstrap servers of the Kafka, started on first use."""
        return str(self._broker.start().bootstrap)

    def database(self, kind: str, folder: Path) -> str:
        """Return the URL of a fresh database: `sqlite` in `folder`, or `postgresql` on the bench's server."""
        if kind == "sqlite":
            return f"sqlite:///{folder}/ledger.db"
        if self._postgres is None:
            self._postgres = postgres.start_postgres(settings="")
        url = sqlalchemy.make_url(self._postgres["url"])
        name = f"b{next(self._count)}"
        _execute(url, f"CREATE DATABASE {name} TEMPLATE template0")
        return url.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def plot(self, kind: str) -> Iterator[Plot]:
        """Give one run its folder, topics' prefix and database, and take them away afterwards."""
        number = next(self._count)
        folder = self._folder / f"run{number}"
        folder.mkdir()
        plot = Plot(folder, f"run{number}", self.bootstrap, self.database(kind, folder))
        try:
            yield plot
        finally:
            asyncio.run(_delete_topics(self.bootstrap, plot.prefix))
            if kind != "sqlite":
                url = sqlalchemy.make_url(plot.url)
                _execute(url.set(database="postgres"), f"DROP DATABASE {url.database} WITH (FORCE)")
            shutil.rmtree(folder, ignore_errors=True)

    def roots(self) -> dict[str, int]:
        """Return the process ids of the services that run: `kafka`, `postgresql`."""
        found = {}
        if (pid := self._broker.status().pid) is not None:
            found["kafka"] = pid
        if self._postgres is not None:
            found["postgresql"] = int(Path(self._postgres["data"], "db", "postmaster.pid").read_text().split()[0])
        return found

    def close(self) -> None:
        """End the services."""
        self._broker.stop()
        if self._postgres is not None:
            postgres.stop(self._postgres)


class Plot:
    """Where one run takes place."""

    def __init__(self, folder: Path, prefix: str, bootstrap: str, url: str) -> None:
        self.folder = folder
        self.prefix = prefix
        self.bootstrap = bootstrap
        self.url = url

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment by which the hub finds the run's Kafka and ledger."""
        return {"HUB_KAFKA": self.bootstrap, "HUB_LEDGER": self.url, "HUB_CITY": str(self.folder)}

    def query(self, statement: str, **values: Any) -> list[Any]:
        """Return the rows of a query of the run's database."""
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.connect() as connection:
            rows = list(connection.execute(sqlalchemy.text(statement), values))
        engine.dispose()
        return rows

    def run(self, *statements: str) -> None:
        """Run statements in one transaction of the run's database."""
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        engine.dispose()


@contextmanager
def ground() -> Iterator[Ground]:
    """Give a bench its services while the block runs."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that the services end with the bench
    folder = Path(tempfile.mkdtemp(prefix="hub-bench-"))
    made = Ground(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder, ignore_errors=True)


def open_city(folder: Path, environment: Mapping[str, str]) -> Hub:
    """Return the hub of a city's folder in this process."""
    return Hub(load_city(folder, environ=environment))


async def fill_hub(folder: Path, environment: Mapping[str, str], records: Records) -> None:
    """Make the city's ledger and topics, protect some of its residents, and put the records into its events."""
    hub = open_city(folder, environment)
    try:
        async with hub.kafka() as bus:
            protect_early(hub.ledger, [(subject, f"/systems/{SOURCE}/p{subject}") for subject in PROTECTED])
            await _publish(bus.sender, hub.topic, records)
    finally:
        hub.close()


async def fill_topic(plot: Plot, topic: str, records: Records, others: Sequence[str] = ()) -> None:
    """Make a topic as the hub's is and put the records into it; `others` are made with one partition each."""
    await create_topic(plot.bootstrap, topic)
    for other in others:
        await create_topic(plot.bootstrap, other, partitions=1)
    producer = Producer(plot.bootstrap)
    try:
        await _publish(producer, topic, records)
    finally:
        await producer.stop()


async def _publish(producer: Producer, topic: str, records: Records) -> None:
    for start in range(0, len(records), _CHUNK):
        await producer.publish(topic, records[start : start + _CHUNK])


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(f"{prefix}.")])
    finally:
        await admin.close()


def _execute(url: sqlalchemy.URL, statement: str) -> None:
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()
