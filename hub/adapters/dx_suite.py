"""DX Suite: scans go up as units of a workflow, and what was read of them comes back as CSV.

Source: DX Suite Web API: `POST …/workflows/{id}/units` (multipart `files`) → `{unitId, unitName}`,
`GET …/units?unitId=` (`dataProcessingStatus` 600: part failed), `GET …/units/{id}/csv`, header `apikey`; 406 and 409
mean "not yet".

A scan is put away only after the ledger knows its unit. When the hub ends between the two, the scan goes up a second
time and the first unit is never asked for: nothing is read twice.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import httpx
import orjson
from pydantic import Field

from hub.adapters.contract import Row, SourceBatch
from hub.adapters.csv import CsvFormat
from hub.adapters.file_settings import FileSourceSettings
from hub.adapters.file_source import Spot
from hub.adapters.http_answers import shown
from hub.adapters.http_client import Caller, retry_after
from hub.adapters.http_settings import ConnectionSettings
from hub.adapters.ocr_fields import SureSettings, again, confirmed, document, field
from hub.adapters.places import Found, Gone, Inbox
from hub.errors import Malformed, Transient
from hub.settings.secret import Secret

NOT_YET = frozenset({406, 409})
PART_FAILED = 600
LARGEST = 100 * 1024 * 1024  # bytes of a scan


class OcrSettings(FileSourceSettings, SureSettings):
    """What every AI-OCR can be told."""

    encoding: str = Field(default="cp932", description="The encoding of the CSV.")


class DxSuiteSettings(ConnectionSettings):
    """How DX Suite is reached."""

    url: str = Field(pattern="^https?://", description="The API, as far as before `/workflows`.")
    workflow: str = Field(min_length=1, description="The workflow that reads these scans.")
    key: Secret = Field(min_length=1, description="The `apikey`; `env:NAME` or `file:PATH`.")
    confidence: str = Field(
        default="_confidence", description="The end of a column's name that says how sure the field before it is."
    )


class DxSuiteSource:
    """The scans of one pattern, read by one workflow. Positions hold the units that are not read yet."""

    def __init__(self, settings: OcrSettings, service: DxSuiteSettings, inbox: Inbox, folder: Path) -> None:
        self._settings = settings
        self._service = service
        self._url = service.url.rstrip("/")
        self._inbox = inbox
        self._folder = folder
        self._csv = CsvFormat(settings.encoding, ",")

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield what was read of earlier scans, then send up new ones. Raises `Transient` for what waits."""
        position: dict[str, Any] = {"units": {}, "sent": {}, **(after or {})}
        faults: list[Transient] = []
        headers = {"apikey": str(self._service.key)}
        with asyncio.Runner() as runner:
            caller = Caller(self._service, self._folder, headers=headers)
            try:
                yield from self._read_units(runner, caller, position, faults)
                yield from self._send_scans(runner, caller, position, faults)
            finally:
                runner.run(caller.close())
        if faults:
            raise Transient(
                "; ".join(fault.message for fault in faults),
                retry_after=max((fault.retry_after or 0 for fault in faults), default=0) or None,
                reached=any(fault.reached for fault in faults),
                code="dx-suite",
            )

    def acknowledge(self, batch: SourceBatch) -> None:
        """Put a scan away whose unit the ledger knows; one that was changed meanwhile stays."""
        found: Found | None = batch.token
        if found is None or self._settings.after == "keep" or self._inbox.mark(found) != found.mark:
            return
        try:
            self._inbox.move(found) if self._settings.after == "move" else self._inbox.delete(found)
        except Gone:
            return

    def again(self, raw: bytes, head: bytes) -> list[Row]:  # noqa: ARG002
        """Return a document that a person has mended."""
        return [again(self._settings, raw, "resubmitted")]

    def confirmed(self, raw: bytes, values: Mapping[str, str]) -> bytes:
        """Return a document that a person has looked at."""
        return confirmed(raw, values, "resubmitted")

    # --- up ----------------------------------------------------------------------------------------------------

    def _send_scans(
        self, runner: asyncio.Runner, caller: Caller, position: dict[str, Any], faults: list[Transient]
    ) -> Iterator[SourceBatch]:
        found = self._inbox.look(faults)
        here = {file.label for file in found}
        position["sent"] = {label: mark for label, mark in position["sent"].items() if label in here or faults}
        for file in found:
            if position["sent"].get(file.label) == file.mark:
                yield self._batch([], position, file.label, "", file)  # it was not put away yet
                continue
            try:
                unit = self._send(runner, caller, file)
            except Gone:
                continue
            except Transient as fault:
                faults.append(fault)
                return
            position["units"][unit] = file.name
            position["sent"][file.label] = file.mark
            yield self._batch([], position, file.label, unit, file)

    def _send(self, runner: asyncio.Runner, caller: Caller, file: Found) -> str:
        with self._inbox.open(file) as stream:
            content = stream.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise Transient(f"{file.label} has more than {LARGEST} bytes: put it aside", code="too-large")
        form = httpx.Request("POST", "http://x", files={"files": (file.name, content)})
        url = f"{self._url}/workflows/{self._service.workflow}/units"
        headers = {"Content-Type": form.headers["content-type"]}
        answer = runner.run(caller.call("POST", url, content=form.read(), headers=headers))
        unit = _document(answer).get("unitId") if answer.is_success else None
        if not isinstance(unit, str | int):
            raise _fault(answer, f"{file.label} was not taken")
        return str(unit)

    # --- down --------------------------------------------------------------------------------------------------

    def _read_units(
        self, runner: asyncio.Runner, caller: Caller, position: dict[str, Any], faults: list[Transient]
    ) -> Iterator[SourceBatch]:
        for unit, name in list(position["units"].items()):
            try:
                rows = self._rows(runner, caller, unit, name)
            except Transient as fault:
                faults.append(fault)
                return
            if rows is not None:
                position["units"] = {key: value for key, value in position["units"].items() if key != unit}
                yield self._batch(rows, position, name, unit, None)

    def _rows(self, runner: asyncio.Runner, caller: Caller, unit: str, name: str) -> list[Row] | None:
        """Return what was read of a unit, None while it is not ready."""
        answer = runner.run(caller.call("GET", f"{self._url}/units?unitId={unit}"))
        if answer.status_code in NOT_YET:
            return None
        if not answer.is_success:
            raise _fault(answer, f"unit {unit}")
        failed = _status(_document(answer)) == PART_FAILED
        answer = runner.run(caller.call("GET", f"{self._url}/units/{unit}/csv"))
        if answer.status_code in NOT_YET and not failed:
            return None
        rows = []
        if answer.is_success:
            rows = self._documents(answer.content, name, unit)
        elif not failed:
            raise _fault(answer, f"unit {unit}")
        if failed:
            raw = orjson.dumps({"unitId": unit, "file": name})
            error = Malformed("part of the scan could not be read: look at the paper", place=name, code="ocr-failed")
            rows.append(Row({}, name, raw, error))
        return rows

    def _documents(self, content: bytes, name: str, unit: str) -> list[Row]:
        stem, suffix = PurePosixPath(name).stem, self._service.confidence
        try:
            found = [row for row, _ in self._csv.rows(io.BytesIO(content), f"unit {unit}", Spot())]
        except Malformed as error:
            return [Row({}, name, content, error)]
        return [
            row if row.error else document(self._settings, f"{stem}-{number}", _fields(row, suffix), f"{name}:{number}")
            for number, row in enumerate(found, 1)
        ]

    def _batch(
        self, rows: list[Row], position: dict[str, Any], label: str, unit: str, token: Found | None
    ) -> SourceBatch:
        kept = {"units": dict(position["units"]), "sent": dict(position["sent"])}
        return SourceBatch(rows, kept, label, f"unit-{unit}" if unit else "", token=token)


def _fields(row: Row, suffix: str) -> list[dict[str, Any]]:
    sure = {name.removesuffix(suffix): value for name, value in row.values.items() if name.endswith(suffix)}
    plain = {name: value for name, value in row.values.items() if not name.endswith(suffix)}
    return [field(name, value, _number(sure.get(name))) for name, value in plain.items()]


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None  # it does not say how sure it is


def _status(found: dict[str, Any]) -> Any:
    units = found.get("units")
    first = units[0] if isinstance(units, list) and units and isinstance(units[0], dict) else found
    return first.get("dataProcessingStatus")


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        return {}
    found = found[0] if isinstance(found, list) and found else found
    return found if isinstance(found, dict) else {}


def _fault(answer: httpx.Response, what: str) -> Transient:
    code = f"http-{answer.status_code}"
    return Transient(f"{what}: {shown(answer)}", retry_after=retry_after(answer), reached=True, code=code)
