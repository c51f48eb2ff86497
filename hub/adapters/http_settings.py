"""How an HTTP service is reached, and how one logs in there: for every adapter that calls one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, model_validator

from hub.adapters.contract import AdapterSettings, Duration
from hub.settings.secret import Secret


def header_value(value: Any) -> str:
    """Return a header's value as written, a secret still hidden; raises ValueError for one that cannot be sent."""
    if not isinstance(value, str):
        raise ValueError("a header's value is a text; quote it")  # noqa: TRY004 - pydantic collects ValueErrors
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header may hold ASCII characters only, on one line")
    return value


PROXY = "^(http|https|socks5h?)://"
HeaderValue = Annotated[str, PlainValidator(header_value)]


class OAuth2Settings(AdapterSettings):
    """OAuth2 client credentials (RFC 6749, 4.4).

    A token is kept until shortly before its end, and asked for anew, once, when the service no longer takes it.
    """

    token_url: str = Field(pattern="^https?://", description="Where tokens are given out.")
    client_id: str = Field(min_length=1, description="Who the hub is there.")
    client_secret: Secret = Field(min_length=1, description="And by what it is known; `env:NAME` or `file:PATH`.")
    scope: str | None = Field(default=None, description="The scopes asked for, separated by spaces.")
    audience: str | None = Field(default=None, description="The service the token is for, where that must be said.")
    send: Literal["basic", "body"] = Field(
        default="basic", description="Where id and secret stand in the request: `Authorization: Basic`, or its body."
    )


class BasicSettings(AdapterSettings):
    """HTTP Basic (RFC 7617)."""

    user: str = Field(min_length=1, description="The user's name.")
    password: Secret = Field(description="The password; `env:NAME` or `file:PATH`.")


class ApiKeySettings(AdapterSettings):
    """A key in a header of its own."""

    header: str = Field(default="X-API-Key", pattern="^[A-Za-z0-9-]+$", description="The header.")
    key: Secret = Field(min_length=1, description="The key; `env:NAME` or `file:PATH`.")


class TlsSettings(AdapterSettings):
    """Certificates beyond those this machine trusts. Paths are from the city folder, PEM files."""

    ca: str | None = Field(
        default=None, description="A private authority: only certificates it has signed are then trusted."
    )
    certificate: str | None = Field(default=None, description="The hub's own certificate (mutual TLS), with its chain.")
    key: str | None = Field(default=None, description="Its key, where that is a file of its own.")
    password: Secret | None = Field(default=None, description="The key's password.")

    @model_validator(mode="after")
    def _whole(self) -> TlsSettings:
        if self.certificate is None and (self.key or self.password):
            raise ValueError("`key` and `password` are about a `certificate`")
        return self


class ConnectionSettings(AdapterSettings):
    """What every caller of an HTTP service can be told."""

    timeout: Duration = Field(default=30.0, gt=0, description="How long an answer is waited for.")
    oauth2: OAuth2Settings | None = Field(default=None, description="Log in by OAuth2 client credentials.")
    basic: BasicSettings | None = Field(default=None, description="Log in by user and password.")
    api_key: ApiKeySettings | None = Field(default=None, description="Log in by a key in a header.")
    tls: TlsSettings | None = Field(default=None, description="A private authority, a certificate of the hub's own.")
    proxy: str | None = Field(
        default=None,
        pattern=PROXY,
        description="A proxy's URL; the environment's proxies are not used for systems inside the city.",
    )

    @model_validator(mode="after")
    def _one_login(self) -> ConnectionSettings:
        if self.oauth2 is not None and self.basic is not None:
            raise ValueError("give either `oauth2` or `basic`")
        return self


LOGINS: dict[str, type[AdapterSettings]] = {
    "oauth2": OAuth2Settings,
    "basic": BasicSettings,
    "api_key": ApiKeySettings,
    "tls": TlsSettings,
}
