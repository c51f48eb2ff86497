"""A system whose CSV files are read into a real Kafka; run as a program it can die at a named point.

`python -m tests.integration.intake_city FOLDER LEDGER BOOTSTRAP TOPIC POINT` reads the folder once and, at its second
batch, kills itself with -9: after `publish`, within the transaction (`store`), after `acknowledge`. With the point
`none` it ends by itself.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hub.adapters import file_source, registry
from hub.adapters.contract import Site
from hub.adapters.file_source import FileSource
from hub.kafka.bus import Producer
from hub.ledger import sources
from hub.ledger.engine import Ledger
from hub.routing.expressions import Environment
from hub.routing.mapping import Mapper
from hub.settings.models import Case, Publication, Source, System
from hub.stages.intake import Counts, Intake, Services, SourceRunner
from tests.services.crash import die_after

CASE = Case(
    event="resident.died",
    map={"name": "row.氏名", "died_on": "row.死亡日", "effective_on": "row.死亡日"},
)


def runner(folder: Path, **options: Any) -> SourceRunner:
    """Return the source of a system that reports deaths; `options` are more settings of its files."""
    source = Source(name="main", adapter="csv")
    publication = Publication(source="main", subject="row.宛名番号", cases=(CASE,))
    system = System(system="koseki", sources={"main": source}, publishes=(publication,))
    mapper = Mapper(system, publication, source, Environment(tables={}), "moriguchi")
    place = Site(folder, ZoneInfo("Asia/Tokyo"), "juki", "main")
    files = registry.open_source("csv", {"path": "in/*.csv", "encoding": "cp932", **options}, place)
    return SourceRunner("koseki", "main", files, (mapper,))


def write(folder: Path, name: str, rows: list[str]) -> Path:
    """Write a file of reports."""
    path = folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes("\r\n".join(["宛名番号,氏名,死亡日", *rows, ""]).encode("cp932"))
    return path


async def drain(folder: Path, ledger: Ledger, bootstrap: str, topic: str, wait: float = 30.0, **options: Any) -> Counts:
    """Read everything that is there."""
    producer = Producer(bootstrap)
    try:
        return await Intake([runner(folder, **options)], Services(producer, ledger, topic, "moriguchi")).drain(
            wait=wait
        )
    finally:
        await producer.stop()


if __name__ == "__main__":
    folder, url, bootstrap, topic, point = sys.argv[1:]
    file_source.ROWS = 10
    points = {
        "publish": (Producer, "publish"),
        "store": (sources, "advance"),
        "acknowledge": (FileSource, "acknowledge"),
    }
    if point in points:
        die_after(*points[point], 2)
    asyncio.run(drain(Path(folder), Ledger(url), bootstrap, topic))
