"""Places beside a folder for the file formats: an SFTP server, an object storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hub.adapters.conformance.own.files import FileSinkCase, FileSourceCase, Folder
from hub.adapters.conformance.own.formats import FORMATS, IDO, LAYOUTS, OUT
from tests.services.sftp import PASSWORD, SftpServer
from tests.services.storage import ACCESS_KEY, SECRET_KEY, StorageServer

__all__ = ["FORMATS", "IDO", "LAYOUTS", "OUT", "FileSinkCase", "FileSourceCase", "Folder", "Sftp", "Storage"]


class Sftp(Folder):
    on_disk = False

    def __init__(self, server: SftpServer) -> None:
        super().__init__(server.folder)
        self.server = server
        self.login = {"sftp": {"host_key": server.host_key, "password": PASSWORD, "timeout": 5}}

    def url(self, path: str) -> str:
        return self.server.url(path)

    @contextmanager
    def away(self, folder: str) -> Iterator[None]:  # noqa: ARG002
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()


class Storage:
    on_disk = False
    traced = False  # the server allocates in this process, for every request

    def __init__(self, server: StorageServer) -> None:
        self.server, self.bucket = server, server.bucket()
        self.login = {
            "s3": {"endpoint": server.endpoint, "access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "timeout": 5}
        }

    def url(self, path: str) -> str:
        return f"s3://{self.bucket}/{path}"

    def put(self, path: str, content: bytes) -> None:
        self.server.client.put_object(Bucket=self.bucket, Key=path, Body=content)

    def files(self, folder: str = "") -> dict[str, bytes]:
        client, bucket = self.server.client, self.bucket
        listed = client.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])
        keys = [each["Key"] for each in listed]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def delete(self, path: str) -> None:
        self.server.client.delete_object(Bucket=self.bucket, Key=path)

    @contextmanager
    def away(self, folder: str) -> Iterator[None]:  # noqa: ARG002
        self.server.stop()
        try:
            yield
        finally:
            self.server.start()
