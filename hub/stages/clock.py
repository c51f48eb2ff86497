"""The time, and how it is written in events."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_batch_id(kind: str, moment: datetime) -> str:
    """Return an id for a batch that brings none: its kind, the second in UTC, and chance."""
    return f"{kind}-{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
