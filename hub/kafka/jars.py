"""The jars of the local broker: pinned in `kafka.lock.toml`, fetched once, checked before every use.

They stand in `$XDG_CACHE_HOME/hub/kafka-<version>-<lock>/` (default `~/.cache/hub`). They are fetched beside it and
moved there whole; a damaged one is fetched again. `HUB_MAVEN` names another repository: an address or a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hub.errors import BrokerUnavailable

Say = Callable[[str], None]

_LOCK = Path(__file__).with_name("kafka.lock.toml")
_OFFLINE = "without network: hub kafka install --from FOLDER; another repository: HUB_MAVEN"
_ROOM = 128 * 1024 * 1024  # the jars are 43 MB, and stand there twice while they are moved


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artifact: its Maven coordinate `group:artifact:version` and SHA-256 (hex)."""

    coordinate: str
    sha256: str

    @property
    def file(self) -> str:
        """Return the name it has in a repository and in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


@cache
def locked() -> tuple[str, tuple[Jar, ...]]:
    """Return Kafka's version and every jar of the lock."""
    lock = tomllib.loads(_LOCK.read_text(encoding="utf-8"))
    return lock["version"], tuple(Jar(**jar) for jar in lock["jar"])


def cache_folder() -> Path:
    """Return where the hub keeps what it fetched, for all cities of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hub"


def say_on_stderr(text: str) -> None:
    """Tell a person how it goes on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def install(from_folder: Path | None = None, *, say: Say = say_on_stderr) -> Path:
    """Return the folder with every jar, fetched and checked.

    `from_folder` holds the jars at any depth; with it no network is used.

    Raises BrokerUnavailable when one cannot be had, is not the pinned one, or does not fit on the disk.
    """
    target = jar_folder()
    if damaged := _damaged(target):
        with one_at_a_time(target.parent):
            damaged = _damaged(target)  # another command may have fetched them while this one waited
            if damaged:
                _install(damaged, target, from_folder, say)
    return target


def jar_folder() -> Path:
    """Return where the jars of this lock belong."""
    version, jars = locked()
    digest = hashlib.sha256("".join(jar.sha256 for jar in jars).encode()).hexdigest()
    return cache_folder() / f"kafka-{version}-{digest[:8]}"


def _install(wanted: list[Jar], target: Path, from_folder: Path | None, say: Say) -> None:
    try:
        if shutil.disk_usage(target.parent).free < _ROOM:
            raise BrokerUnavailable(f"no room for Kafka in {target.parent}", mend="128 MB free are needed")
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="fetch-") as scratch:
            found = _from_folder(wanted, from_folder) if from_folder else _download(wanted, Path(scratch), say)
            whole = Path(scratch) / "jars"
            whole.mkdir()
            for jar, path in found.items():
                shutil.copyfile(path, whole / jar.file)
                _check(jar, whole / jar.file)
            _put(whole, target)
    except OSError as fault:
        raise BrokerUnavailable(f"Kafka's jars cannot be stored in {target.parent}: {fault}") from fault


def _put(whole: Path, target: Path) -> None:
    """Move complete files into place, each in one step; what Java recorded of others is of no use to it any more."""
    target.mkdir(exist_ok=True)
    for archive in target.glob("*.aot"):
        archive.unlink(missing_ok=True)
    for path in whole.iterdir():
        path.replace(target / path.name)


def _damaged(folder: Path) -> list[Jar]:
    _, jars = locked()
    return [jar for jar in jars if _digest(folder / jar.file) != jar.sha256]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def _check(jar: Jar, path: Path) -> None:
    if (actual := _digest(path)) != jar.sha256:
        raise BrokerUnavailable(
            f"wrong checksum for {jar.coordinate}: {actual[:16]}… instead of {jar.sha256[:16]}…",
            mend="the repository or the folder holds another file of that name: " + _OFFLINE,
        )


def _from_folder(wanted: list[Jar], folder: Path) -> dict[Jar, Path]:
    there = {path.name: path for path in folder.rglob("*.jar")}
    if missing := [jar.file for jar in wanted if jar.file not in there]:
        raise BrokerUnavailable(
            f"{folder} lacks {len(missing)} of {len(wanted)} jars: {', '.join(missing[:5])}",
            mend="copy them from the cache of a machine that has them: " + str(jar_folder()),
        )
    return {jar: there[jar.file] for jar in wanted}


def _download(wanted: list[Jar], scratch: Path, say: Say) -> dict[Jar, Path]:
    import truststore  # noqa: PLC0415 - only the one command that fetches pays for these imports
    from jgo.maven import MavenContext  # noqa: PLC0415

    version, _ = locked()
    repository = os.environ.get("HUB_MAVEN", "")
    local = [Path(repository).expanduser()] if repository and "://" not in repository else []
    remote = {"mirror": repository.rstrip("/")} if "://" in repository else ({} if local else None)
    context = MavenContext(repo_cache=scratch / "m2", local_repos=local, remote_repos=remote, timeout=30)

    def fetch(jar: Jar) -> tuple[Jar, Path]:
        group, artifact, at = jar.coordinate.split(":")
        path: Path = context.project(group, artifact).at_version(at).artifact().resolve()
        return jar, path

    say(f"Apache Kafka {version}: fetching {len(wanted)} jars (once)")
    found: dict[Jar, Path] = {}
    truststore.inject_into_ssl()
    try:
        with ThreadPoolExecutor(6) as pool:
            for jar, path in pool.map(fetch, wanted):
                found[jar] = path
                if len(found) % 10 == 0 or len(found) == len(wanted):
                    say(f"Apache Kafka {version}: {len(found)} of {len(wanted)} jars")
    except (RuntimeError, OSError) as fault:  # requests' errors are OSErrors; jgo says RuntimeError for "not found"
        raise BrokerUnavailable(f"Kafka's jars cannot be fetched: {fault}", mend=_OFFLINE) from fault
    finally:
        truststore.extract_from_ssl()
    return found


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one command at a time write into the cache `folder`; raises BrokerUnavailable when nobody can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = (folder / "lock").open("w")
    except OSError as fault:
        raise BrokerUnavailable(f"{folder} cannot be written: {fault}", mend="set XDG_CACHE_HOME") from fault
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
