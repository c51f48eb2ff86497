"""SFTP servers. The server's host key is always checked against `host_key`.

asyncssh runs in one background thread of this process; a connection is kept while it is used and closed when idle. What
a server answers becomes `Transient`, a missing file `Gone`.
"""

from __future__ import annotations

import asyncio
import posixpath
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import cache, partial
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from pydantic import Field, field_validator, model_validator

from hub.adapters.contract import AdapterSettings, Duration, Site
from hub.adapters.places import DONE, Found, Gone, numbered
from hub.adapters.places.addresses import Address
from hub.adapters.places.remote import Entry, Writer, copy_of, matching, not_installed, remember, remembered
from hub.errors import Transient
from hub.settings.secret import Secret

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")
Work = Callable[["asyncssh.SFTPClient"], Awaitable[T]]

IDLE = 20.0  # seconds until an unused connection is closed
CHUNK = 4 * 1024 * 1024


class SftpSettings(AdapterSettings):
    """How to log in to an SFTP server."""

    host_key: str = Field(
        min_length=1,
        description="The server's public keys, one a line, as in `ssh-ed25519 AAAA…` (`ssh-keyscan HOST` shows them:"
        " compare with the server's owner). Another key is refused.",
    )
    password: Secret | None = Field(default=None, description="The user's password, a secret.")
    key: Secret | None = Field(default=None, description="Or the private key's text, `file:secrets/id_ed25519`.")
    passphrase: Secret | None = Field(default=None, description="The private key's passphrase, a secret.")
    timeout: Duration = Field(default=30.0, gt=0, description="How long an answer of the server is waited for.")

    @field_validator("host_key")
    @classmethod
    def _no_names(cls, text: str) -> str:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if not lines or not all(line.split()[0].startswith(("ssh-", "ecdsa-", "sk-")) for line in lines):
            raise ValueError("write a public key, such as ssh-ed25519 AAAA…, without the host's name before it")
        return "\n".join(lines)

    @model_validator(mode="after")
    def _one_way_in(self) -> SftpSettings:
        if (self.password is None) == (self.key is None):
            raise ValueError("write either `password` or `key`")
        return self


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="sftp", daemon=True).start()
    return loop


class Session:
    """One connection, made when it is needed."""

    def __init__(self, address: Address, settings: SftpSettings) -> None:
        self._address = address
        self._settings = settings
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._idle: asyncio.TimerHandle | None = None

    def run(self, work: Work[T]) -> T:
        """Do something with the server and wait for it. Raises `Gone` and `Transient`."""
        try:
            import asyncssh  # noqa: PLC0415 — an extra, and slow to import
        except ImportError:
            raise not_installed("asyncssh", "sftp") from None
        try:
            return asyncio.run_coroutine_threadsafe(self._run(work), _loop()).result()
        except asyncssh.SFTPNoSuchFile as error:
            raise Gone(str(error)) from error
        except asyncssh.HostKeyNotVerifiable as error:
            message = f"{self._address.place}: the server's key is not the one in `host_key`; nothing was sent"
            raise Transient(message, code="host-key") from error
        except asyncssh.PermissionDenied as error:
            raise Transient(f"{self._address.place}: the login was refused", code="login") from error
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            message = f"{self._address.place}: the private key or `host_key` cannot be read: {error}"
            raise Transient(message, code="login") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            reason = getattr(error, "reason", "") or getattr(error, "strerror", "") or str(error) or "no answer"
            raise Transient(f"{self._address.place}: {reason}", code="place-away") from error

    def close(self) -> None:
        """Close the connection and wait until it is."""
        asyncio.run_coroutine_threadsafe(self._close(), _loop()).result()

    async def _run(self, work: Work[T]) -> T:
        import asyncssh  # noqa: PLC0415

        if self._idle is not None:
            self._idle.cancel()
        try:
            return await work(await self._connect())
        except asyncssh.SFTPConnectionLost:
            await self._close()
            raise
        except asyncssh.SFTPError:
            raise
        except (asyncssh.Error, OSError):
            await self._close()
            raise
        finally:
            if self._connection is not None:
                self._idle = asyncio.get_running_loop().call_later(IDLE, self._connection.close)

    async def _connect(self) -> asyncssh.SFTPClient:
        import asyncssh  # noqa: PLC0415

        if self._client is not None and self._connection is not None and not self._connection.is_closed():
            return self._client
        await self._close()
        settings, address = self._settings, self._address
        keys = [asyncssh.import_public_key(line) for line in settings.host_key.splitlines()]
        self._connection = await asyncssh.connect(
            address.host,
            address.port,
            username=address.user,
            password=settings.password and str(settings.password),
            client_keys=[asyncssh.import_private_key(settings.key, settings.passphrase)] if settings.key else None,
            known_hosts=(keys, [], []),
            server_host_key_algs=_algorithms(keys),
            config=None,
            agent_path=None,
            connect_timeout=settings.timeout,
            login_timeout=settings.timeout,
            keepalive_interval=settings.timeout / 2,
            keepalive_count_max=2,
        )
        self._client = await self._connection.start_sftp_client()
        return self._client

    async def _close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        connection, self._connection, self._client = self._connection, None, None
        if connection is not None:
            connection.close()
            with suppress(Exception):  # a connection that is lost has nothing left to say
                await asyncio.wait_for(connection.wait_closed(), self._settings.timeout)


def _algorithms(keys: list[Any]) -> list[str]:
    """Return the algorithms of the known keys, so that the server shows one of these and no other."""
    return [alg.decode() for key in keys for alg in key.sig_algorithms]


class SftpInbox:
    """The files of a pattern on a server."""

    def __init__(self, address: Address, settings: SftpSettings, site: Site) -> None:
        self._address = address
        self._session = Session(address, settings)
        self._site = site

    def look(self, faults: list[Transient]) -> list[Found]:
        """Return the files in name order; the folder is made where missing."""
        address = self._address
        return list(matching(self._list, address.folder, address.parts, address.place, faults))

    def open(self, found: Found) -> AbstractContextManager[BinaryIO]:
        """Fetch the file; one that changes meanwhile counts as not there yet."""

        def fill(stream: BinaryIO) -> None:
            found.mark = self.mark(found) or [0]
            found.written = found.mark[1] * 1000 if len(found.mark) > 1 and found.mark[1] else None
            self._session.run(lambda client: _fetch(client, found.where, found.mark[0], stream))
            if self.mark(found) != found.mark:
                raise Gone(found.label)

        return copy_of(self._site, fill)

    def mark(self, found: Found) -> list[Any] | None:
        """Return its size and time of change."""
        try:
            return _mark(self._session.run(lambda client: client.stat(found.where)))
        except Gone:
            return None

    def beside(self, found: Found, name: str) -> Found | None:
        """Return the file of that name in the same folder."""
        other = Found(name, f"{found.label.removesuffix(found.name)}{name}")
        other.where = posixpath.join(posixpath.dirname(found.where), name)
        other.mark = self.mark(other) or []
        return other if other.mark else None

    def move(self, found: Found) -> None:
        """Rename the file into `done/`."""
        self._session.run(lambda client: _move(client, found.where))

    def delete(self, found: Found) -> None:
        """Remove the file."""
        self._session.run(lambda client: client.remove(found.where))

    def _list(self, folder: str) -> Iterator[Entry]:
        try:
            names = self._session.run(lambda client: client.readdir(folder))
        except Gone:
            self._session.run(lambda client: client.makedirs(folder, exist_ok=True))
            return
        for each in names:
            name, attrs = str(each.filename), each.attrs
            if name in (".", ".."):
                continue
            if _kind(attrs) == "link":
                with suppress(Gone):
                    attrs = self._session.run(partial(_stat, path=posixpath.join(folder, name)))
            yield Entry(name, _mark(attrs), _kind(attrs) == "folder")


class SftpOutbox:
    """A folder of a server, with a hidden `.<system>.<receiver>.hub` as its memory."""

    def __init__(self, address: Address, settings: SftpSettings, site: Site) -> None:
        self._folder = posixpath.join(address.folder, *address.parts)
        self._memory = f".{site.key}.hub"
        self._session = Session(address, settings)
        self._writer = Writer(site)

    def lock(self) -> None:
        """Become the one writer."""
        self._writer.lock()

    def read(self, name: str) -> bytes | None:
        """Fetch a file."""

        async def work(client: asyncssh.SFTPClient) -> bytes:
            async with client.open(self._path(name), "rb") as file:
                content: bytes = await file.read()
                return content

        try:
            return self._session.run(work)
        except Gone:
            return None

    def write(self, name: str, content: bytes) -> None:
        """Upload a file, and have the server sync it if it can."""
        self._session.run(lambda client: self._upload(client, name, content, "wb"))

    def publish(self, hidden: str, visible: str) -> None:
        """Rename the file; servers refuse a name that is taken."""
        self._session.run(lambda client: client.rename(self._path(hidden), self._path(visible)))

    def remove(self, name: str) -> None:
        """Delete a file."""
        with suppress(Gone):
            self._session.run(lambda client: client.remove(self._path(name)))

    def remembered(self) -> list[str]:
        """Return the lines of the memory."""
        return remembered(self.read(self._memory))

    def remember(self, line: str) -> None:
        """Write the memory anew."""
        self.write(self._memory, remember(self.remembered(), line))

    def close(self) -> None:
        """Let go of the lock and the connection."""
        self._session.close()
        self._writer.close()

    async def _upload(self, client: asyncssh.SFTPClient, name: str, content: bytes, mode: str) -> None:
        import asyncssh  # noqa: PLC0415

        await client.makedirs(self._folder, exist_ok=True)
        async with client.open(self._path(name), mode) as file:
            await file.write(content)
            with suppress(asyncssh.SFTPOpUnsupported):
                await file.fsync()

    def _path(self, name: str) -> str:
        return posixpath.join(self._folder, name)


async def _stat(client: asyncssh.SFTPClient, path: str) -> Any:
    return await client.stat(path)


async def _fetch(client: asyncssh.SFTPClient, path: str, size: int, stream: BinaryIO) -> None:
    """Copy the bytes the file had when it was looked at: one that grows would be chased for ever."""
    async with client.open(path, "rb") as file:
        while size > 0 and (part := cast("bytes", await file.read(min(CHUNK, size)))):
            stream.write(part)
            size -= len(part)


async def _move(client: asyncssh.SFTPClient, path: str) -> None:
    folder, name = posixpath.split(path)
    done = posixpath.join(folder, DONE)
    await client.makedirs(done, exist_ok=True)
    number = 1
    while await client.exists(target := posixpath.join(done, numbered(name, number))):
        number += 1
    await client.rename(path, target)


def _mark(attrs: Any) -> list[int]:
    return [attrs.size or 0, attrs.mtime or 0]


def _kind(attrs: Any) -> str:
    import asyncssh  # noqa: PLC0415

    kinds = {asyncssh.FILEXFER_TYPE_DIRECTORY: "folder", asyncssh.FILEXFER_TYPE_SYMLINK: "link"}
    return kinds.get(attrs.type, "file")
