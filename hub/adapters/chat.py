"""Chat: one message tells a department's channel of one delivery or of several (a digest).

A message cannot be taken back and cannot be asked for, so a call without an answer is an unknown outcome. What does not
fit into one message goes into the next; what the service limits waits as long as it says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, model_validator

from hub.adapters.chat_services import SERVICES, judge, message
from hub.adapters.contract import (
    AdapterSettings,
    Batch,
    Delivery,
    Duration,
    Expressions,
    Features,
    Outcome,
    Site,
    Transport,
)
from hub.adapters.http_client import Caller, NoAnswer
from hub.adapters.http_settings import PROXY, ConnectionSettings, HeaderValue
from hub.adapters.messages import MessageSettings, Template
from hub.adapters.service_account import ServiceAccountSettings, ServiceAccountTokens
from hub.errors import HubError, Malformed, OutcomeUnknown, Rejected, Transient
from hub.settings.secret import Secret

DIGEST = 100  # the most deliveries one call takes
LONGEST_WAIT = 2.0  # seconds between two messages of one call; what must wait longer waits in the ledger


class ChatSettings(MessageSettings):
    """Settings of a `chat` sink."""

    service: Literal["webhook", "slack", "teams", "line-works"] = Field(
        default="webhook",
        description="`slack`, `teams`: an incoming (workflow) webhook; `line-works`: a bot; `webhook`: any address that"
        ' takes `{"text": …}`.',
    )
    url: Secret | None = Field(
        default=None, description="The webhook's address, which is a secret: `env:NAME` or `file:PATH`."
    )
    bot: str | None = Field(default=None, description="`line-works`: the bot's number.")
    channel: str | None = Field(default=None, description="`line-works`: the channel it writes to.")
    login: ServiceAccountSettings | None = Field(default=None, description="`line-works`: how the bot logs in.")
    api: str = Field(
        default="https://www.worksapis.com", pattern="^https?://", description="`line-works`: where its API is."
    )
    headers: dict[str, HeaderValue] = Field(default={}, description="`webhook`: more headers.")
    per_second: float | None = Field(
        default=None, gt=0, description="The most messages a second; without it 4, of `slack` 1, of `webhook` 10."
    )
    timeout: Duration = Field(default=30.0, gt=0, description="How long an answer is waited for.")
    proxy: str | None = Field(default=None, pattern=PROXY, description="A proxy's URL.")

    @model_validator(mode="after")
    def _whole(self) -> ChatSettings:
        needed = ("bot", "channel", "login") if self.service == "line-works" else ("url",)
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"`{self.service}` needs {', '.join(f'`{name}`' for name in missing)}")
        if self.url is not None and not self.url.startswith(("https://", "http://")):
            raise ValueError("`url` begins with https:// or http://")
        return self


class ChatSink:
    """One channel of one service."""

    def __init__(self, settings: ChatSettings, site: Site, port: Expressions) -> None:
        self._service = SERVICES[settings.service]
        self._template = Template(settings, site, port)
        self._url = str(settings.url)
        tokens = None
        if settings.login is not None:
            self._url = f"{settings.api}/v1.0/bots/{quote(settings.bot or '')}/channels/{quote(settings.channel or '')}"
            self._url += "/messages"
            tokens = ServiceAccountTokens(settings.login)
        headers = {"Content-Type": "application/json; charset=UTF-8", **settings.headers}
        connection = ConnectionSettings(timeout=settings.timeout, proxy=settings.proxy)
        self._caller = Caller(connection, site.folder, headers=headers, tokens=tokens)
        self._pause = 1 / (settings.per_second or self._service.per_second)
        self._next = 0.0  # when the next message may go, by the loop's clock

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Post as few messages as hold all of the batch, in order; after one that must wait nothing more is posted."""
        errors: dict[str, HubError | None] = {}
        groups = [list(batch.deliveries)]
        stopped: HubError | None = None
        while groups:
            group = groups.pop(0)
            if stopped is not None:
                errors |= dict.fromkeys((one.key for one in group), stopped)
                continue
            error = await self._post(group, batch)
            if isinstance(error, Rejected) and len(group) > 1:  # too long, or one of them spoils it: half at a time
                middle = len(group) // 2
                groups[:0] = [group[:middle], group[middle:]]
                continue
            errors |= dict.fromkeys((one.key for one in group), error)
            if error is not None and not isinstance(error, Rejected):
                stopped = _behind(error)
        return [Outcome(one.key, errors[one.key]) for one in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Answer that it cannot be known: a channel is not read."""
        return [None] * len(batch.deliveries)

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def _post(self, group: Sequence[Delivery], batch: Batch) -> HubError | None:
        try:
            content = message(self._service, self._template.text(group, batch))
        except Malformed as error:
            return Rejected(error.message, place=error.place, code=error.code)
        if content is None:
            return Rejected("the message is longer than the service takes; shorten the template", code="too-large")
        if (wait := await self._paced()) is not None:
            return Transient("as many messages as the service takes", retry_after=wait, reached=True, code="rate")
        return await self._send(content)

    async def _send(self, content: bytes) -> HubError | None:
        try:
            return judge(await self._caller.call("POST", self._url, content=content))
        except NoAnswer as error:
            return OutcomeUnknown(error.message, code=error.code)
        except Malformed:
            return Transient("the address is wrong: mend `url`", code="url")
        except Transient as error:
            return error

    async def _paced(self) -> float | None:
        """Wait until the next message may go; return the seconds when that is too long to wait for here."""
        now = asyncio.get_running_loop().time()
        wait = self._next - now
        if wait > LONGEST_WAIT:
            return wait
        if wait > 0:
            await asyncio.sleep(wait)
        self._next = max(now, self._next) + self._pause
        return None


def _behind(error: HubError) -> Transient:
    """Return what becomes of messages that were not posted, since an earlier one was not."""
    wait = error.retry_after if isinstance(error, Transient) else None
    reached = error.reached if isinstance(error, Transient) else True
    return Transient("not posted: an earlier message was not", retry_after=wait, reached=reached, code="not-posted")


class Chat(Transport):
    """Messages to a channel: LINE WORKS, Teams, Slack, or any webhook that takes `{"text": …}`.

    Several deliveries make one message, as far as `flush` collects them and the service's size allows. A message holds
    nothing of a resident but what `fields` permits. Set `effects: outward` at the receiver: then no bulk replay repeats
    its messages.
    """

    name: ClassVar[str] = "chat"
    title: ClassVar[dict[str, str]] = {"ja": "チャット", "en": "Chat"}
    features: ClassVar[Features] = Features(sink=True, batch=DIGEST)
    SinkSettings: ClassVar[type[AdapterSettings]] = ChatSettings

    @classmethod
    def sink(cls, settings: ChatSettings, site: Site, port: Expressions | Any = None) -> ChatSink:
        """Open the sink; `port` compiles the template's expressions. No connection is made yet."""
        return ChatSink(settings, site, port)
