"""A MariaDB server of this machine, with its data in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

_STARTED: dict[int, subprocess.Popen[bytes]] = {}  # of this process
MEND = "apt-get install --no-install-recommends mariadb-server"


def start() -> dict[str, Any]:
    """Start a server on loopback, and return its `url`, `data` and `pid`; skips the test where there is none."""
    server, install = _program("mariadbd"), _program("mariadb-install-db")
    if server is None or install is None:
        pytest.skip(f"there is no MariaDB on this machine: {MEND}")
    data = Path(tempfile.mkdtemp(prefix="hub-test-mariadb-"))
    account = _account()
    state = {"data": str(data)}
    try:
        if account:
            os.chown(data, account.pw_uid, account.pw_gid)
        common = [f"--datadir={data}/db", "--no-defaults"][::-1]
        _run([install, *common, "--auth-root-authentication-method=normal", "--skip-test-db"], account, data)
        port = _free_port()
        log = (data / "log").open("wb")
        process = subprocess.Popen(
            [
                server,
                *common,
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={data}/socket",
                f"--pid-file={data}/pid",
                "--sql-mode=",  # lenient, as legacy servers are: what does not fit would be cut
                "--skip-log-bin",
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-buffer-pool-size=32M",
                "--performance-schema=OFF",
                "--lower-case-table-names=0",
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=data,
            start_new_session=True,
            **_as(account),
        )
        log.close()
        _STARTED[process.pid] = process
        state |= {"url": f"mysql+pymysql://root@127.0.0.1:{port}/mysql", "pid": process.pid}
        _wait(str(state["url"]), process, data)
    except BaseException:
        if "pid" in state:
            os.kill(int(state["pid"]), signal.SIGKILL)
        shutil.rmtree(data, ignore_errors=True)
        raise
    return state


def stop(state: dict[str, Any]) -> None:
    try:
        os.kill(state["pid"], signal.SIGKILL)
        started = _STARTED.pop(state["pid"], None)
        _ended(state["pid"]) if started is None else started.wait(20)
    finally:
        shutil.rmtree(state["data"], ignore_errors=True)


def _ended(pid: int) -> None:
    """Wait for the end of a server that another process of the run has started."""
    end = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.02)


def _wait(url: str, process: subprocess.Popen[bytes], data: Path) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    end = time.monotonic() + 90
    while True:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"mariadbd failed: {(data / 'log').read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.05)
        else:
            return


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin")


def _account() -> pwd.struct_passwd | None:
    """MariaDB refuses to run as root: find somebody it runs as."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return known.get("mysql") or known["nobody"]


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}


def _run(command: list[str], account: pwd.struct_passwd | None, data: Path) -> None:
    with (data / "install.out").open("wb") as stream:
        done = subprocess.run(
            command,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
            **_as(account),
        )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(data / 'install.out').read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
