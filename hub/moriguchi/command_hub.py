"""The hub as the demonstration sees it: a small protocol, and one that speaks to it by its own commands."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Protocol, Self

from hub.errors import HubError, Unavailable, UsageError
from hub.moriguchi.sample import install_sample

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

PAGE = 1000


class Hub(Protocol):
    """What the demonstration asks of a hub. Lists are the items of the command's `--json`."""

    @property
    def folder(self) -> Path:
        """Return the city's folder."""
        ...

    def publish(self, path: Path, *, facts_only: bool = False) -> None:
        """Publish a file of CloudEvents (`hub publish`)."""
        ...

    def drain(self, *, wait: float = 30.0) -> bool:
        """Run until nothing is left (`hub drain --close-windows`); False when something still waits."""
        ...

    def events(self, *, since: str) -> list[dict[str, Any]]:
        """Return the events recorded since a time, the newest first (`hub events list --since`)."""
        ...

    def event(self, id_: str) -> dict[str, Any]:
        """Return one event with its deliveries and who was not told (`hub events show`)."""
        ...

    def deliveries(self, *, since: str, system: str | None = None) -> list[dict[str, Any]]:
        """Return the deliveries of those events (`hub deliveries list --since --system`)."""
        ...

    def quarantine(self) -> list[dict[str, Any]]:
        """Return what waits in quarantine (`hub quarantine list`)."""
        ...


class CommandHub:
    """Speaks to a hub through `python -m hub.cli.main … --json`; between `with` its Kafka stays up.

    The folder becomes the sample city if it is none yet.
    Raises Unavailable when a service is away (exit 3), UsageError for wrong words or configuration (exit 2).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = False
        self._code = 0

    @property
    def folder(self) -> Path:
        """Return the city's folder."""
        return self._folder

    def __enter__(self) -> Self:
        install_sample(self._folder)
        if self._run("kafka", "status").returncode != 0:
            self._ask("kafka", "start")
            self._started = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._started:
            self._run("kafka", "stop")

    def publish(self, path: Path, *, facts_only: bool = False) -> None:
        """Publish a file; lines the hub refuses are in quarantine."""
        self._ask("publish", str(path), *(["--facts-only"] if facts_only else []), accept=(0, 1))

    def drain(self, *, wait: float = 30.0) -> bool:
        """Run until nothing is left, as in the evening, when windows close; False when something still waits."""
        self._ask("drain", "--wait", f"{wait:g}s", "--close-windows", accept=(0, 1))
        return self._code == 0

    def events(self, *, since: str) -> list[dict[str, Any]]:
        """Return every event recorded since a time, the newest first."""
        return self._list("events", "--since", since)

    def event(self, id_: str) -> dict[str, Any]:
        """Return one event."""
        found: dict[str, Any] = self._ask("events", "show", id_)
        return found

    def deliveries(self, *, since: str, system: str | None = None) -> list[dict[str, Any]]:
        """Return every delivery of events recorded since a time."""
        return self._list("deliveries", "--since", since, *(["--system", system] if system else []))

    def quarantine(self) -> list[dict[str, Any]]:
        """Return what waits in quarantine."""
        return self._list("quarantine")

    def _list(self, noun: str, *options: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        cursor: list[str] = []
        while True:
            page = self._ask(noun, "list", *options, "--limit", str(PAGE), *cursor)
            items += page["items"]
            if page.get("next") is None:
                return items
            cursor = ["--cursor", str(page["next"])]

    def _ask(self, *words: str, accept: tuple[int, ...] = (0,)) -> Any:
        """Return the command's answer; raises for an exit code not accepted, and for an error it answers with."""
        done = self._run(*words)
        self._code = done.returncode
        answer = json.loads(done.stdout) if done.stdout.strip() else None
        said = answer.get("error") if isinstance(answer, dict) else None
        if said is None and done.returncode in accept:
            return answer
        kind = {2: UsageError, 3: Unavailable}.get(done.returncode, HubError)
        what = said["message"] if isinstance(said, dict) else done.stderr.strip()[-2000:]
        raise kind(f"`hub {' '.join(words)}` ended with {done.returncode}: {what}")

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hub.cli.main", *words, "--city", str(self._folder), "--json"]
        return subprocess.run(  # noqa: S603 (the hub's own command)
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, encoding="utf-8", check=False
        )
