"""Logs on stderr, warnings and worse: a JSON object a line, on a terminal text; the libraries' chatter is left out."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

# They warn of every reconnection, which the hub itself reports once and in its own words.
NOISY = ("aiokafka", "faststream", "alembic", "asyncio", "httpx", "uvicorn", "kafka")
KNOWN = 1000  # messages remembered


class JsonLines(logging.Formatter):
    """Writes a record as `{"at", "level", "logger", "message"}`; of an error its kind, never its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["error"] = record.exc_info[0].__name__
        return json.dumps(said, ensure_ascii=False)


class Lines(logging.Formatter):
    """Writes a record for a person at a terminal: when, how bad, and what."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created).astimezone().isoformat(" ", "seconds")
        error = f" ({record.exc_info[0].__name__})" if record.exc_info and record.exc_info[0] is not None else ""
        return f"{at}  {record.levelname.lower()}  {record.getMessage()}{error}"


class Once(logging.Filter):
    """Lets a message through once in a while, however often it comes: what is waited for says so again and again."""

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record is to be written."""
        key = (record.name, record.getMessage())
        before = self._said.get(key)
        if before is not None and record.created - before < self._seconds:
            return False
        if len(self._said) >= KNOWN:
            self._said.clear()
        self._said[key] = record.created
        return True


def set_up(*, verbose: bool) -> None:
    """Let the process log to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines() if sys.stderr.isatty() else JsonLines())
    handler.addFilter(Once())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if verbose else logging.CRITICAL)
