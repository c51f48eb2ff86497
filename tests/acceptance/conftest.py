from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.crash.service import Service

ROOT = Path(__file__).parents[2]
HUB = [sys.executable, "-m", "hub.cli.main"]


@dataclass
class Shell:
    """A person at a terminal of one city: `shell("drain")` runs `hub drain` and waits for it."""

    folder: Path
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*HUB, *words],
            cwd=self.folder,
            env=self.environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def json(self, *words: str, code: int = 0, stdin: str = "") -> Any:
        done = self(*words, "--json", stdin=stdin)
        assert done.returncode == code, f"hub {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout)

    def begin(self, *words: str, stderr: Any = subprocess.PIPE) -> subprocess.Popen[str]:
        """Start a command, in a process group of its own, and leave it running; it is ended with the test."""
        process = subprocess.Popen(
            [*HUB, *words],
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            process_group=0,
        )
        self.started.append(process)
        return process

    def serve(self, *words: str, log: Path, module: str = "hub.cli.main") -> subprocess.Popen[str]:
        """Start a command as `begin` does; what it says goes into a file, however much that is.

        `module` is another program of the tests that ends up in the command.
        """
        with log.open("a") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                cwd=self.folder,
                env={**self.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                text=True,
                process_group=0,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()


@pytest.fixture
def new_shell(run_folder: Path) -> Iterator[Callable[..., Shell]]:
    """Make shells: `new_shell(folder, HUB_KAFKA=…)`. English, and no settings of the person who runs the tests.

    Commands start from compiled modules, as an installed hub does, wherever the tests themselves run from.
    """
    shells: list[Shell] = []

    def make(folder: Path, **environ: str) -> Shell:
        foreign = ("HUB_", "LC_", "LANG", "COLUMNS", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        kept.setdefault("PYTHONPYCACHEPREFIX", str(run_folder / "compiled"))
        folder.mkdir(parents=True, exist_ok=True)
        shells.append(Shell(folder, {**kept, "LANG": "C.UTF-8", **environ}))
        return shells[-1]

    yield make
    for shell in shells:
        shell.end()


@pytest.fixture
def service() -> Iterator[Service]:
    """A real HTTP service on loopback that receivers call."""
    service = Service()
    yield service
    service.stop()
