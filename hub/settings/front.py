"""What is known of a city before all its files are read: its ledger, its Kafka, its time zone, its systems' titles."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

TIMEZONE = "Asia/Tokyo"
_TITLE = re.compile(r"^title:(?P<said>.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_JAPANESE = re.compile(r"""\bja:[ \t]*(?P<quote>["']?)(?P<title>[^"',}#\n]+)(?P=quote)""")


def ledger_url(folder: Path, environ: Mapping[str, str]) -> str:
    """Return the ledger's SQLAlchemy URL: `HUB_LEDGER` (itself maybe `file:PATH`), or SQLite in the city's `var/`.

    Raises `SecretAbsent`.
    """
    from hub.settings.secret import is_reference, reveal  # noqa: PLC0415 - brings pydantic, and few need it

    url = environ.get("HUB_LEDGER", "").strip()
    if not url:
        return f"sqlite:///{folder}/var/ledger.db"
    return with_driver(reveal(url, folder, environ) if is_reference(url) else url)


def bootstrap(environ: Mapping[str, str]) -> str | None:
    """Return the bootstrap servers that `HUB_KAFKA` names; None means the managed local Kafka under `var/`."""
    return environ.get("HUB_KAFKA", "").strip() or None


def with_driver(url: str) -> str:
    """Return a database URL that names its driver: PostgreSQL goes through psycopg."""
    for scheme in ("postgresql://", "postgres://"):
        if url.startswith(scheme):
            return "postgresql+psycopg://" + url.removeprefix(scheme)
    return url


def timezone(folder: Path) -> str:
    """Return the time zone hub.yaml names, without asking whether there is one; the usual one where it names none."""
    from hub.settings.yaml import scan_yaml  # noqa: PLC0415

    read, _ = scan_yaml(folder / "hub.yaml", folder=folder)
    named = read.items.get("timezone") if read is not None else None
    return str(named.value) if named is not None else TIMEZONE


def titles(folder: Path) -> dict[str, str]:
    """Return the systems' Japanese titles by their names, read off their files' text alone.

    A system whose title cannot be read so has none here.
    """
    found = {}
    for path in sorted((folder / "systems").glob("*.yaml")):
        try:
            title = _TITLE.search(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        japanese = _JAPANESE.search(title["said"]) if title else None
        if japanese:
            found[path.stem] = japanese["title"].strip()
    return found
