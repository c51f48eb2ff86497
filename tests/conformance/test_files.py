"""Every file format on every place through the whole conformance kit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.conformance import PREPARED_CHECKS, SINK_CHECKS, SOURCE_CHECKS
from hub.adapters.conformance.sources import reads_in_constant_memory
from tests.conformance.files import FORMATS, FileSinkCase, FileSourceCase, Folder, Sftp, Storage
from tests.services.sftp import SftpServer
from tests.services.storage import StorageServer

EVERY = [(place, name) for place in ("folder", "sftp", "s3") for name in FORMATS]
AFTER = [*((place, "csv", after) for place in ("sftp", "s3") for after in ("keep", "delete"))]
AFTER += [("folder", name, after) for name in FORMATS for after in ("keep", "delete")]


@pytest.fixture(scope="module")
def storage() -> Iterator[StorageServer]:
    server = StorageServer()
    yield server
    server.stop()


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "sftp":
        server = SftpServer(tmp_path / "server")
        yield Sftp(server)
        server.close()
    else:
        yield Folder(tmp_path) if request.param == "folder" else Storage(request.getfixturevalue("storage"))


def _sources() -> Iterator[Any]:
    """Every check of every source; a workbook's memory is traced once, since that takes seconds."""
    for place, name, after in [*((*pair, "move") for pair in EVERY), *AFTER]:
        for check in SOURCE_CHECKS:
            if name != "excel" or check is not reads_in_constant_memory or (place, after) == ("folder", "move"):
                yield pytest.param(place, name, after, check, id=f"{place}-{name}-{after}-{check.__name__}")


@pytest.mark.parametrize(("place", "name", "after", "check"), list(_sources()), indirect=["place"])
def test_a_source(place: Any, name: str, after: str, check: Any, tmp_path: Path) -> None:
    check(FileSourceCase(tmp_path, place, FORMATS[name], after=after))


@pytest.mark.parametrize("check", SINK_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("place", "name"), EVERY, indirect=["place"])
async def test_a_sink(place: Any, name: str, check: Any, tmp_path: Path) -> None:
    await check(FileSinkCase(tmp_path, place, FORMATS[name]))


@pytest.mark.parametrize("check", PREPARED_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("place", "name"), EVERY, indirect=["place"])
async def test_a_sink_in_two_steps(place: Any, name: str, check: Any, tmp_path: Path) -> None:
    await check(FileSinkCase(tmp_path, place, FORMATS[name]))
