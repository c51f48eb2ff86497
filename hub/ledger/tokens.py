"""Bearer tokens: each bound to one system, shown once, kept only as a hash."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from hub.errors import NotFound
from hub.ledger.engine import Ledger
from hub.ledger.tables import token as table


@dataclass(frozen=True, slots=True)
class Token:
    """A token as listed: the first digits of its hash name it; times are in milliseconds since 1970."""

    name: str
    system: str
    created_at: int
    revoked_at: int | None


def new(ledger: Ledger, system: str) -> str:
    """Return a new token of a system; it cannot be shown again."""
    text = "hub_" + secrets.token_urlsafe(32)
    with ledger.write() as connection:
        connection.execute(
            sa.insert(table).values(hash=_hash(text), system=system, created_at=ledger.now(connection), revoked_at=None)
        )
    return text


def system_of(ledger: Ledger, text: str) -> str | None:
    """Return the system a token is bound to, or None if it is unknown or revoked."""
    query = sa.select(table.c.system).where(table.c.hash == _hash(text), table.c.revoked_at.is_(None))
    with ledger.read() as connection:
        system: str | None = connection.execute(query).scalar_one_or_none()
    return system


def listing(ledger: Ledger, system: str | None = None) -> list[Token]:
    """Return the tokens, oldest first, of one system or of all."""
    query = sa.select(table).order_by(table.c.created_at, table.c.hash)
    if system is not None:
        query = query.where(table.c.system == system)
    with ledger.read() as connection:
        return [
            Token(row["hash"][:12], row["system"], row["created_at"], row["revoked_at"])
            for row in connection.execute(query).mappings()
        ]


def revoke(ledger: Ledger, name: str) -> None:
    """Take a token back by its name in the listing. Raises `NotFound`."""
    with ledger.write() as connection:
        changed = connection.execute(
            sa.update(table)
            .where(sa.func.substr(table.c.hash, 1, 12) == name, table.c.revoked_at.is_(None))
            .values(revoked_at=ledger.now(connection))
        ).rowcount
    if not changed:
        raise NotFound(f"no valid token {name}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
