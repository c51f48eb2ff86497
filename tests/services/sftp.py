"""A real SFTP server on loopback: asyncssh in a thread of this process, on a folder."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import asyncssh

PASSWORD = "secret-of-the-test"  # noqa: S105


class _Server(asyncssh.SSHServer):
    def __init__(self, outer: SftpServer) -> None:
        self._outer = outer

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("hub", PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == "hub" and key.public_data == self._outer.user_key.public_data


class SftpServer:
    """Serves `folder` as `/`; `user_key` may log in, and so may `hub` with the password."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.factory: Any = asyncssh.SFTPServer
        self.port = 0
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.start()

    @property
    def host_key(self) -> str:
        return self.key.export_public_key().decode().strip()

    def url(self, path: str) -> str:
        return f"sftp://hub@127.0.0.1:{self.port}/{path}"

    def start(self) -> None:
        self._run(self._listen())

    def stop(self) -> None:
        """Stop listening and drop every connection."""
        self._run(self._drop())

    def close(self) -> None:
        self.stop()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    async def _listen(self) -> None:
        self.connections: list[asyncssh.SSHServerConnection] = []

        def accepted(connection: asyncssh.SSHServerConnection) -> None:
            self.connections.append(connection)

        self.acceptor = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Server(self),
            server_host_keys=[self.key],
            sftp_factory=lambda channel: self.factory(channel, chroot=str(self.folder).encode()),
            acceptor=accepted,
            allow_scp=False,
        )
        self.port = self.acceptor.get_port()

    async def _drop(self) -> None:
        self.acceptor.close()
        for connection in self.connections:
            connection.abort()
        await self.acceptor.wait_closed()
        await asyncio.sleep(0)
