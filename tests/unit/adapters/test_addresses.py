from __future__ import annotations

from pathlib import Path

import pytest

from hub.adapters import registry
from hub.adapters.places.addresses import Address
from hub.errors import ConfigurationError
from tests.conformance.helpers import site


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("in/*.csv", ("", "", "", 22, "", ())),
        ("sftp://u@h/in/a*/b.csv", ("sftp", "u", "h", 22, "/in", ("a*", "b.csv"))),
        ("sftp://u@h:2222/in/", ("sftp", "u", "h", 2222, "/in", ())),
        ("sftp://u@[::1]:22/in/x.csv", ("sftp", "u", "::1", 22, "/in", ("x.csv",))),
        ("sftp://u@h/~/in/*", ("sftp", "u", "h", 22, "in", ("*",))),
        ("sftp://u@h/~/", ("sftp", "u", "h", 22, ".", ())),
        ("sftp://u@h/*", ("sftp", "u", "h", 22, "/", ("*",))),
        ("s3://bucket/in/*.csv", ("s3", "", "bucket", 22, "in", ("*.csv",))),
        ("s3://bucket/", ("s3", "", "bucket", 22, "", ())),
    ],
)
def test_the_parts_of_an_address(path: str, parts: tuple[object, ...]) -> None:
    found = Address.of(path)
    assert (found.scheme, found.user, found.host, found.port, found.folder, found.parts) == parts


@pytest.mark.parametrize("path", ["sftp://h/in/", "sftp://u:secret@h/in/", "sftp://u@h", "s3://B/x", "ftp://u@h/x"])
def test_what_is_no_address(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"write|a path is"):
        registry.open_source("csv", {"path": path}, site(tmp_path))


@pytest.mark.parametrize(
    ("path", "login", "said"),
    [
        ("sftp://u@h/in/", {}, "needs `sftp:`"),
        ("s3://bucket/in/", {}, "needs `s3:`"),
        ("in/", {"sftp": {"host_key": "ssh-ed25519 AAAA", "password": "x"}}, "begins with sftp://"),
    ],
)
def test_a_login_belongs_to_its_place(path: str, login: dict[str, object], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        registry.open_source("csv", {"path": path, **login}, site(tmp_path))


@pytest.mark.parametrize("name", ["sftp", "object_storage", "s3"])
def test_a_place_is_no_adapter(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name the format"):
        registry.find(name)
