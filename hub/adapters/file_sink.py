"""Writes one complete file a batch, which its reader sees whole or not at all. Any format, any place.

A batch is written to a hidden file; when the hub has recorded it, a rename makes it visible. The place remembers the
names written there: when both the hidden and the visible file are gone, that tells a file which its reader has already
taken (done) from a folder that was emptied (written again).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from hub.adapters.contract import Batch, Delivery, Outcome, Site
from hub.adapters.places import Outbox, is_left_alone
from hub.adapters.turns import Turns
from hub.errors import Malformed, ReceiverStopped, Rejected, Transient

Column = Callable[[Delivery, Batch], Any]


@dataclass(slots=True)
class Content:
    """A file's bytes; by delivery key the `refused` ones with code and message, and `notes` on the others."""

    data: bytes
    refused: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


class Writing(Protocol):
    """How deliveries become a file. The same batch always gives the same bytes."""

    suffix: str

    def content(self, batch: Batch, wanted: Sequence[Delivery]) -> Content:
        """Return the file of the wanted deliveries; those it cannot hold are refused and left out.

        Raises `ReceiverStopped` for what is wrong with the file itself.
        """
        ...


class FileSink:
    """The files of one receiver in one folder, of which it is the only writer."""

    def __init__(self, site: Site, path: str, outbox: Outbox, writing: Writing, name: Column | None = None) -> None:
        self._key = site.key
        self._path = path
        self._outbox = outbox
        self._writing = writing
        self._name = name
        self._turns = Turns()
        self._last_time = datetime.min.replace(tzinfo=UTC)

    async def prepare(self, batch: Batch) -> dict[str, Any]:
        """Write the hidden file; deliveries it cannot hold are refused in the token."""
        return await self._turns.run(self._prepare, batch)

    async def commit(self, batch: Batch, token: dict[str, Any]) -> list[Outcome]:
        """Give the hidden file its visible name."""
        if token["file"]:
            await self._turns.run(self._publish, token)
        return _outcomes(batch, token)

    async def recover(self, batch: Batch, token: dict[str, Any]) -> list[Outcome]:
        """See the file there, or make it visible, or write it again. Raises `ReceiverStopped` for a foreign file."""
        if token["file"]:
            await self._turns.run(self._recover, batch, token)
        return _outcomes(batch, token)

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:  # noqa: ARG002
        """Remove the hidden file; False when it is visible, or was and its reader has taken it."""
        return not token["file"] or await self._turns.run(self._withdraw, token)

    async def close(self) -> None:
        """Let go of the lock and of connections."""
        await self._turns.close(self._outbox.close)

    def _prepare(self, batch: Batch) -> dict[str, Any]:
        content = self._writing.content(batch, batch.deliveries)
        refused = content.refused
        token = {"folder": self._path, "file": "", "no": batch.no, "refused": refused, "notes": content.notes}
        if len(refused) < len(batch.deliveries):
            if refused:  # anew, as `recover` will: what a file says of itself is about those it holds
                content = self._writing.content(batch, _wanted(batch, refused))
            token["file"] = self._file_name(batch)
            self._outbox.lock()
            self._check_free(token)
            self._write(token, content.data)
        return token

    def _write(self, token: dict[str, Any], data: bytes) -> None:
        self._outbox.write(self._hidden(token), data)
        if _line(token) not in self._outbox.remembered():
            self._outbox.remember(_line(token))

    def _publish(self, token: dict[str, Any]) -> None:
        self._lock(token)
        if self._outbox.read(token["file"]) is not None:
            raise self._foreign(token)
        self._outbox.publish(self._hidden(token), token["file"])

    def _recover(self, batch: Batch, token: dict[str, Any]) -> None:
        self._lock(token)
        data = self._writing.content(batch, _wanted(batch, token["refused"])).data
        visible = self._outbox.read(token["file"])
        if visible is not None:
            if visible != data:
                raise self._foreign(token)
            self._outbox.remove(self._hidden(token))
        elif self._outbox.read(self._hidden(token)) is not None or _line(token) not in self._outbox.remembered():
            self._write(token, data)
            self._outbox.publish(self._hidden(token), token["file"])

    def _withdraw(self, token: dict[str, Any]) -> bool:
        self._lock(token)
        if self._outbox.read(token["file"]) is not None:
            return False
        if self._outbox.read(self._hidden(token)) is not None:
            self._outbox.remove(self._hidden(token))
            return True
        return _line(token) not in self._outbox.remembered()

    def _lock(self, token: dict[str, Any]) -> None:
        if token["folder"] != self._path:
            raise ReceiverStopped(
                f"a batch is half written in {token['folder']}, but `path` is now {self._path}",
                mend="set `path` back until the batch is finished",
                code="path-changed",
            )
        self._outbox.lock()

    def _check_free(self, token: dict[str, Any]) -> None:
        """See that no file has the name yet. Raises `Transient` while our own earlier one lies there."""
        if self._name is None or self._outbox.read(token["file"]) is None:
            return
        if any(line.split(" ", 1)[1] == token["file"] for line in self._outbox.remembered()):
            raise Transient(f"the last {token['file']} still lies in {self._path}: it is waited for", code="not-taken")
        raise self._foreign(token)

    def _file_name(self, batch: Batch) -> str:
        """Return what `name` says, or one that sorts after every earlier one, also when the clock is set back."""
        if self._name is None:
            now = datetime.now(UTC)
            now = self._last_time = max(now, self._last_time + timedelta(milliseconds=1))
            moment = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z"
            return f"{moment}_{self._key}_{batch.no:09d}{self._writing.suffix}"
        try:
            name = self._name(batch.deliveries[0], batch)
        except Malformed as error:
            raise ReceiverStopped(
                f"`name`: {error.message}", place=error.place, mend="mend the expression", code="file-name"
            ) from error
        if not isinstance(name, str) or not name or is_left_alone(name) or not name.isprintable() or {*"/\\"} & {*name}:
            raise ReceiverStopped(
                f"`name` gives {name!r}, which cannot be a file's name",
                mend="it is a text without /, and neither hidden nor like an unfinished file",
                code="file-name",
            )
        return name

    def _hidden(self, token: dict[str, Any]) -> str:
        return f".{self._key}_{token['no']:09d}.part"

    def _foreign(self, token: dict[str, Any]) -> ReceiverStopped:
        return ReceiverStopped(
            f"{self._path.rstrip('/')}/{token['file']} is there already, and is not what the hub writes now",
            mend="put the file aside; the receiver then goes on by itself",
            code="foreign-hand",
        )


def _wanted(batch: Batch, refused: dict[str, list[str]]) -> list[Delivery]:
    return [delivery for delivery in batch.deliveries if delivery.key not in refused]


def _line(token: dict[str, Any]) -> str:
    return f"{token['no']:09d} {token['file']}"


def _outcomes(batch: Batch, token: dict[str, Any]) -> list[Outcome]:
    refused: dict[str, list[str]] = token["refused"]
    notes: dict[str, str] = token.get("notes", {})
    if not refused and not notes:
        return [Outcome(one.key) for one in batch.deliveries]
    return [
        Outcome(
            one.key,
            Rejected(refused[one.key][1], code=refused[one.key][0]) if one.key in refused else None,
            notes.get(one.key, ""),
        )
        for one in batch.deliveries
    ]
