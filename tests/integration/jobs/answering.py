"""A system's acknowledgements: files in `in/`, read by an intake of their own."""

import asyncio
import os
import time

from hub.adapters import registry
from hub.adapters.contract import Site
from hub.errors import Malformed
from hub.stages.clock import utc_now
from hub.stages.intake import Intake, Services, SourceRunner
from hub.stages.services import Answers
from tests.integration.semantics.world import ZONE


class NoKafka:
    async def publish(self, _topic, records, _headers=()):
        assert not records, "an acknowledgement is no event"


def number(row):
    try:
        return int(row["連番"])
    except ValueError:
        raise Malformed("連番 is no number", code="expression") from None


def answer(town, *values, column="連番", name="ERR_1.csv", **how):
    path = town.folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join([column, *map(str, values), ""]))
    written = how.pop("written", None) or time.time() + 5  # a file's own time is coarse
    os.utime(path, (written, written))
    read(town, **how)


def read(town, *, lists="errors", by="no", value=number, due=None, is_open=None, now=None, **more):
    site = Site(town.folder, ZONE, "suido", "main.acknowledged")
    files = registry.open_source("csv", {"path": "in/*.csv", "encoding": "utf-8", "after": "move"}, site)
    no = town.rules.numbers[town.rules.ruleset.receivers.index("suido.main")]
    runner = SourceRunner(
        "suido", "main.acknowledged", files, (), answers=Answers(no, by, value, lists, due, is_open, **more)
    )
    clock = (lambda: now) if now else utc_now
    services = Services(NoKafka(), town.ledger, "hub.events", "moriguchi", clock, timezone=ZONE)
    asyncio.run(Intake([runner], services).drain())
