"""Addresses of places: `in/juki/*.csv`, `sftp://user@host:22/dir/*.csv`, `s3://bucket/prefix/*.csv`."""

from __future__ import annotations

import re
from dataclasses import dataclass

SIGNS = "*?["
_SFTP = re.compile(
    r"sftp://(?P<user>[^@/:]+)@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@/:\[\]]+)(:(?P<port>[0-9]{1,5}))?/(?P<rest>.*)"
)
_S3 = re.compile(r"s3://(?P<host>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Address:
    """A `path` in parts: `folder` is what stands before the first sign, `parts` are the patterns after it.

    `host` is the bucket of an object storage. `parts` is empty for the folder of a sink.
    """

    written: str
    scheme: str = ""
    user: str = ""
    host: str = ""
    port: int = 22
    folder: str = ""
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str) -> Address:
        """Return the parts of a path. Raises `ValueError` naming the right form."""
        if "://" not in path:
            return cls(path)
        if found := _SFTP.fullmatch(path):
            folder, parts = _split(found["rest"])
            folder = folder[2:] or "." if folder[:2] in ("~/", "~") else "/" + folder
            host = found["host"].strip("[]")
            return cls(path, "sftp", found["user"], host, int(found["port"] or 22), folder, parts)
        if found := _S3.fullmatch(path):
            folder, parts = _split(found["rest"])
            return cls(path, "s3", host=found["host"], folder=folder, parts=parts)
        if path.startswith("sftp://"):
            raise ValueError("write sftp://user@host/dir/, or sftp://user@host/~/dir/ from the user's home")
        if path.startswith("s3://"):
            raise ValueError("write s3://bucket/prefix/")
        raise ValueError("a path is a folder of the city, sftp://… or s3://…")

    @property
    def place(self) -> str:
        """Return the address without what is looked for, for people."""
        return self.written[: len(self.written) - len("/".join(self.parts))] if self.parts else self.written


def _split(path: str) -> tuple[str, tuple[str, ...]]:
    """Return the folder and the patterns; without a sign the last part is the pattern, unless a slash ends it."""
    steps = [step for step in path.split("/") if step]
    first = next((index for index, step in enumerate(steps) if any(sign in step for sign in SIGNS)), None)
    if first is None:
        first = len(steps) if not path or path.endswith("/") else len(steps) - 1
    return "/".join(steps[:first]), tuple(steps[first:])
