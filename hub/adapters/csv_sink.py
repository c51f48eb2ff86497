"""Writes one complete CSV file a batch, which its reader sees whole or not at all.

A batch is written to a hidden file and synced; when the hub has recorded it, a rename makes it visible. The hidden
`.<system>.<receiver>.hub` remembers the names written here: when both the hidden and the visible file are gone, it
tells a file that its reader has already taken (done) from a folder that was emptied (written again).
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from hub.adapters.contract import Batch, Delivery, Outcome, Site
from hub.adapters.files import make_folder, named, open_locked, sync_folder, write_all, write_durable
from hub.errors import Malformed, ReceiverStopped, Rejected

FIXED = ("delivery_key", "event_id", "type", "subject", "time", "action")
REMEMBERED = 200  # names of files, far more than can be unfinished at once

Column = Callable[[Delivery, Batch], Any]


class CsvSink:
    """The files of one receiver in one folder, of which it is the only writer."""

    def __init__(
        self, site: Site, path: str, *, encoding: str, delimiter: str, columns: Mapping[str, Column] | None = None
    ) -> None:
        self._key = site.key
        self._name = path
        self._folder = site.folder / path
        self._fields = site.fields
        self._encoding = encoding
        self._delimiter = delimiter
        self._columns = columns
        self._descriptor: int | None = None
        self._last_time = datetime.min.replace(tzinfo=UTC)

    async def prepare(self, batch: Batch) -> dict[str, Any]:
        """Write and sync the hidden file; deliveries with characters the encoding lacks are refused in the token."""
        return await asyncio.to_thread(self._prepare, batch)

    async def commit(self, batch: Batch, token: dict[str, Any]) -> list[Outcome]:
        """Rename the hidden file to its visible name."""
        if token["file"]:
            await asyncio.to_thread(self._publish, token)
        return _outcomes(batch, token)

    async def recover(self, batch: Batch, token: dict[str, Any]) -> list[Outcome]:
        """See the file there, or make it visible, or write it again. Raises `ReceiverStopped` for a foreign file."""
        if token["file"]:
            await asyncio.to_thread(self._recover, batch, token)
        return _outcomes(batch, token)

    async def withdraw(self, batch: Batch, token: dict[str, Any]) -> bool:  # noqa: ARG002
        """Remove the hidden file; False when it is visible, or was and its reader has taken it."""
        return not token["file"] or await asyncio.to_thread(self._withdraw, token)

    async def close(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _prepare(self, batch: Batch) -> dict[str, Any]:
        content, refused = self._content(batch, {})
        name = self._file_name(batch) if len(refused) < len(batch.deliveries) else ""
        token = {"folder": self._name, "file": name, "no": batch.no, "refused": refused}
        if name:
            with named("write in", self._folder):
                journal = self._journal()
                write_durable(self._hidden(token), content)
                self._remember(journal, name)
                sync_folder(self._folder)
        return token

    def _publish(self, token: dict[str, Any]) -> None:
        visible = self._folder / token["file"]
        with named("write in", self._folder):
            self._journal(token)
            if visible.exists():
                raise self._foreign(visible)
            self._hidden(token).rename(visible)
            sync_folder(self._folder)

    def _recover(self, batch: Batch, token: dict[str, Any]) -> None:
        content, _ = self._content(batch, token["refused"])
        hidden, visible = self._hidden(token), self._folder / token["file"]
        with named("write in", self._folder):
            journal = self._journal(token)
            if visible.exists():
                if hidden.exists() or visible.read_bytes() != content:
                    raise self._foreign(visible)
                sync_folder(self._folder)
            elif hidden.exists() or token["file"] not in self._remembered(journal):
                write_durable(hidden, content)
                self._remember(journal, token["file"])
                self._publish(token)

    def _withdraw(self, token: dict[str, Any]) -> bool:
        hidden, visible = self._hidden(token), self._folder / token["file"]
        with named("write in", self._folder):
            journal = self._journal(token)
            if visible.exists():
                return False
            if hidden.exists():
                hidden.unlink()
                sync_folder(self._folder)
                return True
            return token["file"] not in self._remembered(journal)

    def _content(self, batch: Batch, refused: Mapping[str, list[str]]) -> tuple[bytes, dict[str, list[str]]]:
        """Return the file, and key → [code, message] of the deliveries it leaves out (given, or found here)."""
        wanted = [delivery for delivery in batch.deliveries if delivery.key not in refused]
        left_out: dict[str, list[str]] = {}
        names, rows = self._table(batch, wanted, left_out)
        text = self._text([names, *rows.values()])
        try:
            return text.encode(self._encoding), left_out
        except UnicodeEncodeError:
            pass
        for key, row in list(rows.items()):
            found = next((pair for pair in zip(names, row, strict=True) if self._stranger(pair[1])), None)
            if found is not None:
                left_out[key] = [
                    "unencodable",
                    f"{self._stranger(found[1])} in `{found[0]}` is not in {self._encoding}",
                ]
                del rows[key]
        try:
            return self._text([names, *rows.values()]).encode(self._encoding), left_out
        except UnicodeEncodeError as error:
            raise ReceiverStopped(
                f"a column name is not in {self._encoding}: {error.object[error.start]}",
                mend="choose another `encoding` or other names in `columns`",
                code="unencodable",
            ) from None

    def _table(
        self, batch: Batch, wanted: list[Delivery], left_out: dict[str, list[str]]
    ) -> tuple[list[str], dict[str, list[str]]]:
        """Return the header and the row of every delivery."""
        if not self._columns:
            fields = list(dict.fromkeys([*self._fields, *(name for one in wanted for name in one.data)]))
            fields = [name for name in fields if name != "restored" or name in self._fields]
            names = [*FIXED, *(f"data.{name}" if name in FIXED else name for name in fields)]
            return names, {one.key: [*_fixed(one), *(_cell(one.data.get(name)) for name in fields)] for one in wanted}
        rows = {}
        for one in wanted:
            try:
                rows[one.key] = [_cell(column(one, batch)) for column in self._columns.values()]
            except Malformed as error:
                left_out[one.key] = [error.code, str(error)]
        return list(self._columns), rows

    def _text(self, rows: Iterable[list[str]]) -> str:
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=self._delimiter, lineterminator="\r\n").writerows(rows)
        return stream.getvalue()

    def _stranger(self, text: str) -> str:
        """Return the first character the encoding lacks, with its code point, or nothing."""
        try:
            text.encode(self._encoding)
        except UnicodeEncodeError as error:
            sign = error.object[error.start]
            return f"U+{ord(sign):04X}" if "\ud800" <= sign <= "\udfff" else f"{sign} (U+{ord(sign):04X})"
        return ""

    def _file_name(self, batch: Batch) -> str:
        """Return a name that sorts after every earlier one of this sink, also when the clock is set back."""
        now = datetime.now(UTC)
        now = self._last_time = max(now, self._last_time + timedelta(milliseconds=1))
        return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z_{self._key}_{batch.no:09d}.csv"

    def _hidden(self, token: dict[str, Any]) -> Path:
        return self._folder / f".{self._key}_{token['no']:09d}.part"

    def _journal(self, token: dict[str, Any] | None = None) -> int:
        """Return the descriptor of the locked journal, opened anew when the folder was replaced."""
        if token is not None and token["folder"] != self._name:
            raise ReceiverStopped(
                f"a batch is half written in {token['folder']}, but `path` is now {self._name}",
                mend="set `path` back until the batch is finished",
                code="path-changed",
            )
        path = self._folder / f".{self._key}.hub"
        if self._descriptor is not None:
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(self._descriptor)):
                    return self._descriptor
            os.close(self._descriptor)
            self._descriptor = None
        make_folder(self._folder)
        self._descriptor = open_locked(path)
        return self._descriptor

    def _remembered(self, journal: int) -> list[str]:
        """Return the names of the last files written here."""
        return os.pread(journal, os.fstat(journal).st_size, 0).decode("utf-8", "replace").split("\n")[:-1]

    def _remember(self, journal: int, name: str) -> None:
        names = self._remembered(journal)
        if len(names) >= 2 * REMEMBERED:
            os.ftruncate(journal, 0)
            name = "\n".join([*names[-REMEMBERED:], name])
        write_all(journal, f"{name}\n".encode())
        os.fsync(journal)

    def _foreign(self, path: Path) -> ReceiverStopped:
        return ReceiverStopped(
            f"{path} is there already, and is not what the hub writes now",
            mend="put the file aside, then resume the receiver",
            code="foreign-hand",
        )


def _fixed(delivery: Delivery) -> list[str]:
    return [delivery.key, delivery.event_id, delivery.type, delivery.subject, delivery.time, delivery.action]


def _cell(value: Any) -> str:
    """Return a text as it is, an absent value empty, anything else as compact JSON (`true`, `12`, `{"a":1}`)."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _outcomes(batch: Batch, token: dict[str, Any]) -> list[Outcome]:
    refused: dict[str, list[str]] = token["refused"]
    if not refused:
        return [Outcome(one.key) for one in batch.deliveries]
    return [
        Outcome(one.key, Rejected(refused[one.key][1], code=refused[one.key][0]) if one.key in refused else None)
        for one in batch.deliveries
    ]
