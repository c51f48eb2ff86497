"""Asks a service for rows: page by page, from where it was left, and not at all when nothing has changed.

With `since` the rows of a pass are those the service gives from the position on; what was handed over is known at the
border and left out. Without it the whole document is asked for; pages whose content is what it was are left out. In
the middle of a pass the position names the page, so that a crash goes on there; a service that knows that page no more
is asked from the beginning of the pass.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import Field, model_validator

from hub.adapters.contract import AdapterSettings, Duration, Row, Site, SourceBatch
from hub.adapters.http_answers import named, shown
from hub.adapters.http_client import Caller, Tokens, retry_after
from hub.adapters.http_pages import Pages, PagesSettings
from hub.adapters.http_rows import RowsSettings, parse, rows_of
from hub.adapters.http_settings import ConnectionSettings, HeaderValue
from hub.adapters.http_watermark import Watermark
from hub.adapters.http_webhook import WebhookSettings
from hub.errors import Malformed, Transient
from hub.settings.secret import Secret

ROWS = 1000  # of one batch
LONGEST_QUIET = 3600.0  # seconds a service is left alone, whatever it asks for
PAGES = 100_000  # of one pass: a service that never comes to an end is at fault
GONE = frozenset({400, 404, 410, 416, 422})  # what a service says of a page it knows no more


class SinceSettings(AdapterSettings):
    """Asking only for what is new."""

    column: str = Field(description="The column of a row that grows: a number, or a time in one form.")
    parameter: str = Field(description="The query parameter that says from which value on.")
    first: str | None = Field(default=None, description="The value at the very beginning; without it none is sent.")
    overlap: Duration = Field(
        default=0,
        ge=0,
        description="How far below the last value is asked again, because rows may become visible late: a duration"
        " such as `10m` for times, steps for numbers. What was read already is left out.",
    )


class HttpSourceSettings(ConnectionSettings, RowsSettings):
    """Settings of an `http` source."""

    url: str | None = Field(default=None, pattern="^https?://", description="What to ask; or `webhook`.")
    webhook: WebhookSettings | None = Field(
        default=None, description="The system calls by itself: `POST /v1/hooks/<system>/<source>` of `hub run`."
    )
    parameters: dict[str, Secret] = Field(
        default={}, description="Query parameters of every page asked for; a value may be a secret."
    )
    headers: dict[str, HeaderValue] = Field(default={}, description="More headers.")
    since: SinceSettings | None = Field(default=None, description="Ask only for what is new.")
    pages: PagesSettings | None = Field(default=None, description="How more than one answer is handed out.")

    @model_validator(mode="after")
    def _asked_or_called(self) -> HttpSourceSettings:
        if (self.url is None) == (self.webhook is None):
            raise ValueError("give either `url` or `webhook`")
        if self.webhook is not None and (self.since or self.pages or self.parameters):
            raise ValueError("`since`, `pages` and `parameters` are about a `url`")
        return self


@dataclass(slots=True)
class _Pass:
    """One pass: its number, where it stands, and what is known of the pass before."""

    number: int
    page: dict[str, Any] = field(default_factory=dict)
    index: int = 0  # of the page
    row: int = 0  # rows of the page handed over, if the page is what it was
    digest: str = ""  # of the page they are of
    before: list[str] = field(default_factory=list)  # digests of the pages of the pass before
    digests: list[str] = field(default_factory=list)
    etag: str = ""
    asked: str = ""  # the digest of the address the ETag is of, which may hold a key
    resumed: bool = False  # the next page asked for is one that a position names
    given: int = 0  # batches of this pass


class HttpSource:
    """One service, asked for its rows."""

    def __init__(self, settings: HttpSourceSettings, site: Site) -> None:
        self._settings = settings
        self._url = settings.url or ""
        self._folder = site.folder
        parts = urlsplit(self._url)
        self._label = f"{parts.hostname}{parts.path}"
        self._pages = Pages(self._url, settings.pages)
        self._tokens = Tokens(settings.oauth2) if settings.oauth2 else None
        self._quiet = 0.0  # until when the service wants to be left alone
        self._same: tuple[dict[str, Any], str, str] = ({}, "", "")  # a position, and the answer with nothing new to it

    def read(self, after: dict[str, Any] | None) -> Iterator[SourceBatch]:
        """Yield the new rows. Raises `Transient` when the service is away, refuses, or wants to be left alone."""
        wait = self._quiet - time.monotonic()
        if wait > 0:
            raise Transient(f"the service asked to be left alone for {wait:.0f} s more", reached=True, code="http")
        ready: SourceBatch | None = None
        with asyncio.Runner() as runner:
            caller = Caller(self._settings, self._folder, headers=self._settings.headers, tokens=self._tokens)
            try:
                for batch in self._batches(runner, caller, after or {}):
                    if ready is not None:
                        yield ready
                    ready = batch
            finally:
                runner.run(caller.close())
        if ready is not None:
            ready.last = True
            yield ready

    def acknowledge(self, batch: SourceBatch) -> None:
        """Do nothing: the position says it all."""

    def _batches(self, runner: asyncio.Runner, caller: Caller, kept: dict[str, Any]) -> Iterator[SourceBatch]:
        """Yield batches, each with the position after it; the last stands at the end of the pass."""
        since = self._settings.since
        mark = Watermark.read(since.column, since.overlap, kept) if since else None
        now = _begun(kept)
        while now.index < PAGES:
            answer = self._fetch(runner, caller, now, mark, kept)
            if answer is None:  # as it was
                return
            document, rows, count = self._read_page(answer, now, mark)
            following = self._pages.next(now.page, answer, document, count)
            while len(rows) > ROWS:
                now.row = rows[ROWS - 1][0]
                yield self._batch(rows[:ROWS], now, mark)
                rows = rows[ROWS:]
            now.digests.append(now.digest)
            now.etag = answer.headers.get("etag", "") if now.index == 0 and following is None else ""
            if following is None:
                yield from self._ended(rows, now, mark, kept)
                return
            now.page, now.index, now.row, now.digest = following, now.index + 1, 0, ""
            if rows:
                yield self._batch(rows, now, mark)
        raise Transient(f"there are more than {PAGES} pages", reached=True, code="pages")

    def _batch(self, rows: list[tuple[int, Row]], now: _Pass, mark: Watermark | None) -> SourceBatch:
        """Return a batch in the middle of a pass."""
        now.given += 1
        position: dict[str, Any] = {"pass": now.number}
        position["at"] = {"page": now.page, "index": now.index, "row": now.row, "digest": now.digest}
        if mark is not None:
            mark.settle()
            position |= mark.dump(ended=False)
        else:
            position |= {"before": now.before, "digests": list(now.digests)}
        return self._made(rows, position, now)

    def _ended(
        self, rows: list[tuple[int, Row]], now: _Pass, mark: Watermark | None, kept: dict[str, Any]
    ) -> Iterator[SourceBatch]:
        """Yield the last batch of a pass: its position is what the next one begins from. Nothing, if nothing is new."""
        position: dict[str, Any] = mark.dump(ended=True) if mark is not None else {"before": now.digests}
        if not rows and not now.given and "at" not in kept and all(kept.get(key) == position[key] for key in position):
            self._same = (kept, now.asked, now.etag)
            return
        if now.etag:
            position |= {"etag": now.etag, "asked": now.asked}
        yield self._made(rows, {**position, "pass": now.number + 1}, now)

    def _made(self, rows: list[tuple[int, Row]], position: dict[str, Any], now: _Pass) -> SourceBatch:
        unit = f"{self._label}#{now.number}"
        return SourceBatch([row for _, row in rows], position, self._label, unit, last=False)

    def _fetch(
        self, runner: asyncio.Runner, caller: Caller, now: _Pass, mark: Watermark | None, kept: dict[str, Any]
    ) -> httpx.Response | None:
        """Return a page, None when the document is what it was; a page that is gone begins the pass anew."""
        url = self._pages.request(now.page, self._query(mark))
        headers = {"Accept": "application/json" if self._settings.format == "json" else "*/*"}
        address = hashlib.sha256(url.encode()).hexdigest()[:24]
        if now.index == 0 and (etag := self._known(address, now, kept)):
            headers["If-None-Match"] = etag
        answer = runner.run(caller.call("GET", url, headers=headers))
        if answer.status_code == httpx.codes.NOT_MODIFIED and "If-None-Match" in headers:
            return None
        if answer.status_code in GONE and now.resumed and now.index > 0:
            now.page, now.index, now.row, now.digest, now.digests, now.resumed = {}, 0, 0, "", [], False
            return self._fetch(runner, caller, now, mark, kept)
        if not 200 <= answer.status_code < 300:
            raise self._refused(answer)
        now.resumed = False
        if now.index == 0:
            now.asked = address
        return answer

    def _known(self, address: str, now: _Pass, kept: dict[str, Any]) -> str:
        """Return the ETag that this address had when all of it was handed over and made durable."""
        if now.resumed:
            return ""
        position, asked, etag = self._same
        if etag and (position, asked) == (kept, address):
            return etag
        return now.etag if now.asked == address else ""

    def _query(self, mark: Watermark | None) -> dict[str, str]:
        since = self._settings.since
        query: dict[str, str] = dict(self._settings.parameters)
        if mark is not None and since is not None:
            value = mark.asked()
            if value is not None or since.first is not None:
                query[since.parameter] = str(since.first if value is None else value)
        return query

    def _refused(self, answer: httpx.Response) -> Transient:
        wait = retry_after(answer)
        if wait:
            self._quiet = time.monotonic() + min(wait, LONGEST_QUIET)
        code = named(answer) or f"http-{answer.status_code}"
        return Transient(f"{self._label}: {shown(answer)}", retry_after=wait, reached=True, code=code)

    def _read_page(
        self, answer: httpx.Response, now: _Pass, mark: Watermark | None
    ) -> tuple[Any, list[tuple[int, Row]], int]:
        """Return a page's document, its new rows with their numbers, and how many rows it has at all."""
        digest = hashlib.sha256(answer.content).hexdigest()[:24]
        passed = now.row if now.digest == digest else 0
        now.digest = digest
        label = self._label if self._settings.pages is None else f"{self._label}:{now.index + 1}"
        try:
            document = parse(answer.content, self._settings)
            rows = list(rows_of(answer.content, self._settings, document, label))
        except Malformed as error:
            raise Transient(
                f"{label}: HTTP {answer.status_code}, but {error.message}", reached=True, code=error.code
            ) from None
        numbered = [(number, row) for number, row in enumerate(rows, 1) if number > passed]
        if mark is not None:
            return document, [(number, row) for number, row in numbered if mark.takes(row)], len(rows)
        if now.index < len(now.before) and now.before[now.index] == digest:
            numbered = []
        return document, numbered, len(rows)


def _begun(kept: dict[str, Any]) -> _Pass:
    """Return the pass that a position stands in, or the one after it."""
    at = kept.get("at", {})
    return _Pass(
        kept.get("pass", 1),
        at.get("page", {}),
        at.get("index", 0),
        at.get("row", 0),
        at.get("digest", ""),
        kept.get("before", []),
        kept.get("digests", []),
        kept.get("etag", ""),
        kept.get("asked", ""),
        resumed=bool(at),
    )
