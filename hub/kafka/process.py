"""Processes that outlive the command that started them, told apart from others that got their number later."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hub.kafka import private

_LOOK = 0.02  # seconds between looks


def spawn(command: Sequence[str], stream: Path) -> int:
    """Start `command` in a session of its own, its streams on the file `stream`, and return its process id.

    Nobody but this user may read the files it makes.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(stream), flags, private.FILE),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    with private.umask():
        pid = os.posix_spawn(command[0], list(command), os.environ, file_actions=actions, setsid=True)
    wait(lambda: bool(_command_line(pid)), 1.0)  # it may be empty for a moment after the spawn
    return pid


def alive(pid: int, marker: str) -> bool:
    """Say whether process `pid` runs with `marker` on its command line; one that only waits to be reaped does not."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # if it is a child of this process, an ended one is cleared away here
    return marker in _command_line(pid)


def end(pid: int, marker: str, *, grace: float) -> None:
    """End process `pid` if it still is the one with `marker`: by SIGTERM, after `grace` seconds by SIGKILL."""
    for number, limit in ((signal.SIGTERM, grace), (signal.SIGKILL, 10.0)):
        if not alive(pid, marker):
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        if wait(lambda: not alive(pid, marker), limit):
            return


def wait(condition: Callable[[], bool], limit: float) -> bool:
    """Ask `condition` until it holds or `limit` seconds have passed; return whether it held."""
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(_LOOK)
    return True


def _command_line(pid: int) -> str:
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    said = subprocess.run(  # noqa: S603
        ["/bin/ps", "-ww", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return said.stdout
