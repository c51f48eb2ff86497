"""A city through kill -9 at named points: sources of two kinds, receivers of five, real processes, real Kafka.

Every death is proved by the mark that the point leaves. In the end each system's own account is held to what it was
owed: each thing once, each resident's in order, nothing left unfinished. `make torture` dies at every point.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Shell
from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.points import POINTS, Point
from tests.acceptance.crash.service import Service
from tests.services.bury import expire_leases, forget_members

ROOT = Path(__file__).parents[2]
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


class Story:
    """What happens to the city, one death after the other."""

    def __init__(self, city: CrashCity, shell: Shell, kafka: str, group: str) -> None:
        self.city = city
        self.shell = shell
        self.deaths = 0
        self._kafka = kafka
        self._group = group
        self._mark = city.folder.parent / "mark"

    def die(self, name: str) -> None:
        """Let what the point needs go on, and a process of the hub die there."""
        point = POINTS[name]
        if point.first:
            self.city.report()
            self._run(point.first, "drain")
        getattr(self, f"_{point.act}")(name, point)

    def end(self) -> None:
        """Let the hub finish, with a person who decides what nobody else can."""
        self._go_on()
        assert self.shell.json("drain")["clear"]
        self.city.count()

    # --- acts ------------------------------------------------------------------------------------------------------

    def _drain(self, name: str, point: Point) -> None:
        if not point.first:
            self.city.report()
        self._run(name, "drain")
        if name.startswith(("sending", "take-over: doubt")):
            self._go_on()

    def _publish(self, name: str, _point: Point) -> None:
        stream = self.city.stream()
        self._run(name, "publish", "-", "--as", "juki", stdin=stream)
        self.shell.json("publish", "-", "--as", "juki", stdin=stream)

    def _refuse(self, name: str, _point: Point) -> None:
        self.city.service.answers["/keys/web"] = lambda service, path, key, _: (
            503 if service.calls[path, key] < 2 else 200
        )
        self.city.report()
        self._run(name, "drain")

    def _answer(self, _name: str, _point: Point) -> None:
        self.city.report()
        process = self.shell.begin("drain")
        self.city.service.victims["/post"] = process.pid
        assert process.wait(60) == -signal.SIGKILL
        assert "/post" not in self.city.service.victims  # it has come there
        self._bury()
        self._go_on()

    def _replay(self, name: str, point: Point) -> None:
        """Rows that were taken are sent again, under a new key."""
        ids = self.city.report(residents=1, each=1)
        self._go_on()
        words = ("replay", f"juki/{ids[0]}:files.main:0", "--reason", "試験")
        self._ask(name, point, *words)
        self.city.owed["files"][self.city.resident_of(ids[0])].append(ids[0])

    def _cancel(self, name: str, point: Point) -> None:
        ids = self.city.report(residents=1, each=1)
        self._go_on()
        self._ask(name, point, "cancel", f"juki/{ids[0]}", "--reason", "試験")
        self.city.cancelled(self.city.resident_of(ids[0]))

    def _load(self, name: str, point: Point) -> None:
        residents = self.city.enrol()
        self._ask(name, point, "load", "kokuho.main", "--as-of", "2026-04-01")
        self._go_on()
        self.city.insured |= residents

    def _decide(self, name: str, point: Point) -> None:
        self.city.report()
        self._run("sending: called", "drain")
        self.shell("drain")
        words, *rest = self._decisions()
        self._ask(name, point, *words)
        for each in rest:
            self.shell.json(*each)

    # --- steps -----------------------------------------------------------------------------------------------------

    def _ask(self, name: str, point: Point, *words: str) -> None:
        """Give a command, and die in it or in the hub that carries it out."""
        if point.asks:
            self._run(name, *words)
        else:
            self.shell.json(*words)
            self._run(name, "drain")

    def _go_on(self) -> None:
        """Let the hub do what it can, and a person the rest."""
        for _ in range(3):
            done = self.shell("drain")
            if done.returncode == 0:
                return
            for words in self._decisions():
                self.shell.json(*words)
        raise AssertionError(f"it does not come to an end: {done.stdout}{done.stderr}")

    def _decisions(self) -> list[tuple[str, ...]]:
        """Ask the service what it has of the deliveries whose outcome is unknown, as a person would."""
        self.city.service.quiet()
        unknown = self.shell.json("deliveries", "list", "--status", "unknown", "--limit", "500")["items"]
        has = {key for key, _ in self.city.service.taken.get("/post", [])}
        taken, lost = (
            [each["id"] for each in unknown if each["id"] in has],
            [each["id"] for each in unknown if each["id"] not in has],
        )
        words = (("deliveries", "confirm", *taken), ("replay", *lost))
        return [(*each, "--reason", "聞いた") for each, keys in zip(words, (taken, lost), strict=True) if keys]

    def _run(self, name: str, *words: str, stdin: str = "") -> None:
        """Run a command that dies at a point; see that it did."""
        self._mark.unlink(missing_ok=True)
        module = [sys.executable, "-m", "tests.acceptance.crash.doomed", name, str(self._mark)]
        done = subprocess.run(
            [*module, *words],
            cwd=self.shell.folder,
            env={**self.shell.environ, "PYTHONPATH": str(ROOT)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, f"{name} was not reached: {done.stdout}{done.stderr}"
        assert self._mark.read_text() == f"{name}\n"
        self._bury()

    def _bury(self) -> None:
        self.deaths += 1
        expire_leases(self.city.ledger)
        forget_members(self._kafka, self._group)


@pytest.fixture
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture
def story(
    tmp_path: Path,
    new_shell: Callable[..., Shell],
    kafka_bootstrap: str,
    ledger_url: str,
    topic_prefix: str,
    service: Service,
) -> Story:
    city = CrashCity(tmp_path / "city", ledger_url, service)
    city.write(topic_prefix)
    shell = new_shell(city.folder, HUB_KAFKA=kafka_bootstrap, HUB_LEDGER=ledger_url)
    return Story(city, shell, kafka_bootstrap, f"{topic_prefix}.dispatch")


def first_refused(service: Service, path: str, key: str, _event: dict[str, Any]) -> int:
    """Answer the first call of each delivery with 503."""
    return 503 if service.calls[path, key] < 2 else 200


def chosen(ledger: str) -> list[str]:
    return list(POINTS) if TORTURE else list(SOME["sqlite" if ledger.startswith("sqlite") else "postgresql"])


def test_torture_processes_killed_at_named_points_tell_everybody_once_and_in_order(story: Story) -> None:
    for name in chosen(story.city.ledger):
        story.die(name)
    story.end()
    assert story.deaths >= len(chosen(story.city.ledger))
