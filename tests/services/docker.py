"""Kafka and PostgreSQL in containers, where a Docker engine answers."""

from __future__ import annotations

import os
import socket
from functools import cache
from typing import Any

KAFKA_IMAGE = "apache/kafka:4.4.0"
POSTGRES_IMAGE = "postgres:18"


@cache
def docker_answers() -> bool:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if host.startswith("unix://") and not _listens(host.removeprefix("unix://")):
        return False
    import docker

    try:
        client = docker.from_env(timeout=3)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except docker.errors.DockerException:
        return False
    finally:
        client.close()


def _listens(path: str) -> bool:
    """Ask the socket itself: the client leaks its own when nobody answers."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def start_kafka() -> dict[str, Any]:
    _keep_after_this_process()
    from testcontainers.kafka import KafkaContainer

    container = KafkaContainer(image=KAFKA_IMAGE).with_kraft()
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    container.with_env("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "1000")
    container.start()
    return {"bootstrap": container.get_bootstrap_server(), "container": container.get_wrapped_container().id}


def start_postgres() -> dict[str, Any]:
    _keep_after_this_process()
    from testcontainers.postgres import PostgresContainer

    container = PostgresContainer(POSTGRES_IMAGE, driver="psycopg")
    container.start()
    return {"url": container.get_connection_url(), "container": container.get_wrapped_container().id}


def stop(state: dict[str, Any]) -> None:
    import docker

    client = docker.from_env()
    try:
        client.containers.get(state["container"]).remove(force=True, v=True)
    finally:
        client.close()


def _keep_after_this_process() -> None:
    """Testcontainers' reaper would end a container with the process that began it; others of the run still use it."""
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
