"""The local broker's empty data folder, as Kafka's own storage tool makes it.

The tool takes a second of Java. What it makes is the same for every city but for two random ids, so the first folder is
kept beside the jars and later ones are copies with ids of their own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hub.kafka import private, properties

_IDS = re.compile(r"^(cluster\.id|directory\.id)=.*$", re.MULTILINE)
_META = "meta.properties"


class FormatFailed(Exception):  # noqa: N818 - named for what happened
    """The storage tool refused; the text is what it said."""


def ready(data: Path, java: Sequence[str], config: Path, jars: Path) -> None:
    """Prepare an empty data folder; one that was left half prepared is prepared again.

    `java` is the command that runs a class of the jars, `config` the broker's properties, `jars` the jars' folder.
    Raises FormatFailed.
    """
    if (data / _META).exists():
        return
    shutil.rmtree(data, ignore_errors=True)
    fresh = data.with_name(f"{data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    kept = jars / f"formatted-{sha256(repr(properties.FEATURES).encode()).hexdigest()[:8]}"
    if (kept / _META).exists():
        with private.umask():
            _copy(kept, fresh)
    else:
        _format(fresh, data, java, config)
        _keep(fresh, kept)
    fresh.replace(data)


def _format(fresh: Path, data: Path, java: Sequence[str], config: Path) -> None:
    scratch = config.with_name("format.properties")
    private.write(scratch, config.read_text().replace(f"log.dirs={data}", f"log.dirs={fresh}"))
    command = [*java, "kafka.tools.StorageTool", "format", "-t", properties.cluster_id(), "-c", str(scratch)]
    done = subprocess.run(  # noqa: S603
        [*command, *properties.FEATURES],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        umask=private.UMASK,
    )
    if done.returncode:
        raise FormatFailed(done.stdout + done.stderr)


def _keep(fresh: Path, kept: Path) -> None:
    """Keep a copy for the next city; without one it only takes longer."""
    with suppress(OSError), tempfile.TemporaryDirectory(dir=kept.parent, prefix="format-") as scratch:
        _copy(fresh, Path(scratch) / kept.name)
        (Path(scratch) / kept.name).replace(kept)


def _copy(formatted: Path, to: Path) -> None:
    """Copy a formatted folder, with ids of its own."""
    shutil.copytree(formatted, to, copy_function=shutil.copyfile)
    meta = to / _META
    private.write(meta, _IDS.sub(lambda found: f"{found[1]}={properties.cluster_id()}", meta.read_text()))
