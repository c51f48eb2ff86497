"""The register of `tests.unit.stages.extract_city` on a real Kafka; run as a program it can die at a named point.

`python -m tests.integration.extract_victim FOLDER LEDGER BOOTSTRAP PREFIX POINT` drains the city once and kills itself
with -9 right after the named step, or, with the point `none`, ends by itself.
"""

import asyncio
import sys
from pathlib import Path

from hub.adapters.file_source import FileSource
from hub.app import Hub
from hub.ledger import extracts, sources
from hub.settings.load import load_city
from hub.stages.extracts import Extracts
from hub.stages.protecting import ProtectingProducer
from tests.services.crash import die_after

# step → who does it, and at which of its calls the process dies
POINTS = {
    "publish": (ProtectingProducer, "publish", 1),
    "write": (extracts, "write", 1),  # within the transaction
    "keep": (Extracts, "_keep", 1),
    "advance": (sources, "advance", 1),  # within the transaction
    "finish": (Extracts, "_finish", 1),
    "acknowledge": (FileSource, "acknowledge", 1),
}


async def drain(folder: Path, ledger: str, bootstrap: str) -> None:
    """Read everything that is there."""
    hub = Hub(load_city(folder, environ={"HUB_LEDGER": ledger, "HUB_KAFKA": bootstrap}))
    try:
        async with hub.kafka() as bus:
            counts = await hub.intake(bus).drain()
            assert not counts.faults, counts.faults
    finally:
        hub.close()


if __name__ == "__main__":
    folder, url, bootstrap, point = sys.argv[1:]
    if point in POINTS:
        die_after(*POINTS[point])
    asyncio.run(drain(Path(folder), url, bootstrap))
