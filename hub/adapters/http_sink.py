"""Sends one request a delivery, with an idempotency key, so that a receiver that honours it can be asked again.

What an answer means: 2xx is delivered; 408, 425, 429 and 5xx are tried later, as `Retry-After` says, and so are a
redirect and 401, 403, 407, which are settings to mend; any other status is a refusal for good. `statuses` says
otherwise. No connection is tried later; no answer after sending is too, or is an unknown outcome where the receiver
does not honour the key (`idempotent: false`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from hub.adapters import http_template
from hub.adapters.contract import AdapterSettings, Batch, Delivery, Expression, Expressions, Features, Outcome, Site
from hub.adapters.http_answers import Judgement, Status, StatusSettings, shown
from hub.adapters.http_client import Caller, NoAnswer, retry_after
from hub.adapters.http_settings import ConnectionSettings, HeaderValue
from hub.errors import HubError, Malformed, OutcomeUnknown, Rejected, Transient

CLOUDEVENT = "application/cloudevents+json; charset=UTF-8"
CONTENT_TYPES = {"json": "application/json; charset=UTF-8", "form": "application/x-www-form-urlencoded"}


def _leaves(value: Any) -> Any:
    """Refuse a part of a body that is neither an expression nor holds some."""
    if isinstance(value, dict):
        return {name: _leaves(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_leaves(part) for part in value]
    if isinstance(value, (str, bool, int, float)):
        return value
    raise ValueError("a body is made of expressions, names with them, and lists of them")


ShownPath = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")]
Parts = Annotated[dict[str, Any], AfterValidator(_leaves)]


class ConfirmSettings(AdapterSettings):
    """How the service is asked afterwards whether it has a delivery."""

    url: str = Field(
        pattern="^https?://", description="What to GET; `{expression}` is replaced by its value, percent-encoded."
    )
    done: list[Status] = Field(default=["2xx"], description="Statuses that say: it is there.")
    absent: list[Status] = Field(default=["404"], description="Statuses that say: it is not there; it is sent again.")


class HttpSinkSettings(ConnectionSettings):
    """Settings of an `http` sink."""

    url: str = Field(
        pattern="^https?://",
        description="Where to send; `{expression}` is replaced by its value, percent-encoded.",
    )
    method: str = Field(default="POST", pattern="^[A-Z]+$", description="The request's method.")
    headers: dict[str, HeaderValue] = Field(
        default={},
        description="More headers, for example `Authorization: env:KOKUHO_TOKEN`; `{expression}` in one is replaced by"
        " its value.",
    )
    body: Expression | Parts | None = Field(
        default=None,
        description="What to send in place of the projected CloudEvent: an expression, or names and an expression"
        " each, nested at will; absent values are left out.",
    )
    encode: Literal["json", "form"] = Field(default="json", description="How a `body` of names is written.")
    statuses: StatusSettings = Field(default=StatusSettings(), description="What statuses mean, where unusual.")
    shows: list[ShownPath] = Field(
        default=[],
        description="What of a JSON answer that refuses is kept with the error, by path, such as `error` or"
        " `errors.message`, 200 characters each. Name only what holds no personal data; what was sent is taken out.",
    )
    confirm: ConfirmSettings | None = Field(
        default=None,
        description="How to ask whether a delivery took effect, where no answer came and the service does not honour"
        " the key.",
    )
    idempotent: bool = Field(
        default=True,
        description="The receiver honours `Idempotency-Key`: a request without an answer may be sent again.",
    )

    @model_validator(mode="after")
    def _a_form_has_names(self) -> HttpSinkSettings:
        if self.encode == "form" and not isinstance(self.body, dict):
            raise ValueError("`encode: form` needs a `body` of names and expressions")
        return self


class HttpSink:
    """One receiver behind one URL; several deliveries may be under way at once."""

    def __init__(self, settings: HttpSinkSettings, site: Site, port: Expressions) -> None:
        confirms = settings.confirm is not None
        self.features = Features(sink=True, idempotent=settings.idempotent, confirms=confirms, batch=1)
        self._settings = settings
        self._url = http_template.address(settings.url, port)
        self._headers = http_template.headers(settings.headers, port)
        self._body = None
        content_type = CLOUDEVENT
        if settings.body is not None:
            self._body = http_template.body(settings.body, settings.encode, port)
            content_type = CONTENT_TYPES[settings.encode]
        self._judge = Judgement(settings.statuses, settings.shows)
        self._caller = Caller(settings, site.folder, headers={"Content-Type": content_type})
        if settings.confirm is not None:
            found = StatusSettings(done=settings.confirm.done, rejected=settings.confirm.absent)
            self._ask = (http_template.address(settings.confirm.url, port), Judgement(found))

    async def deliver(self, batch: Batch) -> list[Outcome]:
        """Send one after another; the hub hands over one at a time, in lanes side by side."""
        return [Outcome(delivery.key, await self._send(delivery, batch)) for delivery in batch.deliveries]

    async def confirm(self, batch: Batch) -> list[Outcome | None]:
        """Ask the service by `confirm`; without it, answer that it cannot be known. Raises `Transient` when away."""
        if self._settings.confirm is None:
            return [None] * len(batch.deliveries)
        return [await self._confirmed(delivery, batch) for delivery in batch.deliveries]

    async def close(self) -> None:
        """Close the connections."""
        await self._caller.close()

    async def _send(self, delivery: Delivery, batch: Batch) -> HubError | None:
        try:
            url = self._url(delivery, batch)
            headers = {"Idempotency-Key": delivery.key, **self._headers(delivery, batch)}
            content = delivery.body if self._body is None else self._body(delivery, batch)
            answer = await self._caller.call(self._settings.method, url, content=content, headers=headers)
        except Malformed as error:
            return Rejected(error.message, place=error.place, code=error.code)
        except NoAnswer as error:
            kind = Transient if self._settings.idempotent else OutcomeUnknown
            return kind(error.message, code=error.code)
        except Transient as error:
            return error
        return self._judge.of(answer)

    async def _confirmed(self, delivery: Delivery, batch: Batch) -> Outcome | None:
        url, judge = self._ask
        try:
            answer = await self._caller.call("GET", url(delivery, batch))
        except Malformed:
            return None
        verdict = judge.of(answer)
        if verdict is None:
            return Outcome(delivery.key)
        if judge.said(answer.status_code) == "rejected":
            return Outcome(delivery.key, Transient("the service does not have it", reached=True, code="absent"))
        if isinstance(verdict, Transient):
            raise Transient(
                f"asked for a delivery: {shown(answer)}",
                retry_after=retry_after(answer),
                reached=True,
                code=verdict.code,
            )
        return None
