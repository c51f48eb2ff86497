"""What a source offers it offers as well in a system with characters of its own; its rows come in the city's."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.contract import Called, Confirmable, Rereadable, Rewindable, Site
from hub.settings.models import Characters, TableRow
from tests.conformance.helpers import site

GAIJI = {"juki-gaiji": (TableRow(code="F040", value="U+9AD9", place="juki-gaiji"),)}


@pytest.fixture
def own(tmp_path: Path) -> Site:
    return replace(site(tmp_path), text=Characters(encoding="cp932", gaiji="juki-gaiji"), tables=GAIJI)


def files(own: Site, **options: Any) -> Any:
    return registry.open_source("csv", {"path": "in/*.csv", **options}, own)


def laid(own: Site, name: str = "a.csv", content: bytes = b"n\n\xf0\x40\n") -> Path:
    path = own.folder / "in" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_call_is_proved_and_its_rows_come_in_the_citys_characters(own: Site) -> None:
    source = registry.open_source("http", {"webhook": {"secret": "0123456789abcdef"}}, own)
    assert isinstance(source, Called)
    assert source.window > 0
    (row,) = source.rows('[{"n":"\ue000"}]'.encode())
    assert (row.values, row.keep) == ({"n": "\u9ad9"}, True)


def test_of_what_is_no_file_in_the_systems_encoding_no_bytes_are_kept(own: Site) -> None:
    source = registry.open_source("jsonl", {"path": "in/*.jsonl"}, own)
    laid(own, "a.jsonl", '{"n":"山田 花子"}\n{"n":"\ue000"}\n'.encode())
    (batch,) = source.read(None)
    assert [(row.values["n"], row.keep) for row in batch.rows] == [("山田 花子", False), ("\u9ad9", True)]


def test_files_that_settle_are_waited_for(own: Site) -> None:
    source = files(own, settle="60s")
    laid(own)
    assert list(source.read(None)) == []
    assert source.settling > 0


def test_a_kept_file_that_comes_again_is_named(own: Site) -> None:
    source = files(own, after="keep")
    path = laid(own)
    (batch,) = source.read(None)
    path.write_bytes(path.read_bytes())
    assert list(source.read(batch.position)) == []
    assert source.seen_again == [batch.batch_id]


def test_files_are_read_again_and_set_back(own: Site) -> None:
    source = files(own, after="keep")
    assert isinstance(source, Rereadable)
    assert isinstance(source, Rewindable)
    assert not isinstance(source, Called)
    assert not isinstance(source, Confirmable)
    for name in ("again", "rewound"):  # newer Pythons ask no `__getattr__` when they check a protocol
        inspect.getattr_static(source, name)
    (row,) = source.again(b"\xf0\x40\n", b"n\n")
    assert row.values == {"n": "\u9ad9"}
    assert source.rewound({"kept": {}}, "a.csv") is None


def test_a_table_whose_rows_stay_says_so(own: Site) -> None:
    options = {"url": f"sqlite:///{own.folder}/a.db", "table": "t", "cursor": "no"}
    assert registry.open_source("database", options, own).keeps_rows  # type: ignore[attr-defined]
