"""UiPath Orchestrator: deliveries become items of a queue, and what its robots made of them is asked for.

Source: Orchestrator's OData API, `Queues/UiPathODataSvc.AddQueueItem` and `QueueItems`; a second item with the same
reference is refused with error 1016 where the queue demands unique references, which counts as done.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlencode

import httpx
import orjson
from pydantic import AfterValidator, Field

from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Duration,
    Expression,
    Expressions,
    Features,
    Outcome,
    Row,
    Site,
    SourceBatch,
    Transport,
)
from hub.adapters.http_answers import shown
from hub.adapters.http_client import Caller, NoAnswer, Tokens, retry_after
from hub.adapters.http_settings import ConnectionSettings
from hub.errors import HubError, Malformed, OutcomeUnknown, Rejected, Transient

REFERENCE = 128  # characters of a reference
DUPLICATE = 1016
FINAL = ("Successful", "Failed", "Abandoned", "Deleted")
PAGE = 500
SETTINGS_TO_MEND = frozenset({401, 403, 404})  # a login, a folder, a queue


class OrchestratorSettings(ConnectionSettings):
    """How an Orchestrator is reached."""

    url: Annotated[str, AfterValidator(lambda url: url.rstrip("/"))] = Field(
        pattern="^https?://", description="The Orchestrator, as far as before `/odata`."
    )
    folder: int = Field(ge=1, description="The folder's number (`X-UIPATH-OrganizationUnitId`).")
    queue: str = Field(min_length=1, description="The queue's name.")


class UiPathSinkSettings(OrchestratorSettings):
    """Settings of a `uipath` sink."""

    priority: Literal["Low", "Normal", "High"] = Field(default="Normal", description="The items' priority.")
    content: dict[str, Expression] | None = Field(
        default=None,
        description="Names of the item's content and the expression of each; without it the fields of `send`, nested"
        " ones as `new_address_text`, with `type`, `action`, `subject` and `event_id`. `deliverykey` goes along.",
    )
    defer: Expression | None = Field(default=None, description="Not before this time (RFC 3339).")
    due: Expression | None = Field(default=None, description="Until this time (RFC 3339).")
    unique: bool = Field(default=True, description="The queue demands unique references: an item may be added again.")


class UiPathSourceSettings(OrchestratorSettings):
    """Settings of a `uipath` source."""

    lag: Duration = Field(
        default=30.0, ge=0, description="Items are looked at so long after their end, when the hub has noted them."
    )


class UiPathSink:
    """One queue."""

    def __init__(self, settings: UiPathSinkSettings, site: Site, port: Expressions) -> None:
        self.features = Features(sink=True, idempotent=settings.unique, confirms=True, batch=1)
        self._settings = settings
        named = {**(settings.content or {}), "<defer>": settings.defer, "<due>": settings.due}
        self._made = {name: port.compile(text) for name, text in named.items() if text is not None}
        self._caller = _caller(settings, site)

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Add one item after another; the hub hands over one at a time, in lanes side by side."""
        return [Outcome(each.key, await self._add(each, batch)) for each in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Say of each delivery whether the queue has its item. Raises `Transient` while it cannot be asked."""
        return [await self._confirmed(each) for each in batch.deliveries]

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def _add(self, delivery: Delivery, batch: Batch) -> HubError | None:
        url = f"{self._settings.url}/odata/Queues/UiPathODataSvc.AddQueueItem"
        try:
            content = orjson.dumps({"itemData": self._item(delivery, batch)})
            answer = await self._caller.call("POST", url, content=content)
        except Malformed as error:
            return Rejected(error.message, place=error.place, code=error.code)
        except NoAnswer as error:
            kind = Transient if self._settings.unique else OutcomeUnknown
            return kind(error.message, code=error.code)
        except Transient as error:
            return error
        return None if answer.is_success or _error(answer) == DUPLICATE else _judge(answer)

    def _item(self, delivery: Delivery, batch: Batch) -> dict[str, Any]:
        made = {name: expression(delivery, batch) for name, expression in self._made.items()}
        times = {"DeferDate": made.pop("<defer>", None), "DueDate": made.pop("<due>", None)}
        if self._settings.content is None:
            made = {
                **_flat("", delivery.data),
                **{name: getattr(delivery, name) for name in ("type", "action", "subject", "event_id")},
            }
        content = {name: _plain(value) for name, value in made.items() if value is not None}
        return {
            "Name": self._settings.queue,
            "Priority": self._settings.priority,
            "SpecificContent": {**content, "deliverykey": delivery.key},
            "Reference": reference(delivery.key),
            **{name: value for name, value in times.items() if value is not None},
        }

    async def _confirmed(self, delivery: Delivery) -> Outcome:
        wanted = f"Reference eq {_quoted(reference(delivery.key))}"
        answer = await self._caller.call("GET", _items(self._settings, wanted, top=1))
        if not answer.is_success:
            raise Transient(shown(answer), retry_after=retry_after(answer), reached=True, code="confirm")
        if _values(answer):
            return Outcome(delivery.key)
        return Outcome(delivery.key, Transient("the queue does not have it", reached=True, code="absent"))


class UiPathSource:
    """The ended items of one queue, in the order of their end."""

    def __init__(self, settings: UiPathSourceSettings, site: Site) -> None:
        self._settings = settings
        self._site = site
        self._tokens = Tokens(settings.oauth2) if settings.oauth2 else None

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the items that ended since the position; those at its border are known. Raises `Transient`."""
        with asyncio.Runner() as runner:
            caller = _caller(self._settings, self._site, self._tokens)
            try:
                ready: SourceBatch | None = None
                for batch in self._batches(runner, caller, after or {}):
                    if ready is not None:
                        yield ready
                    ready = batch
            finally:
                runner.run(caller.close())
        if ready is not None:
            ready.last = True
            yield ready

    def _batches(self, runner: asyncio.Runner, caller: Caller, kept: dict[str, Any]) -> Iterator[SourceBatch]:
        """Yield what ended, a page each; none of them is the last yet."""
        since, seen = kept.get("since", ""), set(kept.get("seen", ()))
        until = f"{datetime.now(UTC) - timedelta(seconds=self._settings.lag):%Y-%m-%dT%H:%M:%SZ}"
        unit, whole = f"{self._settings.queue}@{until}", False
        while not whole:
            asked = PAGE + len(seen)
            items = runner.run(self._page(caller, since, until, asked))
            whole = len(items) < asked
            fresh = [item for item in items if item["Id"] not in seen]
            if not fresh:
                return
            last = str(items[-1]["EndProcessing"])
            border = {item["Id"] for item in items if item["EndProcessing"] == last}
            seen = seen | border if last == since else border
            since = last
            rows = [_row(item) for item in fresh]
            yield SourceBatch(rows, {"since": since, "seen": sorted(seen)}, self._settings.queue, unit, last=False)

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing: the position says it all."""

    async def _page(self, caller: Caller, since: str, until: str, most: int) -> list[dict[str, Any]]:
        ended = " or ".join(f"Status eq {_quoted(status)}" for status in FINAL)
        wanted = f"({ended}) and EndProcessing le {until}" + (f" and EndProcessing ge {since}" if since else "")
        answer = await caller.call("GET", _items(self._settings, wanted, top=most))
        if not answer.is_success:
            raise Transient(shown(answer), retry_after=retry_after(answer), reached=True, code="http")
        return _values(answer)


class UiPath(Transport):
    """UiPath Orchestrator: an item of a queue for each delivery, with the delivery key as its reference.

    As a source, under `acknowledged`, the items that have ended: `deliverykey`, `Reference`, `Status` (Successful,
    Failed, Abandoned, Deleted), `ErrorType`, `Id`, `EndProcessing`.
    """

    name: ClassVar[str] = "uipath"
    title: ClassVar[dict[str, str]] = {"ja": "UiPath Orchestrator", "en": "UiPath Orchestrator"}
    features: ClassVar[Features] = Features(source=True, sink=True, idempotent=True, confirms=True, batch=1)
    SourceSettings: ClassVar[type[AdapterSettings]] = UiPathSourceSettings
    SinkSettings: ClassVar[type[AdapterSettings]] = UiPathSinkSettings

    @classmethod
    def source(cls, settings: UiPathSourceSettings, site: Site) -> UiPathSource:
        """Open the source; no connection is made yet."""
        return UiPathSource(settings, site)

    @classmethod
    def sink(cls, settings: UiPathSinkSettings, site: Site, port: Expressions | Any = None) -> UiPathSink:
        """Open the sink; `port` compiles the expressions. No connection is made yet."""
        return UiPathSink(settings, site, port)


def reference(key: str) -> str:
    """Return an item's reference: the delivery key, or its digest where that is too long."""
    return key if len(key) <= REFERENCE else hashlib.sha256(key.encode()).hexdigest()


def _caller(settings: OrchestratorSettings, site: Site, tokens: Tokens | None = None) -> Caller:
    headers = {"X-UIPATH-OrganizationUnitId": str(settings.folder), "Content-Type": "application/json"}
    return Caller(settings, site.folder, headers=headers, tokens=tokens)


def _items(settings: OrchestratorSettings, wanted: str, *, top: int) -> str:
    of_queue = f"QueueDefinition/Name eq {_quoted(settings.queue)} and {wanted}"
    return f"{settings.url}/odata/QueueItems?" + urlencode(
        {"$filter": of_queue, "$orderby": "EndProcessing,Id", "$top": top}
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _values(answer: httpx.Response) -> list[dict[str, Any]]:
    """Return the items of an answer. Raises `Transient` for one that is none, such as a gateway's page."""
    try:
        found = orjson.loads(answer.content)["value"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Transient("the answer is no list of items", reached=True, code="http") from None
    return list(found)


def _error(answer: httpx.Response) -> int | None:
    try:
        code = orjson.loads(answer.content)["errorCode"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None


def _judge(answer: httpx.Response) -> HubError:
    status, number = answer.status_code, _error(answer)
    text = shown(answer) + (f", error {number}" if number is not None else "")
    if status in SETTINGS_TO_MEND or status in {408, 409, 425, 429} or status >= 500 or status < 400:
        return Transient(text, retry_after=retry_after(answer), reached=True, code=f"http-{status}")
    return Rejected(text, code=f"http-{status}")


def _flat(prefix: str, data: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(f"{prefix}{name}_", value) if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found


def _plain(value: Any) -> Any:
    """Return a value that may stand in an item's content: a text, a number, true or false."""
    return value if isinstance(value, str | int | float | bool) else orjson.dumps(value).decode()


def _row(item: Mapping[str, Any]) -> Row:
    """Return an item as a row; nothing of its content but the delivery key. One that names no delivery is an error."""
    place, error = f"item {item['Id']}", item.get("ProcessingException") or {}
    key = (item.get("SpecificContent") or {}).get("deliverykey") or item.get("Reference")
    values = {
        "deliverykey": key,
        "Reference": item.get("Reference") or "",
        "Status": item["Status"],
        "ErrorType": str(error.get("Type") or ""),
        "Id": item["Id"],
        "EndProcessing": item["EndProcessing"],
    }
    raw = orjson.dumps(values)
    if not isinstance(key, str):
        return Row({}, place, raw, Malformed("the item names no delivery", place=place, code="delivery-unknown"))
    return Row(values, place, raw)
