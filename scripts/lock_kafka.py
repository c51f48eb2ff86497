"""Write hub/kafka/kafka.lock.toml anew: every jar the local broker runs on, with its SHA-256.

Run it after changing a version here; jgo resolves the runtime dependencies from the Maven repository.
"""

from __future__ import annotations

import sys
import tempfile
import tomllib
from pathlib import Path

import jgo
import truststore

KAFKA = "org.apache.kafka:kafka_2.13:4.4.0"
LOGGER = "org.slf4j:slf4j-simple:1.7.36"  # Kafka's own jars bring the logging facade without a backend
LOCK = Path(__file__).parent.parent / "hub" / "kafka" / "kafka.lock.toml"
HEAD = """\
# The jars of the local Kafka broker. Written by scripts/lock_kafka.py; do not edit.
version = "{version}"
"""


def main() -> int:
    """Resolve, and write the lock sorted by coordinate."""
    truststore.inject_into_ssl()
    with tempfile.TemporaryDirectory() as scratch:
        environment = jgo.build(f"{KAFKA}+{LOGGER}", cache_dir=Path(scratch))
        resolved = tomllib.loads(environment.lock_path.read_text())["dependencies"]
    jars = sorted((f"{jar['groupId']}:{jar['artifactId']}:{jar['version']}", jar["sha256"]) for jar in resolved)
    entries = "".join(f'\n[[jar]]\ncoordinate = "{name}"\nsha256 = "{digest}"\n' for name, digest in jars)
    LOCK.write_text(HEAD.format(version=KAFKA.rsplit(":", 1)[1]) + entries)
    return 0


if __name__ == "__main__":
    sys.exit(main())
