"""What happens to a city, one death after the other, and what a person does about it."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.acceptance.conftest import ROOT, Shell
from tests.acceptance.crash.city import CrashCity
from tests.acceptance.crash.points import POINTS, Point
from tests.acceptance.crash.service import Service
from tests.services.bury import expire_leases, forget_members


@dataclass
class Person:
    """Looks after the city: lets the hub run, and decides what nobody else can."""

    city: CrashCity
    shell: Shell

    def end(self) -> None:
        """Let the hub finish, and hold what was told to what was owed."""
        self.go_on()
        assert self.shell.json("drain")["clear"]
        self.city.count()

    def decide(self) -> None:
        """Decide what is unknown now."""
        for words in self.decisions():
            self.shell.json(*words)

    def go_on(self) -> None:
        """Let the hub do what it can, and decide the rest."""
        for _ in range(3):
            done = self.shell("drain")
            if done.returncode == 0:
                return
            self.decide()
        raise AssertionError(f"it does not come to an end: {done.stdout}{done.stderr}")

    def decisions(self) -> list[tuple[str, ...]]:
        """Ask the service what it has of the deliveries whose outcome is unknown, and return what is to be said."""
        self.city.service.quiet()
        unknown = self.shell.json("deliveries", "list", "--status", "unknown", "--limit", "500")["items"]
        has = {key for key, _ in self.city.service.taken.get("/post", [])}
        taken = [each["id"] for each in unknown if each["id"] in has]
        lost = [each["id"] for each in unknown if each["id"] not in has]
        words = (("deliveries", "confirm", *taken), ("replay", *lost))
        return [(*each, "--reason", "聞いた") for each, keys in zip(words, (taken, lost), strict=True) if keys]


class Story(Person):
    """What happens to the city, one death after the other; the dead are buried at once, for time is not the point."""

    def __init__(self, city: CrashCity, shell: Shell, kafka: str, group: str) -> None:
        super().__init__(city, shell)
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

    # --- acts ------------------------------------------------------------------------------------------------------

    def _drain(self, name: str, point: Point) -> None:
        if not point.first:
            self.city.report()
        self._run(name, "drain")
        if name.startswith(("sending", "take-over: doubt")):
            self.go_on()

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
        self.go_on()

    def _replay(self, name: str, point: Point) -> None:
        """Rows that were taken are sent again, under a new key."""
        ids = self.city.report(residents=1, each=1)
        self.go_on()
        words = ("replay", f"juki/{ids[0]}:rows.main:0", "--reason", "試験")
        self._ask(name, point, *words)
        self.city.owed["rows"][self.city.resident_of(ids[0])].append(ids[0])

    def _cancel(self, name: str, point: Point) -> None:
        ids = self.city.report(residents=1, each=1)
        self.go_on()
        self._ask(name, point, "cancel", f"juki/{ids[0]}", "--reason", "試験")
        self.city.cancelled(self.city.resident_of(ids[0]))

    def _load(self, name: str, point: Point) -> None:
        residents = self.city.enrol()
        self._ask(name, point, "load", "kokuho.main", "--as-of", "2026-04-01")
        self.go_on()
        self.city.insured |= residents

    def _decide(self, name: str, point: Point) -> None:
        self.city.report()
        self._run("sending: called", "drain")
        self.shell("drain")
        words, *rest = self.decisions()
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


def first_refused(service: Service, path: str, key: str, _event: dict[str, Any]) -> int:
    """Answer the first call of each delivery with 503."""
    return 503 if service.calls[path, key] < 2 else 200
