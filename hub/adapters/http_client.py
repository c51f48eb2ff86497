"""Calls an HTTP service as its settings say, and gives what can go wrong on the way its name.

Shared by every adapter that speaks HTTP. What an answer means is the adapter's own matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote_plus, urlencode

import httpx
import orjson
import truststore

from hub.adapters.http_settings import ConnectionSettings, OAuth2Settings, TlsSettings
from hub.errors import Malformed, Transient

LARGEST = 64 * 1024 * 1024  # bytes of an answer
SPARE = 30.0  # seconds before its end a token is no longer used
CONNECT = 10.0  # seconds
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class NoAnswer(Transient):
    """The request may have gone out, and no whole answer came: it may or may not have taken effect."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="no-answer")


class Tokens:
    """An OAuth2 token, kept until shortly before its end. One is asked for at a time, whoever needs it."""

    def __init__(self, settings: OAuth2Settings) -> None:
        self._settings = settings
        self._token = ""
        self._until = 0.0

    @property
    def kept(self) -> str:
        """Return the token that may be used now, empty when one is to be asked for."""
        return self._token if time.monotonic() < self._until else ""

    def forget(self, token: str) -> None:
        """Use a token no more: the service does not take it."""
        if token == self._token:
            self._until = 0.0

    async def ask(self, client: httpx.AsyncClient) -> str:
        """Return a new token. Raises `Transient`: `unreachable`, or `oauth2` when it is refused."""
        try:
            async with asyncio.timeout(client.timeout.read):
                answer = await client.post(
                    self._settings.token_url, content=urlencode(self._form()).encode(), headers=self._headers()
                )
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Transient(f"no token: {said(error)}", code="unreachable") from None
        try:
            given = orjson.loads(answer.content)
            token, seconds = str(given["access_token"]), float(given.get("expires_in", 300))
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            raise self._refused(answer) from None
        if not answer.is_success or not token.isascii() or not token.isprintable():
            raise self._refused(answer)
        self._token, self._until = token, time.monotonic() + max(seconds - min(SPARE, seconds / 2), 0.0)
        return token

    def _form(self) -> dict[str, str]:
        settings = self._settings
        form = {"grant_type": "client_credentials", "scope": settings.scope, "audience": settings.audience}
        if settings.send == "body":
            form |= {"client_id": settings.client_id, "client_secret": settings.client_secret}
        return {name: value for name, value in form.items() if value is not None}

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._settings.send == "basic":  # RFC 6749, 2.3.1: both are encoded as in a form first
            headers["Authorization"] = basic(
                quote_plus(self._settings.client_id), quote_plus(self._settings.client_secret)
            )
        return headers

    @staticmethod
    def _refused(answer: httpx.Response) -> Transient:
        """Name the refusal by the standard's word (RFC 6749, 5.2); a wrong secret is a setting to mend."""
        word = ""
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError):
            word = str(orjson.loads(answer.content)["error"])[:50]
        shown = f": {word}" if word.isascii() and word.isprintable() and word else ""
        message = f"no token: HTTP {answer.status_code}{shown}; look at `oauth2`"
        return Transient(message, retry_after=retry_after(answer), reached=True, code="oauth2")


class Caller:
    """One HTTP service as its settings say it is reached. An async context manager; `close` lets go of connections.

    `folder` is the city's: paths of certificates are from there. `tokens` may outlive it.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        folder: Path,
        *,
        headers: Mapping[str, str] | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self._settings = settings
        self._tokens = tokens or (Tokens(settings.oauth2) if settings.oauth2 else None)
        self._asking = asyncio.Lock()
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.timeout, connect=min(settings.timeout / 2, CONNECT)),
            headers={**_login(settings), **(headers or {})},
            verify=context(settings.tls, folder),
            proxy=settings.proxy,
            trust_env=False,
            limits=httpx.Limits(max_connections=None),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def call(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Return the whole answer, of whatever status; a token that has run out is asked for anew, once.

        Raises `Transient` (`unreachable`) when the request was certainly not sent, `NoAnswer` when it may have been,
        and `Malformed` (`url`) for an address that is none.
        """
        sent = dict(headers or {})
        if self._tokens is None:
            return await self._send(method, url, content, sent)
        token = await self._token(self._tokens)
        answer = await self._send(method, url, content, {**sent, "Authorization": f"Bearer {token}"})
        if answer.status_code != httpx.codes.UNAUTHORIZED:
            return answer
        self._tokens.forget(token)
        token = await self._token(self._tokens)
        return await self._send(method, url, content, {**sent, "Authorization": f"Bearer {token}"})

    async def _token(self, tokens: Tokens) -> str:
        async with self._asking:
            return tokens.kept or await tokens.ask(self._client)

    async def _send(self, method: str, url: str, content: bytes | None, headers: dict[str, str]) -> httpx.Response:
        try:
            async with asyncio.timeout(self._settings.timeout):  # httpx has limits for each step only
                async with self._client.stream(method, url, content=content, headers=headers) as answer:
                    return await _whole(answer)
        except httpx.InvalidURL as error:
            raise Malformed(f"the URL is wrong: {error}", code="url") from None
        except _NEVER_SENT as error:
            raise Transient(f"no connection: {said(error)}", code="unreachable") from None
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._settings.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise NoAnswer(f"no answer: {said(error)}") from None
        except OSError as error:  # TLS 1.3 refuses a certificate after the handshake, which nobody below gives a name
            if "CERT" in (reason := str(getattr(error, "reason", ""))) or "UNKNOWN_CA" in reason:
                raise Transient(f"no connection: the hub's certificate: {reason}", code="unreachable") from None
            raise NoAnswer(f"no answer: {said(error)}") from None


async def _whole(answer: httpx.Response) -> httpx.Response:
    """Return an answer with its body, which may not be endless."""
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > LARGEST:
            raise NoAnswer(f"the answer is longer than {LARGEST} bytes")
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in _OF_THE_WIRE]
    return httpx.Response(answer.status_code, headers=headers, content=bytes(content), request=answer.request)


_OF_THE_WIRE = frozenset({b"content-encoding", b"transfer-encoding", b"content-length"})


def context(tls: TlsSettings | None, folder: Path) -> ssl.SSLContext:
    """Return the TLS context. Raises `Transient` (`setting`) for a certificate that cannot be read."""
    if tls is None:
        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca is not None:
            made = ssl.create_default_context(cafile=str(folder / tls.ca))
        else:
            made = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if tls.certificate is not None:
            key = str(folder / tls.key) if tls.key else None
            made.load_cert_chain(str(folder / tls.certificate), key, tls.password or "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise Transient(f"`tls`: a certificate or key cannot be used: {error}", code="setting") from None
    return made


def basic(user: str, password: str) -> str:
    """Return the value of `Authorization` for HTTP Basic (RFC 7617), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _login(settings: ConnectionSettings) -> dict[str, str]:
    headers = {}
    if settings.basic is not None:
        headers["Authorization"] = basic(settings.basic.user, settings.basic.password)
    if settings.api_key is not None:
        headers[settings.api_key.header] = str(settings.api_key.key)
    return headers


def retry_after(answer: httpx.Response) -> float | None:
    """Return `Retry-After` in seconds, from a number or an HTTP date (RFC 9110)."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def said(error: Exception) -> str:
    """Return what a fault of the network is called."""
    return f"{type(error).__name__} {error}".strip()
