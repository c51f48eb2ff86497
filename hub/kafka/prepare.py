"""Making ready for the local broker ahead of its first start."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hub.errors import HubError
from hub.kafka.jars import Say, install, one_at_a_time, say_on_stderr
from hub.kafka.java import find_java
from hub.kafka.local import LocalBroker

_WRITE_LIMIT = 180.0  # seconds Java may take to write the archive when the broker stops


def prepare(from_folder: Path | None = None, *, say: Say = say_on_stderr) -> Path:
    """Install the jars and, once, record a start for Java to repeat: later starts take a third of the time.

    Returns the jars' folder; takes about 10 seconds when the archive is not there. Raises as `install` does; a start
    that could not be recorded is said and costs nothing but time.
    """
    jars = install(from_folder, say=say)
    archive = find_java().start_archive(jars)
    if archive is not None and not archive.exists():
        with one_at_a_time(jars.parent):
            if not archive.exists():  # another command may have recorded it while this one waited
                say("Apache Kafka: recording a start, for faster ones (once)")
                try:
                    _record(archive)
                except (HubError, OSError) as fault:
                    say(f"Apache Kafka: no start could be recorded: {fault}")
    return jars


def _record(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent.parent, prefix="record-") as scratch:
        fresh = Path(scratch) / archive.name
        broker = LocalBroker(Path(scratch), say=lambda _: None, options=(f"-XX:AOTCacheOutput={fresh}",))
        try:
            broker.start()
        finally:
            broker.stop(limit=_WRITE_LIMIT)
        if fresh.exists():  # Java writes none where it cannot; the broker starts without it
            fresh.replace(archive)
