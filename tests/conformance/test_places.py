"""What only an SFTP server or an object storage can do wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.errors import Transient
from tests.conformance.files import FORMATS, FileSinkCase, FileSourceCase, Sftp, Storage
from tests.conformance.helpers import site
from tests.services.sftp import PASSWORD, SftpServer
from tests.services.storage import SECRET_KEY, StorageServer

CSV = FORMATS["csv"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SftpServer]:
    server = SftpServer(tmp_path / "server")
    yield server
    server.close()


@pytest.fixture(scope="module")
def storage() -> Iterator[StorageServer]:
    server = StorageServer()
    yield server
    server.stop()


def read(opened: Any, after: Any = None) -> list[dict[str, Any]]:
    rows = []
    for found in opened.read(after):
        rows += [row.values for row in found.rows]
        opened.acknowledge(found)
    return rows


# --- logging in ------------------------------------------------------------------------------------------------------


def refused(case: Any, **login: Any) -> Transient:
    case.place.login = {"sftp": {**case.place.login["sftp"], **login}}
    with pytest.raises(Transient) as caught:
        read(case.open())
    return caught.value


def test_another_host_key_is_refused_before_anything_is_sent(tmp_path: Path, server: SftpServer) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    error = refused(FileSourceCase(tmp_path, Sftp(server), CSV), host_key=other)
    assert "not the one in `host_key`" in error.message


def test_a_wrong_password_is_told_without_it(tmp_path: Path, server: SftpServer) -> None:
    error = refused(FileSourceCase(tmp_path, Sftp(server), CSV), password="not-" + PASSWORD)
    assert "the login was refused" in error.message
    assert PASSWORD not in str(error)


def test_a_key_logs_in_with_its_passphrase(tmp_path: Path, server: SftpServer) -> None:
    case = FileSourceCase(tmp_path, Sftp(server), CSV)
    key = server.user_key.export_private_key(passphrase="open", rounds=50).decode()  # noqa: S106
    login = {"host_key": server.host_key, "key": key}
    case.place.login = {"sftp": {**login, "passphrase": "open"}}
    wanted = case.fill(3)
    assert read(case.open()) == wanted
    case.place.login = {"sftp": {**login, "passphrase": "wrong"}}
    with pytest.raises(Transient, match="private key"):
        read(case.open())


@pytest.mark.parametrize(
    "login",
    [
        {"host_key": "files.example ssh-ed25519 AAAA", "password": "x"},
        {"host_key": "ssh-ed25519 AAAA"},
        {"host_key": "ssh-ed25519 AAAA", "password": "x", "key": "y"},
        {"password": "x"},
    ],
)
def test_what_is_no_login(tmp_path: Path, login: dict[str, Any]) -> None:
    with pytest.raises(Exception, match=r"sftp|host_key|key"):
        registry.open_source("csv", {"path": "sftp://u@h/a/*.csv", "sftp": login}, site(tmp_path))


def test_a_storage_that_refuses_names_its_reason_without_the_secret(tmp_path: Path, storage: StorageServer) -> None:
    place = Storage(storage)
    case = FileSourceCase(tmp_path, place, CSV)
    place.bucket = "no-such-bucket"
    with pytest.raises(Transient, match="NoSuchBucket") as caught:
        read(case.open())
    assert SECRET_KEY not in str(caught.value)


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_trigger_on_a_server(tmp_path: Path, server: SftpServer) -> None:
    case = FileSourceCase(tmp_path, Sftp(server), CSV, trigger="{stem}.end")
    wanted = case.fill(2)
    assert read(case.open()) == []
    case.place.put("in/SABUN_001.end", b"")
    assert read(case.open()) == wanted
    assert sorted(case.place.files("in")) == ["in/done/SABUN_001.csv", "in/done/SABUN_001.end"]


def test_a_trigger_in_a_storage(tmp_path: Path, storage: StorageServer) -> None:
    case = FileSourceCase(tmp_path, Storage(storage), CSV, trigger="READY")
    wanted = case.fill(2) + case.fill(2)
    assert read(case.open()) == []
    case.place.put("in/READY", b"")
    assert read(case.open()) == wanted
    assert sorted(case.place.files("in")) == ["in/done/READY", "in/done/SABUN_001.csv", "in/done/SABUN_002.csv"]


@pytest.mark.parametrize("kind", ["sftp", "s3"])
def test_moving_never_overwrites_and_folders_may_be_patterns(
    kind: str, tmp_path: Path, server: SftpServer, storage: StorageServer
) -> None:
    place: Any = Sftp(server) if kind == "sftp" else Storage(storage)
    options = {"path": place.url("in/*/IDO.csv"), **place.login}
    for content in (b"a\n1\n", b"a\n2\n"):
        place.put("in/juki/IDO.csv", content)
        place.put("in/juki/.IDO.csv", b"hidden")
        assert len(read(registry.open_source("csv", options, site(tmp_path)))) == 1
    assert place.files("in/juki/done") == {"in/juki/done/IDO.csv": b"a\n1\n", "in/juki/done/IDO.2.csv": b"a\n2\n"}


def test_a_file_that_changes_while_it_is_fetched_is_left_for_the_next_look(tmp_path: Path, server: SftpServer) -> None:
    case = FileSourceCase(tmp_path, Sftp(server), CSV)
    case.fill(3)
    path = server.folder / "in" / "SABUN_001.csv"

    class Growing(asyncssh.SFTPServer):
        def read(self, file_obj: Any, offset: int, size: int) -> Any:
            data = super().read(file_obj, offset, size)
            with path.open("ab") as stream:
                stream.write(b"9,x\n")
            return data

    server.factory = Growing
    assert read(case.open()) == []
    server.factory = asyncssh.SFTPServer
    assert len(read(case.open())) > 3


def test_a_lost_connection_is_made_anew(tmp_path: Path, server: SftpServer) -> None:
    case = FileSourceCase(tmp_path, Sftp(server), CSV)
    opened = case.open()
    read(opened)
    server.stop()
    server.start()
    wanted = case.fill(2)
    try:
        rows = read(opened)
    except Transient:
        rows = read(opened)
    assert rows == wanted


def test_a_long_listing_is_read_page_by_page(
    tmp_path: Path, storage: StorageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.adapters.places.object_storage.PAGE", 10)
    place = Storage(storage)
    for no in range(0, 1000, 40):
        place.put(f"in/{no:04d}.txt", b"")
    for name in ("in/0500.csv", "in/9999.csv"):
        place.put(name, b"a\n1\n")
    opened = registry.open_source("csv", {"path": place.url("in/*.csv"), **place.login}, site(tmp_path))
    assert len(read(opened)) == 2


# --- writing ---------------------------------------------------------------------------------------------------------


async def test_a_full_disk_of_the_server_doubles_nothing(tmp_path: Path, server: SftpServer) -> None:
    case = FileSinkCase(tmp_path, Sftp(server), CSV)
    sink, content = case.open(), batch(deliveries(3))

    class Full(asyncssh.SFTPServer):
        def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
            super().write(file_obj, offset, data[:7])
            raise asyncssh.SFTPNoSpaceOnFilesystem("the disk is full")

    server.factory = Full
    with pytest.raises(Transient, match="disk is full"):
        await sink.prepare(content)
    assert case.seen() == []
    await sink.close()
    server.factory = asyncssh.SFTPServer
    sink = case.open()
    await sink.commit(content, await sink.prepare(content))
    await sink.close()
    assert case.seen() == [delivery.key for delivery in content.deliveries]


async def test_a_storage_stopped_between_copy_and_delete_is_finished(tmp_path: Path, storage: StorageServer) -> None:
    case = FileSinkCase(tmp_path, Storage(storage), CSV)
    sink, content = case.open(), batch(deliveries(3))
    token = await sink.prepare(content)
    hidden = case.snapshot()
    await sink.commit(content, token)
    case.put_back({**hidden, **case.snapshot()})
    for _ in range(2):
        assert [outcome.error for outcome in await sink.recover(content, token)] == [None] * 3
    await sink.close()
    assert case.seen() == [delivery.key for delivery in content.deliveries]
    assert not [path for path in case.snapshot() if path.endswith(".part")]


@pytest.mark.parametrize("kind", ["sftp", "s3"])
async def test_what_was_prepared_is_withdrawn(
    kind: str, tmp_path: Path, server: SftpServer, storage: StorageServer
) -> None:
    place: Any = Sftp(server) if kind == "sftp" else Storage(storage)
    case = FileSinkCase(tmp_path, place, CSV)
    sink, content = case.open(), batch(deliveries(3))
    token = await sink.prepare(content)
    assert await sink.withdraw(content, token)
    token = await sink.prepare(content)
    await sink.commit(content, token)
    assert not await sink.withdraw(content, token)
    place.delete(f"out/{token['file']}")  # its reader has taken it
    assert not await sink.withdraw(content, token)
    await sink.close()
