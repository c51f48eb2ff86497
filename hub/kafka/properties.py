"""What the local broker is told: `server.properties` and the Java virtual machine's options."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

from hub.kafka import private

FEATURES = ("--feature", "eligible.leader.replicas.version=0")  # means nothing with one replica
_JVM = (
    "-Xms128m",
    "-Xmx512m",
    "-XX:+UseSerialGC",  # two cores are shared with the hub itself
    "-XX:TieredStopAtLevel=1",  # serves in half the time; what a broker does is no faster with the other compiler
    "-XX:+ExitOnOutOfMemoryError",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",  # Java's own warnings are about archives that it then does without
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


def jvm(version: int, *, log: Path) -> list[str]:
    """Return the options for a Java of that major version; a crash report goes beside `log`."""
    options = [*_JVM, f"-XX:ErrorFile={log.with_name('java-crash.log')}"]
    if version >= 24:
        options += ["--sun-misc-unsafe-memory-access=allow", "--enable-native-access=ALL-UNNAMED"]
    return options


def cluster_id() -> str:
    """Return a new Kafka cluster id: 16 random bytes in URL-safe base64, not beginning with a dash."""
    return base64.urlsafe_b64encode(b"\x01" + secrets.token_bytes(15)).rstrip(b"=").decode()


def write(folder: Path, *, port: int, controller: int) -> Path:
    """Write `server.properties` for a single node on loopback and return its path."""
    settings = {
        "process.roles": "broker,controller",
        "node.id": 1,
        # the voter is named here and not in the data, so that the ports may change
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "broker.session.timeout.ms": 3000,  # a broker that was killed cannot register again before this is over
        "broker.heartbeat.interval.ms": 500,
        "log.dirs": folder / "data",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 2,
    }
    path = folder / "server.properties"
    private.write(path, "".join(f"{name}={value}\n" for name, value in settings.items()))
    return path
