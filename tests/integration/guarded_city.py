"""A guarded system whose CSV files are read into a real Kafka; run as a program it can die at a named point.

`python -m tests.integration.guarded_city FOLDER LEDGER BOOTSTRAP TOPIC POINT` drains the folder once and kills itself
with -9 right after the named step, or, with the point `none`, ends by itself.
"""

import asyncio
import sys
from pathlib import Path

from hub.adapters import file_source
from hub.adapters.file_source import FileSource
from hub.kafka.bus import Producer
from hub.ledger import batches
from hub.ledger.engine import Ledger
from hub.settings.models import Guard
from hub.stages import spool
from hub.stages.gate import Gate
from hub.stages.intake import Counts, Intake, Services, SourceRunner
from hub.stages.release import Releaser
from hub.stages.spool import Spool
from tests.integration import intake_city
from tests.services.crash import die_after

GUARD = Guard(rows=(1, 20))
# step → who does it, and at which of its calls the process dies
POINTS = {
    "spool": (Spool, "add", 2),
    "seal": (Spool, "seal", 1),
    "publish": (Producer, "publish", 2),
    "store": (Gate, "_advance", 1),  # within the transaction
    "settle": (Gate, "_settle", 1),
    "acknowledge": (FileSource, "acknowledge", 1),
    "published": (batches, "published", 1),  # within the transaction
    "released": (Releaser, "_publish", 1),
}


def runner(folder: Path) -> SourceRunner:
    """Return the source of a system that reports deaths, at most 20 at once."""
    plain = intake_city.runner(folder)
    return SourceRunner(plain.system, plain.name, plain.source, plain.mappers, guard=GUARD)


async def drain(folder: Path, ledger: Ledger, bootstrap: str, topic: str) -> Counts:
    """Publish what is released and read everything that is there."""
    producer = Producer(bootstrap)
    services = Services(producer, ledger, topic, "moriguchi", held=folder / "var" / "held")
    try:
        return await Intake([runner(folder)], services).drain()
    finally:
        await producer.stop()


if __name__ == "__main__":
    folder, url, bootstrap, topic, point = sys.argv[1:]
    file_source.ROWS = spool.CHUNK = 10
    if point in POINTS:
        die_after(*POINTS[point])
    asyncio.run(drain(Path(folder), Ledger(url), bootstrap, topic))
