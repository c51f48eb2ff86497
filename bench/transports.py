"""Transports: rows a second into the hub and deliveries a second out of it, each against a real counterpart.

An adapter is measured alone, in a process of its own; its counterpart runs in another one. In: from the first read to
the last row acknowledged. Out: from the first batch to the last outcome; sinks that take one delivery at a time are
called for eight residents side by side. How many MB the process has grown by says whether memory is constant.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
import traceback
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from bench.check import Break, CheckFailed
from bench.harness import Contestant, Figures, Goal, measure, options
from bench.services import Ground, ground
from hub.adapters import registry
from hub.adapters.conformance.cases import SinkCase, SourceCase, batch, deliveries
from hub.adapters.conformance.own.applications import AiOcrCase, ApplicationSourceCase, DecisionCase
from hub.adapters.conformance.own.common import site
from hub.adapters.conformance.sinks import features_of, send
from hub.adapters.contract import Delivery
from hub.kafka.producer import Producer
from hub.kafka.reading import TopicReader
from hub.kafka.topics import create_topic
from tests.conformance.desks import ChatCase, MailCase, PrintCase
from tests.conformance.files import FORMATS, FileSinkCase, FileSourceCase, Folder, Sftp, Storage
from tests.conformance.helpers import (
    DatabaseSinkCase,
    DatabaseSourceCase,
    HttpCase,
    HttpSourceCase,
    JsonlCase,
    KafkaSourceCase,
    Server,
)
from tests.conformance.uipath import UiPathCase, UiPathSourceCase
from tests.services import mariadb
from tests.services.chat import ChatRoom
from tests.services.orchestrator import Orchestrator
from tests.services.post_office import PostOffice
from tests.services.rest import Rest
from tests.services.sftp import SftpServer
from tests.services.storage import StorageServer

LONG = "csv in, ten times as long"
SIDE_BY_SIDE = 8
FORK = multiprocessing.get_context("fork")
Make = Callable[["Stand"], SourceCase | SinkCase]


class KafkaSinkCase(SinkCase):
    """A record for each delivery, in a topic of a real Kafka."""

    adapter = registry.find("kafka")

    def __init__(self, folder: Path, bootstrap: str, prefix: str) -> None:
        self.folder, self.bootstrap, self.site = folder, bootstrap, replace(site(folder), prefix=prefix)
        self.topic = f"{prefix}.out.{self.site.system}"
        asyncio.run(create_topic(bootstrap, self.topic, partitions=1))

    def open(self) -> Any:
        """Open the sink on the real Kafka."""
        return registry.open_sink("kafka", {}, self.site, _Publisher(self.bootstrap))

    def seen(self) -> list[str]:
        """Read the keys back from the topic."""
        reader = TopicReader(lambda: self.bootstrap)
        source = KafkaSourceCase.open_on(self.folder, self.topic, reader)
        return [row.values["deliverykey"] for found in source.read(None) for row in found.rows]

    def away(self) -> Any:
        """Not asked for here."""
        raise NotImplementedError

    def refused(self, delivery: Delivery) -> None:
        """Not asked for here."""
        raise NotImplementedError


class _Publisher:
    """The way into Kafka that `app.py` lends to the sink; made in the process that uses it."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer(bootstrap)

    async def publish(self, topic: str, key: bytes, value: bytes, headers: Any) -> None:
        await self._producer.publish_one(topic, key, value, headers)


class Stand:
    """What one run's counterpart stands on."""

    def __init__(self, own: Ground, folder: Path, ending: ExitStack) -> None:
        self.own, self.folder, self._ending = own, folder, ending

    def up(self, server: Any, end: str = "stop") -> Any:
        """Let a server end with the run."""
        self._ending.callback(getattr(server, end))
        return server

    def postgresql(self) -> str:
        """Return the URL of a fresh database on the bench's server."""
        return str(self._ending.enter_context(self.own.plot("postgresql")).url)

    def mariadb(self) -> str:
        """Return the URL of a database of a server of its own."""
        state = mariadb.start()
        self._ending.callback(mariadb.stop, state)
        engine = sa.create_engine(state["url"], poolclass=sa.NullPool)
        with engine.connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE bench CHARACTER SET utf8mb4")
        return str(sa.make_url(state["url"]).set(database="bench").render_as_string(hide_password=False))

    def sqlite(self) -> str:
        """Return the URL of a new file."""
        return f"sqlite:///{self.folder}/system.db"


def _file(side: str, name: str, place: Callable[[Stand], Any] = lambda stand: Folder(stand.folder)) -> Make:
    make: Any = FileSourceCase if side == "in" else FileSinkCase
    return lambda stand: make(stand.folder, place(stand), FORMATS[name])


def _sftp(stand: Stand) -> Sftp:
    return Sftp(stand.up(SftpServer(stand.folder / "server"), "close"))


def _storage(stand: Stand) -> Storage:
    return Storage(stand.up(StorageServer()))


_TOPICS = count(1)

IN: dict[str, tuple[int, Make]] = {
    "csv": (100_000, _file("in", "csv")),
    "jsonl": (100_000, _file("in", "jsonl")),
    "fixed_width": (100_000, _file("in", "fixed_width")),
    "excel": (20_000, _file("in", "excel")),
    "csv on sftp": (100_000, _file("in", "csv", _sftp)),
    "csv on s3": (100_000, _file("in", "csv", _storage)),
    "database, sqlite": (100_000, lambda stand: DatabaseSourceCase(stand.sqlite(), stand.folder)),
    "database, postgresql": (100_000, lambda stand: DatabaseSourceCase(stand.postgresql(), stand.folder)),
    "database, mariadb": (100_000, lambda stand: DatabaseSourceCase(stand.mariadb(), stand.folder)),
    "http": (20_000, lambda stand: HttpSourceCase(stand.folder, stand.up(Rest()))),
    "kafka": (50_000, lambda stand: KafkaSourceCase(stand.folder, stand.own.bootstrap, f"in{next(_TOPICS)}")),
    "uipath": (2_000, lambda stand: UiPathSourceCase(stand.folder, stand.up(Orchestrator()))),
    "online_application": (20_000, lambda stand: ApplicationSourceCase(stand.folder)),
    "ai_ocr": (20_000, lambda stand: AiOcrCase(stand.folder)),
}
OUT: dict[str, tuple[int, Make]] = {
    "csv": (50_000, _file("out", "csv")),
    "jsonl": (50_000, _file("out", "jsonl")),
    "jsonl, appended": (50_000, lambda stand: JsonlCase(stand.folder)),
    "fixed_width": (50_000, _file("out", "fixed_width")),
    "excel": (20_000, _file("out", "excel")),
    "csv on sftp": (50_000, _file("out", "csv", _sftp)),
    "csv on s3": (50_000, _file("out", "csv", _storage)),
    "database, sqlite": (50_000, lambda stand: DatabaseSinkCase(stand.sqlite(), stand.folder)),
    "database, postgresql": (50_000, lambda stand: DatabaseSinkCase(stand.postgresql(), stand.folder)),
    "database, mariadb": (20_000, lambda stand: DatabaseSinkCase(stand.mariadb(), stand.folder)),
    "http": (5_000, lambda stand: HttpCase(stand.folder, stand.up(Server()))),
    "kafka": (50_000, lambda stand: KafkaSinkCase(stand.folder, stand.own.bootstrap, f"out{next(_TOPICS)}")),
    "chat": (5_000, lambda stand: ChatCase(stand.folder, stand.up(ChatRoom()), "webhook")),
    "mail": (500, lambda stand: MailCase(stand.folder, stand.up(PostOffice(stand.folder)))),
    "print": (2_000, lambda stand: PrintCase(stand.folder)),
    "uipath": (1_000, lambda stand: UiPathCase(stand.folder, stand.up(Orchestrator()))),
    "online_application": (50_000, lambda stand: DecisionCase(stand.folder)),
}


def sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scale", type=float, default=1.0, help="times as many rows of each transport")


@contextmanager
def standing(own: Ground) -> Iterator[Stand]:
    with ExitStack() as ending:
        yield Stand(own, ending.enter_context(own.plot("sqlite")).folder, ending)


# --- in a process of its own ----------------------------------------------------------------------------------------


def _spoiled(found: list[Any], broken: Break | None) -> list[Any]:
    if broken and len(found) > 7:
        found[7:8] = [] if broken == "drop" else [found[7], found[7]]
    return found


def _read(case: SourceCase, broken: Break | None) -> tuple[int, int]:
    """Read all there is; return how many rows, and a sum over all of them in order."""
    source, number, total = case.open(), 0, 0
    for found in source.read(None):
        for row in _spoiled(list(found.rows), broken):
            if row.error is not None:
                raise row.error
            number, total = number + 1, _sum(total, row.values)
        broken = None
        source.acknowledge(found)
    return number, total


def _sum(total: int, values: dict[str, Any]) -> int:
    return zlib.crc32(orjson.dumps(values, option=orjson.OPT_SORT_KEYS), total)


async def _write(case: SinkCase, content: list[Delivery]) -> tuple[int, int]:
    """Send all, as much at a time as the adapter takes; return how many, and how many of these were delivered."""
    sink = case.open()
    most = features_of(case, sink).batch
    numbers, done = count(1), 0

    async def lane(mine: Sequence[list[Delivery]]) -> None:
        nonlocal done
        for part in mine:
            outcomes = await send(sink, batch(part, no=next(numbers)))
            done += sum(outcome.error is None for outcome in outcomes)

    parts = [content[at : at + most] for at in range(0, len(content), most)]
    lanes = SIDE_BY_SIDE if most == 1 else 1
    await asyncio.gather(*(lane(parts[number::lanes]) for number in range(lanes)))
    await sink.close()
    return len(content), done


def _memory() -> tuple[float, float]:
    """Return resident MB now, and the most since it was last begun anew."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    now, most = (int(said[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


def _carried(work: Callable[[], tuple[int, int]], answer: Any) -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        before, began = _memory()[0], time.perf_counter()
        found = work()
        seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
        answer.send((found, seconds, used.ru_utime + used.ru_stime, _memory()[1] - before))
    except BaseException:  # noqa: BLE001 - told to the bench, which ends with it
        answer.send(traceback.format_exc())


def carried(work: Callable[[], tuple[int, int]], rows: int) -> tuple[tuple[int, int], Figures]:
    """Do the work in a process forked for it; return what it found, and the figures. Raises CheckFailed."""
    mine, its = FORK.Pipe()
    process = FORK.Process(target=_carried, args=(work, its))
    process.start()
    answer = mine.recv()
    process.join()
    if isinstance(answer, str):
        raise CheckFailed(answer)
    found, seconds, cpu, grown = answer
    return found, {
        "rows/s": rows / seconds,
        "seconds": seconds,
        "CPU µs a row, adapter": cpu / rows * 1e6,
        "grown MB": max(grown, 0.1),
    }


# --- runs -------------------------------------------------------------------------------------------------------------


def into(own: Ground, make: Make, rows: int, broken: Break | None, warming: bool) -> Figures:
    rows = rows // 10 if warming else rows
    with standing(own) as stand:
        case: Any = make(stand)
        total = 0
        for values in case.fill(rows):
            total = _sum(total, values)
        found, figures = carried(partial(_read, case, broken), rows)
        if found != (rows, total):
            raise CheckFailed(f"{found[0]} rows where {rows} are, or others, or in another order")
        return figures


def out(own: Ground, make: Make, rows: int, broken: Break | None, warming: bool) -> Figures:
    rows = rows // 10 if warming else rows
    with standing(own) as stand:
        case: Any = make(stand)
        content = deliveries(rows)
        (_, done), figures = carried(lambda: asyncio.run(_write(case, content)), rows)
        seen, due = _spoiled(case.seen(), broken), [delivery.key for delivery in content]
        if done != rows:
            raise CheckFailed(f"{done} of {rows} were delivered")
        if sorted(seen) != sorted(due):
            raise CheckFailed(f"{len(seen)} took effect where {rows} were sent, or others")
        return figures


def contestants(own: Ground, asked: Any) -> list[Contestant]:
    scale = asked.extra.scale * (0.02 if asked.quick or asked.broken else 1)
    made = [
        Contestant(f"{name} {side}", partial(how, own, make, max(int(rows * scale), 50), asked.broken))
        for side, how, transports in (("in", into, IN), ("out", out, OUT))
        for name, (rows, make) in transports.items()
    ]
    rows, make = IN["csv"]
    return [*made, Contestant(LONG, partial(into, own, make, int(rows * scale * 10), asked.broken))]


def main() -> int:
    asked = options("transports", sizes)
    goals = [Goal("memory, a CSV file ten times as long", "grown MB", LONG, "csv in", most=1.2)]
    with ground() as own:
        return measure("transports", contestants(own, asked), asked, {"scale": asked.extra.scale}, goals)


if __name__ == "__main__":
    sys.exit(main())
