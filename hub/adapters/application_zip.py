"""A ZIP of an online application service: which of its members are submissions, and which are attachments of which.

Nothing is unpacked under a name that stands in the ZIP. Sizes are bounded while reading, whatever the ZIP says of them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import BinaryIO

from hub.errors import Malformed

MEMBERS = 10_000
LARGEST_MANIFEST = 64 * 1024 * 1024  # bytes
PART = 256 * 1024
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Archive:
    """One ZIP that is open."""

    def __init__(self, stream: BinaryIO, names: str, manifest: str | None) -> None:
        """Open it; `names` is the encoding of members' names that are not marked as UTF-8. Raises `Malformed`."""
        try:
            self._zip = zipfile.ZipFile(stream, metadata_encoding=names)
            members = [each for each in self._zip.infolist() if not each.is_dir()]
        except (*_BROKEN, UnicodeError, LookupError) as error:
            raise _broken(error) from None
        if len(members) > MEMBERS:
            raise Malformed(f"the ZIP has more than {MEMBERS} members", code="zip-too-large")
        self._members = {each.filename: each for each in members}
        self.manifests = _manifests(list(self._members), manifest)
        self.attachments = [name for name in self._members if name not in self.manifests]
        if not self.manifests:
            raise Malformed("the ZIP holds no submission: no .json or .csv", code="zip-empty")

    def manifest(self, name: str) -> bytes:
        """Return the content of a member with submissions. Raises `Malformed`."""
        content = bytearray()
        for part in self.parts(name):
            content += part
            if len(content) > LARGEST_MANIFEST:
                raise Malformed(f"{name} has more than {LARGEST_MANIFEST} bytes", code="zip-too-large")
        return bytes(content)

    def parts(self, name: str) -> Iterator[bytes]:
        """Yield a member's content. Raises `Malformed` (`zip-broken`) for one that cannot be read to its end."""
        try:
            with self._zip.open(self._members[name]) as member:
                while part := member.read(PART):
                    yield part
        except _BROKEN as error:
            raise _broken(error) from None

    def find(self, named: str, manifest: str) -> str | None:
        """Return the attachment that a submission names: from the manifest's folder, from the top, or by name alone."""
        beside = str(PurePosixPath(manifest).parent / named)
        for candidate in (beside, named):
            if candidate in self.attachments:
                return candidate
        alike = [name for name in self.attachments if PurePosixPath(name).name == named]
        return alike[0] if len(alike) == 1 else None


def _manifests(names: list[str], pattern: str | None) -> list[str]:
    """Return the members with submissions: by the pattern, or the .json and .csv nearest to the top."""
    if pattern is not None:
        return sorted(name for name in names if fnmatchcase(name, pattern))
    found = [name for name in names if name.lower().endswith((".json", ".csv"))]
    top = min((name.count("/") for name in found), default=0)
    return sorted(name for name in found if name.count("/") == top)


def _broken(error: Exception) -> Malformed:
    return Malformed(f"the ZIP cannot be read: {type(error).__name__}", code="zip-broken")
