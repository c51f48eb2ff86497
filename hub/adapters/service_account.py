"""Tokens for a service account that proves itself by a signed JWT (RFC 7523), refreshed until that is refused.

Source: LINE WORKS API 2.0, service account authentication: `iss` the client id, `sub` the account, at most an hour.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx
from pydantic import Field

from hub.adapters.contract import AdapterSettings
from hub.adapters.http_client import Tokens
from hub.adapters.http_settings import OAuth2Settings
from hub.errors import Transient
from hub.settings.secret import Secret

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LASTS = 600  # seconds of a JWT


class ServiceAccountSettings(AdapterSettings):
    """A service account that proves itself by a signed JWT (RFC 7523)."""

    client_id: str = Field(min_length=1, description="Who the hub is there.")
    client_secret: Secret = Field(min_length=1, description="And by what it is known; `env:NAME` or `file:PATH`.")
    account: str = Field(min_length=1, description="The service account, `…@…`.")
    private_key: Secret = Field(min_length=1, description="Its private key, RSA in PEM; `file:PATH`.")
    scope: str = Field(default="bot", description="The scopes asked for, separated by spaces.")
    token_url: str = Field(
        default="https://auth.worksmobile.com/oauth2/v2.0/token",
        pattern="^https?://",
        description="Where tokens are given out.",
    )


class ServiceAccountTokens(Tokens):
    """Asks by the refresh token while there is one, else by a JWT made for the occasion."""

    def __init__(self, settings: ServiceAccountSettings) -> None:
        named = {"client_id": settings.client_id, "client_secret": settings.client_secret}
        super().__init__(OAuth2Settings.model_validate({"token_url": settings.token_url, **named}))
        self._account = settings
        self._refresh = ""

    async def ask(self, client: httpx.AsyncClient) -> str:
        """Return a new token. Raises `Transient`: `unreachable`, or `oauth2` when it is refused."""
        if self._refresh:
            try:
                return await super().ask(client)
            except Transient as error:
                if error.code != "oauth2":
                    raise
                self._refresh = ""  # it has run out: the account proves itself anew
        return await super().ask(client)

    def _learn(self, given: Mapping[str, object]) -> None:
        refresh = given.get("refresh_token", self._refresh)  # a refresh need not bring another one
        self._refresh = refresh if isinstance(refresh, str) else ""

    def _form(self) -> dict[str, str]:
        settings = self._account
        who = {"client_id": settings.client_id, "client_secret": str(settings.client_secret)}
        if self._refresh:
            return {"grant_type": "refresh_token", "refresh_token": self._refresh, **who}
        return {"grant_type": GRANT, "assertion": self._assertion(), "scope": settings.scope, **who}

    def _headers(self) -> dict[str, str]:
        return {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}

    def _assertion(self) -> str:
        import jwt  # noqa: PLC0415 - an extra: other chat services do without it

        now = int(time.time())
        claims = {"iss": self._account.client_id, "sub": self._account.account, "iat": now, "exp": now + LASTS}
        try:
            return jwt.encode(claims, str(self._account.private_key), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            message = f"`login.private_key` cannot sign: {type(error).__name__}; give an RSA key as PEM"
            raise Transient(message, code="setting") from None
