"""Goes from one page of an answer to the next: by a link, a cursor, an offset or a page's number."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import urljoin

import httpx
from pydantic import Field, model_validator

from hub.adapters.contract import AdapterSettings
from hub.adapters.http_rows import ABSENT, at
from hub.errors import Transient


class PagesSettings(AdapterSettings):
    """How a service hands out more than one answer holds."""

    by: Literal["next", "link", "cursor", "offset", "page"] = Field(
        description="`next`: an address in the document; `link`: the header Link (RFC 8288); `cursor`: a value in the"
        " document, sent back; `offset`: how many rows to pass over; `page`: the number of the page."
    )
    path: str | None = Field(
        default=None, description="Where the next address or cursor stands in the document: `_links.next.href`."
    )
    parameter: str | None = Field(default=None, description="The query parameter of cursor, offset or page.")
    size: int | None = Field(
        default=None, ge=1, description="Rows of a page, as `size_parameter` asks for. The last page is an empty one."
    )
    size_parameter: str | None = Field(default=None, description="The query parameter that asks for `size`.")
    first: int = Field(default=1, ge=0, description="The number of the first page.")

    @model_validator(mode="after")
    def _whole(self) -> PagesSettings:
        needs = {
            "next": ("path",),
            "link": (),
            "cursor": ("path", "parameter"),
            "offset": ("parameter",),
            "page": ("parameter",),
        }
        for name in needs[self.by]:
            if getattr(self, name) is None:
                raise ValueError(f"`by: {self.by}` needs `{name}`")
        return self


class Pages:
    """The way through the pages of one service. A page is named by `{}` (the first), `{"url"}` or `{"query"}`.

    Pages are kept in positions: an address is named without the login and the parameters of the configured one, which
    may be secrets; `{"own"}` names those parameters that it had.
    """

    def __init__(self, url: str, settings: PagesSettings | None) -> None:
        self._url = url
        self._settings = settings

    def request(self, page: dict[str, Any], query: dict[str, str]) -> str:
        """Return the address of a page; `query` is asked of every page that is not given as an address."""
        if "url" in page:
            return self._whole(page)
        settings, asked = self._settings, dict(query)
        if settings is not None and settings.size is not None and settings.size_parameter:
            asked[settings.size_parameter] = str(settings.size)
        if settings is not None and settings.parameter and (settings.by in ("offset", "page") or "query" in page):
            begin = settings.first if settings.by == "page" else 0
            asked[settings.parameter] = str(page.get("query", begin))
        return str(httpx.URL(self._url).copy_merge_params(asked)) if asked else self._url

    def next(self, page: dict[str, Any], answer: httpx.Response, document: Any, rows: int) -> dict[str, Any] | None:
        """Return the page after one with so many rows, None when it was the last. Raises `Transient` (`pages`)."""
        settings = self._settings
        if settings is None:
            return None
        if settings.by in ("offset", "page"):
            if not rows:  # a page may be shorter than was asked for and not be the last
                return None
            step = rows if settings.by == "offset" else 1
            return {"query": page.get("query", 0 if settings.by == "offset" else settings.first) + step}
        if settings.by == "link":
            found: Any = answer.links.get("next", {}).get("url", ABSENT)
        else:
            found = at(document, settings.path or "")
        if found is ABSENT or found is None or found == "":
            return None
        if settings.by == "cursor":
            return _other({"query": found}, page)
        return _other(self._bare(self._here(str(found), answer)), page)

    def _bare(self, url: str) -> dict[str, Any]:
        """Return how a page is named that lies at an address."""
        mine, found = httpx.URL(self._url), httpx.URL(url)
        known, asked = mine.params.multi_items(), found.params.multi_items()
        own = [name for name, value in asked if (name, value) in known]
        if not own and not found.userinfo:
            return {"url": url}
        rest = [each for each in asked if each not in known]
        bare = found.copy_with(params=rest or None, username=None, password=None)
        return {"url": str(bare), **({"own": own} if own else {})}

    def _whole(self, page: dict[str, Any]) -> str:
        """Return the address of a page that is named by one."""
        mine, url = httpx.URL(self._url), httpx.URL(page["url"])
        if own := page.get("own"):
            again = [each for each in mine.params.multi_items() if each[0] in own]
            url = url.copy_with(params=[*url.params.multi_items(), *again])
        elif not mine.userinfo:
            return str(page["url"])
        return str(url.copy_with(username=mine.username, password=mine.password) if mine.userinfo else url)

    def _here(self, found: str, answer: httpx.Response) -> str:
        """Return a next address in full; the token goes to the service's own host alone."""
        url = urljoin(str(answer.request.url), found)
        if _host(url) != _host(self._url):
            raise Transient("the next page lies on another host; nothing was asked there", reached=True, code="pages")
        return url


def _host(url: str) -> tuple[str, str, int | None, bytes] | None:
    """Return what a login is for: `https://A:443` is `https://a`. None for an address that is none."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return None
    return parsed.scheme, parsed.host, parsed.port, parsed.userinfo


def _other(following: dict[str, Any], page: dict[str, Any]) -> dict[str, Any]:
    if following == page:
        raise Transient("the service calls a page its own next one", reached=True, code="pages")
    return following
