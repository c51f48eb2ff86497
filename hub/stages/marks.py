"""Marks of rows: keyed hashes that say whether a row has changed, and in which columns, without holding it.

A mark is one byte (the number of its shape, a list of columns), 16 bytes of the whole content, and 8 bytes a column.
All are HMAC-SHA-256 under the city's own key, cut; the row's key goes into each, so that equal values of two residents
do not look equal. A column whose value nobody knows has zeros.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from hub.errors import ConfigurationError, Problem

FILE = "extracts.key"  # in the city's `var/`
KEY, WHOLE, TAG = 16, 16, 8  # bytes
UNKNOWN = bytes(TAG)
_BYTES = 32


class Marks:
    """Makes and compares marks: `shapes` are lists of columns by number, `shape` is the number of the present one."""

    def __init__(self, secret: bytes, shapes: Sequence[Sequence[str]], shape: int) -> None:
        self._secret = secret
        self._shapes = shapes
        self._shape = bytes([shape])
        self.columns = tuple(shapes[shape])

    def key(self, value: Any) -> bytes:
        """Return the hash of a row's key."""
        return self._hash(b"key", text_of(value).encode(), KEY)

    def whole(self, key: bytes, row: Mapping[str, Any]) -> bytes:
        """Return the hash of the columns that are compared, all of which the row must have."""
        return self._hash(b"row" + key, orjson.dumps([text_of(row[name]) for name in self.columns]), WHOLE)

    def mark(self, key: bytes, row: Mapping[str, Any], before: bytes = b"") -> bytes:
        """Return the mark of a row; columns the row lacks are those of the mark before, or not known."""
        known = self.tags(before)
        tags = [self._tag(key, name, row[name]) if name in row else known.get(name, UNKNOWN) for name in self.columns]
        lacking = any(name not in row for name in self.columns)
        return self._shape + (bytes(WHOLE) if lacking else self.whole(key, row)) + b"".join(tags)

    def tags(self, mark: bytes) -> dict[str, bytes]:
        """Return the hash of each column a mark knows."""
        if not mark:
            return {}
        names, start = self._shapes[mark[0]], 1 + WHOLE
        parts = {name: mark[start + TAG * at : start + TAG * (at + 1)] for at, name in enumerate(names)}
        return {name: tag for name, tag in parts.items() if tag != UNKNOWN}

    def same(self, mark: bytes, whole: bytes) -> bool:
        """Say whether a mark is of the present shape and holds this content."""
        return mark[:1] == self._shape and mark[1 : 1 + WHOLE] == whole

    def changed(self, key: bytes, mark: bytes, row: Mapping[str, Any]) -> list[str]:
        """Return the columns in which a row differs from what the mark knows."""
        known = self.tags(mark)
        return [name for name in self.columns if name in known and known[name] != self._tag(key, name, row[name])]

    def _tag(self, key: bytes, name: str, value: Any) -> bytes:
        return self._hash(b"tag" + key, f"{name}\0{text_of(value)}".encode(), TAG)

    def _hash(self, kind: bytes, content: bytes, size: int) -> bytes:
        return hmac.digest(self._secret, kind + b"\0" + content, "sha256")[:size]


def text_of(value: Any) -> str:
    """Return a value as marks compare it: nothing and an empty text are alike, a number is its digits."""
    if type(value) is str:
        return value
    return "" if value is None else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def fingerprint(secret: bytes) -> str:
    """Return what tells one key from another without being of use to make hashes."""
    return hmac.digest(secret, b"fingerprint", "sha256").hex()[:16]


def load_key(var: Path) -> bytes:
    """Return the city's key for marks, made at the first call, for this user alone. Raises `ConfigurationError`."""
    file = var / FILE
    var.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        fresh = var / f"{FILE}.{secrets.token_hex(8)}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(descriptor, secrets.token_bytes(_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(fresh, file)  # never over the key of a process that was faster
        fresh.unlink()
    key = file.read_bytes()
    if len(key) != _BYTES:
        mend = "put it back from the backup; lost for good: remove it, then hub source baseline SYSTEM.SOURCE"
        raise ConfigurationError([Problem(str(file), "this is not the key of full extracts", mend)])
    return key
