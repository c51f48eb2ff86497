"""JSON Lines appended to one file of this machine.

A batch is written in one piece after the length recorded for it, so that a crash can be finished: what stands after
that length is compared with the batch, and only what is missing is appended.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

import orjson

from hub.adapters.contract import Batch, Delivered, Deliveries, Delivery, Outcome, Site
from hub.adapters.files import named, open_locked, sync_folder, write_all
from hub.adapters.turns import Turns
from hub.errors import ReceiverStopped


class AppendingSink:
    """Appends to one file, of which it is the only writer. A file taken away by its reader is begun anew."""

    def __init__(self, path: str, site: Site) -> None:
        self._name = path
        self._path = site.folder / path
        self._turns = Turns()
        self._descriptor: int | None = None
        self._torn: int | None = None  # a length the file could not yet be cut back to

    async def prepare(self, batch: Batch) -> dict[str, Any]:  # noqa: ARG002
        """Record the length the batch will be appended after; nothing is written."""
        return await self._turns.run(self._prepare)

    async def commit(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Append all lines in one write and sync them. Raises `Transient` with the file as it was before."""
        await self._turns.run(self._commit, lines(batch.deliveries), token)
        return Delivered(batch.deliveries)

    async def recover(self, batch: Batch, token: dict[str, Any]) -> Sequence[Outcome]:
        """Append what is missing of the batch; raises `ReceiverStopped` when anything else stands there."""
        await self._turns.run(self._recover, lines(batch.deliveries), token)
        return Delivered(batch.deliveries)

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:
        """Cut back what an earlier commit may have left half written; False when the batch stands whole."""
        return await self._turns.run(self._withdraw, lines(batch.deliveries), token)

    async def close(self) -> None:
        """Close the file and let go of its lock."""
        await self._turns.close(self._close)

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _prepare(self) -> dict[str, Any]:
        with named("write", self._path):
            descriptor = self._whole()
            length = os.fstat(descriptor).st_size
            if length and os.pread(descriptor, 1, length - 1) != b"\n":
                raise self._foreign("does not end with a whole line", length)
        return {"path": self._name, "length": length}

    def _commit(self, data: bytes, token: dict[str, Any]) -> None:
        with named("write", self._path):
            descriptor = self._whole(token)
            length = os.fstat(descriptor).st_size
            if length != token["length"]:
                raise self._foreign("changed length while a batch was prepared for it", token["length"])
            self._append(descriptor, data, back_to=length)

    def _recover(self, data: bytes, token: dict[str, Any]) -> None:
        with named("write", self._path):
            descriptor, length = self._open(token), token["length"]
            if os.fstat(descriptor).st_size < length:
                raise self._foreign("is shorter than when a batch was prepared for it", length)
            standing = os.pread(descriptor, len(data) + 1, length)
            if not data.startswith(standing):
                raise self._foreign("holds something that is not the hub's", length)
            self._append(descriptor, data[len(standing) :], back_to=length)

    def _withdraw(self, data: bytes, token: dict[str, Any]) -> bool:
        with named("write", self._path):
            descriptor, length = self._open(token), token["length"]
            standing = os.pread(descriptor, len(data) + 1, length)
            if not data.startswith(standing):
                raise self._foreign("holds something that is not the hub's", length)
            if standing == data:
                return False
            self._cut(descriptor, length)
            return True

    def _append(self, descriptor: int, data: bytes, *, back_to: int) -> None:
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            self._torn = back_to
            with contextlib.suppress(OSError):  # tried again before the next batch
                self._cut(descriptor, back_to)
            raise
        self._torn = None

    def _whole(self, token: dict[str, Any] | None = None) -> int:
        """Return the descriptor of the file without what an earlier write may have left half done."""
        descriptor = self._open(token)
        if self._torn is not None:
            self._cut(descriptor, self._torn)
        return descriptor

    def _cut(self, descriptor: int, length: int) -> None:
        os.ftruncate(descriptor, length)
        os.fsync(descriptor)
        self._torn = None

    def _open(self, token: dict[str, Any] | None = None) -> int:
        """Return the file's descriptor, opened anew when its reader has taken the file away."""
        if token is not None and token["path"] != self._name:
            raise ReceiverStopped(
                f"a batch is half written to {token['path']}, but `path` is now {self._name}",
                mend="set `path` back until the batch is finished",
                code="path-changed",
            )
        if self._descriptor is not None and not self._is_in_place(self._descriptor):
            os.close(self._descriptor)
            self._descriptor, self._torn = None, None
        if self._descriptor is None:
            self._descriptor = open_locked(self._path)
            sync_folder(self._path.parent)
        return self._descriptor

    def _is_in_place(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(self._path.stat(), os.fstat(descriptor))
        except FileNotFoundError:
            return False

    def _foreign(self, what: str, length: int) -> ReceiverStopped:
        return ReceiverStopped(
            f"{self._path} {what} (after byte {length})",
            mend="only the hub may write this file: put aside what is not the hub's; it then goes on by itself",
            code="foreign-hand",
        )


def lines(deliveries: Sequence[Delivery]) -> bytes:
    """Return one line for every delivery; a body that holds line breaks is written compactly."""
    if not deliveries:
        return b""
    made = deliveries.lines if isinstance(deliveries, Deliveries) else None
    if made is not None:
        return made
    bodies = [each.body for each in deliveries]
    if any(b"\n" in body for body in bodies):
        bodies = [orjson.dumps(each.event) for each in deliveries]
    return b"\n".join((*bodies, b""))
