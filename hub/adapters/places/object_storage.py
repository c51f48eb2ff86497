"""Object storages that speak S3. A bucket has no folders and no rename: an object appears whole, under one key.

What the hub writes is first put under a hidden key and then copied by the storage itself. Whatever a storage answers
becomes `Transient`, a missing object `Gone`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache
from typing import Any, BinaryIO, TypeVar

from pydantic import Field

from hub.adapters.contract import AdapterSettings, Duration, Site
from hub.adapters.places import DONE, Found, Gone, numbered
from hub.adapters.places.addresses import Address
from hub.adapters.places.remote import Entry, Writer, copy_of, matching, not_installed, remember, remembered
from hub.errors import Transient
from hub.settings.secret import Secret

T = TypeVar("T")

_MAKING = threading.Lock()  # a session makes one client at a time
GONE = {"404", "NoSuchKey", "NotFound", "412", "PreconditionFailed"}  # 412: changed since it was listed
PAGE = 1000  # names in one answer


class StorageSettings(AdapterSettings):
    """How to reach an object storage."""

    endpoint: str | None = Field(
        default=None, description="The storage's URL, `https://…`; without it Amazon's own.", pattern="^https?://"
    )
    region: str = Field(default="ap-northeast-1", description="The region's name.")
    access_key: Secret | str = Field(min_length=1, description="The access key's name; the key itself is a secret.")
    secret_key: Secret = Field(min_length=1, description="The secret key, a secret.")
    ca: str | None = Field(default=None, description="A file of CA certificates (PEM), from the city folder.")
    proxy: str | None = Field(default=None, description="A proxy's URL; the environment's proxies are not used.")
    timeout: Duration = Field(default=30.0, gt=0, description="How long an answer of the storage is waited for.")


@cache
def _session() -> Any:
    """Return what makes clients: it reads the API's description once."""
    import boto3  # noqa: PLC0415 — an extra, and slow to import

    return boto3.session.Session()


class Bucket:
    """One bucket, its client made when it is needed."""

    def __init__(self, address: Address, settings: StorageSettings, site: Site) -> None:
        self._address = address
        self._settings = settings
        self._site = site
        self._client: Any = None

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the client on the bucket. Raises `Gone` and `Transient`."""
        return self.run(lambda client: getattr(client, method)(Bucket=self._address.host, **parameters))

    def run(self, work: Callable[[Any], T]) -> T:
        """Do something with the client. Raises `Gone` and `Transient`."""
        try:
            from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError  # noqa: PLC0415 — an extra
        except ImportError:
            raise not_installed("boto3", "s3") from None
        try:
            if self._client is None:
                self._client = self._connect()
            return work(self._client)
        except ClientError as error:
            answer = error.response.get("Error", {})
            if answer.get("Code") in GONE:
                raise Gone(self._address.place) from error
            reason = f"{answer.get('Code', '?')} {answer.get('Message', '')}".strip()
            raise Transient(f"{self._address.place}: {reason}", code="place-refused") from error
        except (BotoCoreError, HTTPClientError, OSError) as error:
            raise Transient(f"{self._address.place}: {error}", code="place-away") from error

    def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connect(self) -> Any:
        from botocore.config import Config  # noqa: PLC0415

        settings = self._settings
        config = Config(
            connect_timeout=settings.timeout,
            read_timeout=settings.timeout,
            retries={"total_max_attempts": 2, "mode": "standard"},
            s3={"addressing_style": "path" if settings.endpoint else "auto"},
            proxies={"https": settings.proxy, "http": settings.proxy} if settings.proxy else {},
            request_checksum_calculation="when_required",  # other storages refuse what Amazon's has added
            response_checksum_validation="when_required",
        )
        with _MAKING:
            return _session().client(
                "s3",
                endpoint_url=settings.endpoint,
                region_name=settings.region,
                aws_access_key_id=str(settings.access_key),
                aws_secret_access_key=str(settings.secret_key),
                verify=str(self._site.folder / settings.ca) if settings.ca else None,
                config=config,
            )


class StorageInbox:
    """The objects of a pattern in a bucket."""

    def __init__(self, address: Address, settings: StorageSettings, site: Site) -> None:
        self._address = address
        self._bucket = Bucket(address, settings, site)
        self._site = site

    def look(self, faults: list[Transient]) -> list[Found]:
        """Return the objects in name order."""
        address = self._address
        return list(matching(self._list, address.folder, address.parts, address.place, faults))

    def open(self, found: Found) -> AbstractContextManager[BinaryIO]:
        """Fetch the object, if it is still the one that was listed."""

        def fill(stream: BinaryIO) -> None:
            answer = self._bucket.call("get_object", Key=found.where, IfMatch=found.mark[0])
            found.written = int(answer["LastModified"].timestamp() * 1000) if "LastModified" in answer else None
            self._bucket.run(lambda _: shutil.copyfileobj(answer["Body"], stream, 1024 * 1024))

        return copy_of(self._site, fill)

    def mark(self, found: Found) -> list[Any] | None:
        """Return its entity tag and size."""
        try:
            return _mark(self._bucket.call("head_object", Key=found.where))
        except Gone:
            return None

    def beside(self, found: Found, name: str) -> Found | None:
        """Return the object of that name under the same prefix."""
        where = found.where.removesuffix(found.name) + name
        other = Found(name, f"{found.label.removesuffix(found.name)}{name}", where=where)
        other.mark = self.mark(other) or []
        return other if other.mark else None

    def move(self, found: Found) -> None:
        """Copy the object under `done/`, then delete it."""
        prefix = found.where.removesuffix(found.name)
        number = 1
        while self.mark(Found("", "", where=(target := f"{prefix}{DONE}/{numbered(found.name, number)}"))) is not None:
            number += 1
        self._copy(found.where, target)
        self.delete(found)

    def delete(self, found: Found) -> None:
        """Delete the object."""
        self._bucket.call("delete_object", Key=found.where)

    def _copy(self, source: str, target: str) -> None:
        self._bucket.call("copy_object", Key=target, CopySource={"Bucket": self._address.host, "Key": source})

    def _list(self, folder: str) -> Iterator[Entry]:
        prefix = f"{folder}/" if folder else ""
        token: dict[str, str] = {}
        while True:
            page = self._bucket.call("list_objects_v2", Prefix=prefix, Delimiter="/", MaxKeys=PAGE, **token)
            for each in page.get("CommonPrefixes", []):
                yield Entry(each["Prefix"].removeprefix(prefix).rstrip("/"), [], is_folder=True)
            for each in page.get("Contents", []):
                if name := each["Key"].removeprefix(prefix):
                    yield Entry(name, [each["ETag"], each["Size"]])
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}


class StorageOutbox:
    """A prefix of a bucket, with a hidden `.<system>.<receiver>.hub` as its memory."""

    def __init__(self, address: Address, settings: StorageSettings, site: Site) -> None:
        steps = "/".join(filter(None, [address.folder, *address.parts]))
        self._prefix = f"{steps}/" if steps else ""
        self._host = address.host
        self._memory = f".{site.key}.hub"
        self._bucket = Bucket(address, settings, site)
        self._writer = Writer(site)

    def lock(self) -> None:
        """Become the one writer."""
        self._writer.lock()

    def read(self, name: str) -> bytes | None:
        """Fetch an object."""
        try:
            answer = self._bucket.call("get_object", Key=self._prefix + name)
            content: bytes = self._bucket.run(lambda _: answer["Body"].read())
        except Gone:
            return None
        return content

    def write(self, name: str, content: bytes) -> None:
        """Put an object: when the storage has answered, it is durable."""
        self._bucket.call("put_object", Key=self._prefix + name, Body=content)

    def publish(self, hidden: str, visible: str) -> None:
        """Have the storage copy the object, then delete the hidden one."""
        source = {"Bucket": self._host, "Key": self._prefix + hidden}
        self._bucket.call("copy_object", Key=self._prefix + visible, CopySource=source)
        self.remove(hidden)

    def remove(self, name: str) -> None:
        """Delete an object."""
        self._bucket.call("delete_object", Key=self._prefix + name)

    def remembered(self) -> list[str]:
        """Return the lines of the memory."""
        return remembered(self.read(self._memory))

    def remember(self, line: str) -> None:
        """Put the memory anew."""
        self.write(self._memory, remember(self.remembered(), line))

    def close(self) -> None:
        """Let go of the lock and of connections."""
        self._bucket.close()
        self._writer.close()


def _mark(answer: dict[str, Any]) -> list[Any]:
    return [answer["ETag"], answer["ContentLength"]]
