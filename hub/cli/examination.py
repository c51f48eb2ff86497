"""What `hub doctor` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.cli.loop import run
from hub.cli.session import Session
from hub.errors import ConfigurationError, HubError

if TYPE_CHECKING:
    from hub.settings.models import City

OLDEST_PYTHON = (3, 11)
ROOM = 1 << 30  # bytes free under which files and Kafka may soon stop
LEAST_ROOM = 64 << 20
CLOCKS = 2.0  # seconds that this machine's clock and the database's may differ: leases are timed by the database
PORT = 8080


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `level` is ok, warning or error."""

    name: str
    level: str
    found: str
    mend: str = ""


def examine(session: Session) -> list[Finding]:
    """Return a finding of everything; what cannot be looked at is a finding too."""
    city, findings = _city(session)
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [("Python", _python), ("Java", _java), ("jars", _jars)]
    looks += [("disk", lambda: _disk(session)), ("var", lambda: _var(session)), ("port", _port)]
    if city is not None:
        looks += [("ledger", lambda: _ledger(city)), ("Kafka", lambda: _kafka(session, city))]
    for name, look in looks:
        try:
            findings += look()
        except HubError as error:
            findings.append(Finding(name, "error", error.message, error.mend))
        except OSError as error:
            findings.append(Finding(name, "error", str(error)))
    return findings


def _city(session: Session) -> tuple[City | None, list[Finding]]:
    from hub.cli.check import adapter_problems
    from hub.routing import lint

    try:
        city = session.city()
        problems = [each for each in (*adapter_problems(city), *lint.check(city)) if each.level == "error"]
    except ConfigurationError as error:
        return None, [Finding("city", "error", f"{len(error.problems)}: {error.problems[0]}", "hub check")]
    if problems:
        return city, [Finding("city", "error", f"{len(problems)}: {problems[0]}", "hub check")]
    return city, [Finding("city", "ok", f"{city.city}, {len(city.systems)} systems, {len(city.subscriptions())} rules")]


def _python() -> Iterator[Finding]:
    old = sys.version_info < OLDEST_PYTHON
    mend = "install Python 3.11 or later" if old else ""
    yield Finding("Python", "error" if old else "ok", platform.python_version(), mend)


def _java() -> Iterator[Finding]:
    if _elsewhere():
        return
    from hub.kafka.java import find_java

    java = find_java()
    yield Finding("Java", "ok", str(java.version))


def _jars() -> Iterator[Finding]:
    if _elsewhere():
        return
    from hub.kafka.jars import jar_folder, locked

    version, jars = locked()
    missing = [jar for jar in jars if not (jar_folder() / jar.file).is_file()]
    if missing:
        mend = "hub kafka install (or --from FOLDER); otherwise the first start fetches them"
        yield Finding("jars", "warning", f"Kafka {version}: {len(missing)} of {len(jars)} are not there yet", mend)
    else:
        yield Finding("jars", "ok", f"Kafka {version}: all {len(jars)}")


def _disk(session: Session) -> Iterator[Finding]:
    place = next(each for each in (session.folder / "var", session.folder, *session.folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    level = "error" if free < LEAST_ROOM else "warning" if free < ROOM else "ok"
    yield Finding("disk", level, f"{free / (1 << 30):.1f} GiB free", "" if level == "ok" else f"make room at {place}")


def _var(session: Session) -> Iterator[Finding]:
    var = session.folder / "var"
    if not var.exists():
        writable = os.access(session.folder, os.W_OK)
        mend = "" if writable else f"let this user write {session.folder}"
        yield Finding("var", "ok" if writable else "error", "not made yet", mend)
        return
    if not os.access(var, os.W_OK | os.X_OK):
        yield Finding("var", "error", "this user cannot write it", f"give it to the user the hub runs as: {var}")
    elif var.stat().st_mode & 0o007:
        yield Finding("var", "warning", "others may look into it, and it holds personal data", f"chmod o-rwx {var}")
    else:
        yield Finding("var", "ok", "writable")


def _port() -> Iterator[Finding]:
    from hub.kafka.ports import free

    if free(PORT):
        yield Finding("port", "ok", f"{PORT} is free")
    else:
        yield Finding("port", "warning", f"{PORT} is in use", "is `hub run` up? otherwise choose another with --port")


def _ledger(city: City) -> Iterator[Finding]:
    from hub.ledger import glance, schema
    from hub.ledger.engine import Ledger
    from hub.ledger.revision import HEAD

    if glance.absent(city.ledger_url):
        yield Finding("ledger", "ok", "not made yet: the first command makes it")
        return
    ledger = Ledger(city.ledger_url, lock_timeout=5.0)
    try:
        found = schema.revision(ledger)
        if found is None:
            yield Finding("ledger", "ok", "empty: the first command makes its tables")
        elif found == HEAD:
            yield Finding("ledger", "ok", f"{ledger.engine.dialect.name}, revision {found}")
        else:
            yield Finding("ledger", "error", f"revision {found}, not {HEAD}", "hub db upgrade")
        with ledger.read() as connection:
            apart = ledger.now(connection) / 1000 - time.time()
        if abs(apart) > CLOCKS:
            mend = "let both machines keep time by NTP"
            yield Finding("clocks", "warning", f"the database's clock is {apart:+.1f} s from this machine's", mend)
        else:
            yield Finding("clocks", "ok", f"{apart:+.1f} s")
    finally:
        ledger.close()


def _kafka(session: Session, city: City) -> Iterator[Finding]:
    from hub.kafka.local import LocalBroker
    from hub.kafka.topics import reachable, topic_info

    if city.bootstrap is None:
        status = LocalBroker(session.folder / "var").status()
        if not status.running:
            yield Finding("Kafka", "ok", "not running: commands that need it start it")
            return
        bootstrap = status.bootstrap or ""
    else:
        bootstrap = city.bootstrap
    if not run(reachable(bootstrap)):
        yield Finding("Kafka", "error", f"{bootstrap} does not answer", "hub kafka status; or check HUB_KAFKA")
        return
    yield Finding("Kafka", "ok", bootstrap)
    topic = run(topic_info(bootstrap, f"{city.prefix}.events"))
    if topic is None:
        yield Finding("topics", "ok", "not made yet")
    else:
        yield from _owned(city, topic.uuid, topic.name)


def _owned(city: City, uuid: str, topic: str) -> Iterator[Finding]:
    """Say whether the topic is the one this ledger reads."""
    known = _topics(city.ledger_url)
    if uuid in known:
        yield Finding("topics", "ok", f"{topic} is this ledger's")
    elif known:
        mend = "name the right broker, or run `hub kafka adopt`"
        yield Finding("topics", "error", f"{topic} is not the topic this ledger reads", mend)
    else:
        yield Finding("topics", "warning", f"{topic} is there, and this ledger has read nothing yet", "see HUB_LEDGER")


def _topics(url: str) -> Collection[str]:
    from hub.ledger import glance
    from hub.ledger.engine import Ledger
    from hub.ledger.views import Views

    if glance.absent(url):
        return ()
    ledger = Ledger(url, lock_timeout=5.0)
    try:
        return Views(ledger).topics()
    finally:
        ledger.close()


def _elsewhere() -> bool:
    return bool(os.environ.get("HUB_KAFKA", "").strip())
