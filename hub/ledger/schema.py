"""The ledger's schema: created and upgraded by Alembic migrations that travel in the package.

Each migration but the first says `phase = "pre"` or `phase = "post"`; what that means is in `hub.ledger.revision`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hub.errors import ConfigurationError, Problem, UsageError
from hub.ledger.engine import Ledger
from hub.ledger.revision import HEAD, NEEDS, OLDEST, fits, state_of
from hub.ledger.tables import meta, receiver

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_LEDGER_ID = "ledger-id"
Part = Literal["all", "pre", "post"]


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - slow to import, and needed only when something is to be done

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def found(ledger: Ledger) -> tuple[str | None, str | None]:
    """Return the revision the database is at, None when it is empty, and the oldest program it allows."""
    with ledger.read() as connection:
        return _found(connection)


def _found(connection: Connection) -> tuple[str | None, str | None]:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None, None
    now = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    return now, connection.execute(sa.select(meta.c.value).where(meta.c.key == OLDEST)).scalar()


def revision(ledger: Ledger) -> str | None:
    """Return the revision the database is at, None when it is empty."""
    return found(ledger)[0]


def steps() -> list[tuple[str, str]]:
    """Return every revision this program knows with its phase, the oldest first; the first has none."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return _steps(ScriptDirectory.from_config(_config()))


def _steps(scripts: ScriptDirectory) -> list[tuple[str, str]]:
    return [(each.revision, getattr(each.module, "phase", "")) for each in scripts.walk_revisions()][::-1]


def revisions() -> list[str]:
    """Return every revision this program knows, the newest first."""
    return [each for each, _ in steps()][::-1]


def due(now: str | None) -> dict[str, list[str]]:
    """Return the steps that a ledger has before it, by phase; empty where this program does not know its revision."""
    known = steps()
    ahead = [] if now is None or now not in {each for each, _ in known} else [s for s in known if s[0] > now]
    return {phase: [each for each, of in ahead if of == phase] for phase in ("pre", "post")}


def upgrade(ledger: Ledger, part: Part = "all") -> tuple[str | None, str]:
    """Bring the database to the newest revision, or by one part of the way; return `(before, now)`.

    `pre` makes the steps that only add, as far as no `post` step stands between them; `post` the rest, and only when
    all of `pre` is done. An empty ledger is made whole. Commands that start at once wait in turn. Raises
    ConfigurationError for a ledger this program does not know, and UsageError when `post` comes while an older process
    delivers or before `pre` is done.
    """
    before, oldest = found(ledger)
    if state_of(before, oldest) in ("current", "ahead"):
        return before, str(before)
    from alembic import command  # noqa: PLC0415

    known = steps()
    goal = _goal(before, part, known)
    if goal == before:
        return before, goal
    with ledger.write() as connection:
        if not ledger.sqlite:
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(728119)"))
        if _found(connection)[0] != before:  # another program was first, perhaps a newer one
            return before, str(_found(connection)[0])
        allowed = _oldest(goal, known)
        if before is not None and allowed > before:
            _refuse_running(ledger, connection, allowed)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, goal)
        _note(connection, _LEDGER_ID, str(uuid.uuid4()), "NOTHING")
        _note(connection, OLDEST, allowed, "UPDATE SET value = excluded.value")
    return before, goal


def _note(connection: Connection, key: str, value: str, again: str) -> None:
    insert = f"INSERT INTO meta(key, value) VALUES (:key, :value) ON CONFLICT (key) DO {again}"
    connection.execute(sa.text(insert), {"key": key, "value": value})


def _goal(before: str | None, part: Part, known: list[tuple[str, str]]) -> str:
    """Return the revision to go to. Raises ConfigurationError and UsageError."""
    if before is None:
        return HEAD
    if before not in [each for each, _ in known]:
        raise _refused(before)
    if part == "post" and before < NEEDS:
        raise UsageError("the ledger lacks what comes before `--post`", mend="hub db upgrade --pre")
    goal = before
    for each, phase in known:
        if each > before and part == "pre" and phase == "post":
            break
        goal = max(goal, each)
    return goal


def _oldest(goal: str, known: Iterable[tuple[str, str]]) -> str:
    """Return the oldest program that may work with a ledger at a revision: the HEAD it must have at least."""
    return max(each for each, phase in known if each <= goal and phase != "pre")


def _refuse_running(ledger: Ledger, connection: Connection, allowed: str) -> None:
    """Raise UsageError when a process that is too old for what comes holds a lease: it would go on, and fail."""
    alive = sa.select(receiver.c.owner).distinct().where(receiver.c.until > sa.text(ledger.clock))
    owners = [owner.rpartition("@") for owner in connection.execute(alive).scalars() if owner]
    old = sorted(who or made for who, _, made in owners if not who or made < allowed)
    if old:
        who = ", ".join(old)
        mend = "end them and start the new version, then `hub db upgrade --post`"
        raise UsageError(f"older processes still deliver: {who}", mend=mend, code="older-running")


def ready(ledger: Ledger) -> str:
    """Return the ledger's id, creating an empty ledger's tables; raises ConfigurationError when it must be upgraded."""
    now, oldest = found(ledger)
    if now is None:
        upgrade(ledger)
        now, oldest = found(ledger)
    if not fits(now, oldest):
        raise _refused(str(now))
    with ledger.read() as connection:
        return str(connection.execute(sa.select(meta.c.value).where(meta.c.key == _LEDGER_ID)).scalar_one())


def _refused(now: str) -> ConfigurationError:
    """Return what is wrong with a ledger that this program cannot work with, and the mend."""
    if now in revisions():
        mend = "run `hub db upgrade`, or while older processes go on `hub db upgrade --pre`"
    else:
        mend = "this ledger was made by a newer hub: install that one"
    return ConfigurationError([Problem("HUB_LEDGER", f"the ledger is at revision {now}, not {HEAD}", mend)])
