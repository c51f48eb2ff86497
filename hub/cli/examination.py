"""What `hub doctor` looks at."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.cli.codes import meaning
from hub.cli.loop import run
from hub.cli.session import Session
from hub.cli.words import Said, both, same
from hub.errors import ConfigurationError, HubError, Problem

if TYPE_CHECKING:
    from hub.kafka.topics import TopicInfo
    from hub.settings.models import City

OLDEST_PYTHON = (3, 11)
ROOM = 1 << 30  # bytes free under which files and Kafka may soon stop
LEAST_ROOM = 64 << 20
CLOCKS = 2.0  # seconds that this machine's clock and the database's may differ: leases are timed by the database
PORT = 8080
NOTHING = same("")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `level` is ok, warning or error."""

    name: str
    level: str
    found: Said
    mend: Said = NOTHING


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
            said = Said(f"{meaning(error.code)}: {error.message}", error.message)
            findings.append(Finding(name, "error", said, same(error.mend)))
        except OSError as error:
            findings.append(Finding(name, "error", same(str(error))))
    return findings


def _city(session: Session) -> tuple[City | None, list[Finding]]:
    from hub.cli.check import problems_of

    try:
        city = session.city()
        problems = [each for each in problems_of(city) if each.level == "error"]
    except ConfigurationError as error:
        return None, [_broken(error.problems)]
    if problems:
        return city, [_broken(problems)]
    said = both("doctor.city", city=city.city, systems=len(city.systems), rules=len(city.subscriptions()))
    return city, [Finding("city", "ok", said)]


def _broken(problems: Sequence[Problem]) -> Finding:
    found = both("doctor.city-wrong", count=len(problems), first=problems[0])
    return Finding("city", "error", found, same("hub check"))


def _python() -> Iterator[Finding]:
    old = sys.version_info < OLDEST_PYTHON
    mend = both("doctor.python-old") if old else NOTHING
    yield Finding("Python", "error" if old else "ok", same(platform.python_version()), mend)


def _java() -> Iterator[Finding]:
    if _elsewhere():
        return
    from hub.kafka.java import find_java

    java = find_java()
    yield Finding("Java", "ok", same(str(java.version)))


def _jars() -> Iterator[Finding]:
    if _elsewhere():
        return
    from hub.kafka.jars import jar_folder, locked

    version, jars = locked()
    missing = [jar for jar in jars if not (jar_folder() / jar.file).is_file()]
    if missing:
        found = both("doctor.jars-missing", version=version, missing=len(missing), count=len(jars))
        yield Finding("jars", "warning", found, both("doctor.jars-mend"))
    else:
        yield Finding("jars", "ok", both("doctor.jars", version=version, count=len(jars)))


def _disk(session: Session) -> Iterator[Finding]:
    place = next(each for each in (session.folder / "var", session.folder, *session.folder.parents) if each.exists())
    free = shutil.disk_usage(place).free
    level = "error" if free < LEAST_ROOM else "warning" if free < ROOM else "ok"
    mend = NOTHING if level == "ok" else both("doctor.disk-mend", place=place)
    yield Finding("disk", level, both("doctor.disk", free=free / (1 << 30)), mend)


def _var(session: Session) -> Iterator[Finding]:
    var = session.folder / "var"
    if not var.exists():
        writable = os.access(session.folder, os.W_OK)
        mend = NOTHING if writable else both("doctor.var-mend", folder=session.folder)
        yield Finding("var", "ok" if writable else "error", both("doctor.var-none"), mend)
        return
    if not os.access(var, os.W_OK | os.X_OK):
        yield Finding("var", "error", both("doctor.var-closed"), both("doctor.var-closed-mend", folder=var))
    elif var.stat().st_mode & 0o007:
        yield Finding("var", "warning", both("doctor.var-open"), same(f"chmod o-rwx {var}"))
    else:
        yield Finding("var", "ok", both("doctor.var"))


def _port() -> Iterator[Finding]:
    from hub.kafka.ports import free

    if free(PORT):
        yield Finding("port", "ok", both("doctor.port", port=PORT))
    else:
        yield Finding("port", "warning", both("doctor.port-taken", port=PORT), both("doctor.port-mend"))


def _ledger(city: City) -> Iterator[Finding]:
    from hub.ledger import glance, schema
    from hub.ledger.engine import Ledger
    from hub.ledger.revision import HEAD, state_of

    if glance.absent(city.ledger_url):
        yield Finding("ledger", "ok", both("doctor.ledger-none"))
        return
    ledger = Ledger(city.ledger_url, lock_timeout=5.0)
    try:
        found, oldest = schema.found(ledger)
        state = state_of(found, oldest)
        said = both("doctor.ledger-other", revision=found, head=HEAD)
        if state == "empty":
            yield Finding("ledger", "ok", both("doctor.ledger-empty"))
        elif state in ("current", "ahead"):
            yield Finding("ledger", "ok", both("doctor.ledger", dialect=ledger.engine.dialect.name, revision=found))
        elif state == "post-open":
            yield Finding("ledger", "warning", said, both("doctor.ledger-post"))
        else:
            mend = both("doctor.ledger-pre" if state == "pre-open" else "doctor.ledger-newer")
            yield Finding("ledger", "error", said, mend)
        with ledger.read() as connection:
            apart = ledger.now(connection) / 1000 - time.time()
        if abs(apart) > CLOCKS:
            yield Finding("clocks", "warning", both("doctor.clocks-apart", apart=apart), both("doctor.clocks-mend"))
        else:
            yield Finding("clocks", "ok", both("doctor.clocks", apart=apart))
    finally:
        ledger.close()


def _kafka(session: Session, city: City) -> Iterator[Finding]:
    from hub.kafka.local import LocalBroker
    from hub.kafka.topics import reachable, topic_info

    if city.bootstrap is None:
        status = LocalBroker(session.folder / "var").status()
        if not status.running:
            yield Finding("Kafka", "ok", both("doctor.kafka-off"))
            return
        bootstrap = status.bootstrap or ""
    else:
        bootstrap = city.bootstrap
    if not run(reachable(bootstrap)):
        yield Finding("Kafka", "error", both("doctor.kafka-away", bootstrap=bootstrap), both("doctor.kafka-mend"))
        return
    yield Finding("Kafka", "ok", same(bootstrap))
    topic = run(topic_info(bootstrap, f"{city.prefix}.events"))
    if topic is None:
        yield Finding("topics", "ok", both("doctor.topics-none"))
    else:
        yield from _owned(city, topic)


def _owned(city: City, topic: TopicInfo) -> Iterator[Finding]:
    """Say whether the topic is the one this ledger reads, as it was."""
    known = _topics(city.ledger_url)
    if not known:
        mend = both("doctor.topics-unread-mend")
        yield Finding("topics", "warning", both("doctor.topics-unread", topic=topic.name), mend)
    elif topic.uuid not in known:
        yield Finding("topics", "error", both("doctor.topics-other", topic=topic.name), both("doctor.topics-mend"))
    elif known[topic.uuid] != topic.partitions:
        said = both("doctor.topics-parts", topic=topic.name, found=topic.partitions, recorded=known[topic.uuid])
        yield Finding("topics", "error", said, both("doctor.topics-parts-mend"))
    else:
        yield Finding("topics", "ok", both("doctor.topics", topic=topic.name))


def _topics(url: str) -> Mapping[str, int]:
    from hub.ledger import glance
    from hub.ledger.engine import Ledger
    from hub.ledger.views import Views

    if glance.absent(url):
        return {}
    ledger = Ledger(url, lock_timeout=5.0)
    try:
        return Views(ledger).topics()
    finally:
        ledger.close()


def _elsewhere() -> bool:
    return bool(os.environ.get("HUB_KAFKA", "").strip())
