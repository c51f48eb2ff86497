"""A city through kill -9 at named points: sources of two kinds, receivers of five, real processes, real Kafka.

Every death is proved by the mark that the point leaves. In the end each system's own account is held to what it was
owed: each thing once, each resident's in order, nothing left unfinished. `make torture` dies at every point.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Shell
from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.points import POINTS
from tests.acceptance.crash.service import Service
from tests.acceptance.crash.story import Story

TORTURE = "HUB_TORTURE" in os.environ
SOME = {
    "sqlite": ("source: produced", "dispatch: inside, written", "take-over: file finished", "replay: queued"),
    "postgresql": (
        "source: half moved",
        "dispatch: committed",
        "take-over: line finished",
        "take-over: doubt recorded",
    ),
}


@pytest.fixture
def story(
    tmp_path: Path,
    new_shell: Callable[..., Shell],
    kafka_bootstrap: str,
    database_url: str,
    topic_prefix: str,
    service: Service,
) -> Story:
    city = CrashCity(tmp_path / "city", database_url, service)
    city.write(topic_prefix)
    shell = new_shell(city.folder, HUB_KAFKA=kafka_bootstrap, HUB_LEDGER=database_url)
    return Story(city, shell, kafka_bootstrap, f"{topic_prefix}.dispatch")


def chosen(ledger: str) -> list[str]:
    """Return the points: some of them, all of them (HUB_TORTURE), or those whose name holds a word of HUB_POINTS."""
    wanted = os.environ.get("HUB_POINTS", "").split(",")
    if TORTURE or any(wanted):
        return [name for name in POINTS if any(word in name for word in wanted)]
    return list(SOME["sqlite" if ledger.startswith("sqlite") else "postgresql"])


def test_torture_processes_killed_at_named_points_tell_everybody_once_and_in_order(story: Story) -> None:
    for name in chosen(story.city.ledger):
        print(name)  # noqa: T201 - the last one is where it failed
        story.die(name)
    story.end()
    story.city.tidy()
    assert story.deaths >= len(chosen(story.city.ledger))
