"""What a source offers it offers as well in a system with characters of its own; its rows come in the city's."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Called, Confirmable, Outcome, Rereadable, Rewindable, Site
from hub.settings.layouts import Layout, LayoutField
from hub.settings.models import Characters, TableRow, Unmappable
from tests.conformance.helpers import EXPRESSIONS, site, with_data
from tests.unit.adapters.test_characters import codes

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


# --- systems that say nothing of characters, and name an encoding ---------------------------------------------------

LAYOUT = Layout(encoding="cp932", record=(LayoutField(name="n", width=4),))


def test_bytes_that_their_text_cannot_give_back_are_kept_of_csv(tmp_path: Path) -> None:
    plain = site(tmp_path)
    laid(plain, "a.csv", b"n\r\n" + b"".join(raw + b"\r\n" for raw in codes()))
    (*batches,) = registry.open_source("csv", {"path": "in/*.csv", "encoding": "cp932"}, plain).read(None)
    rows = [row for each in batches for row in each.rows]
    lost = [raw for raw in codes() if raw.decode("cp932").encode("cp932") != raw]
    assert len(rows) == len(codes())
    assert (len(lost), b"\xfb\xfc" in lost) == (398, True)
    assert [row.raw for row in rows if row.keep] == [raw + b"\r\n" for raw in lost]


def test_bytes_that_their_text_cannot_give_back_are_kept_of_fixed_records(tmp_path: Path) -> None:
    plain = replace(site(tmp_path), layouts={"l": LAYOUT})
    laid(plain, "a.dat", b"\xee\xe0  \r\n\xfb\xfc  \r\nab  \r\n")
    (found,) = registry.open_source("fixed_width", {"path": "in/*", "layout": "layouts/l.yaml"}, plain).read(None)
    assert [(row.values["n"], row.keep) for row in found.rows] == [("髙", False), ("髙", True), ("ab", False)]


def test_they_are_kept_of_what_a_service_calls_with_and_of_what_is_read_again(tmp_path: Path) -> None:
    options = {"webhook": {"secret": "0123456789abcdef"}, "format": "csv", "encoding": "cp932"}
    called: Any = registry.open_source("http", options, site(tmp_path))
    assert [row.keep for row in called.rows(b"n\n\xee\xe0\n\xfb\xfc\n")] == [False, True]
    again: Any = registry.open_source("csv", {"path": "in/*.csv", "encoding": "cp932"}, site(tmp_path))
    assert [row.keep for row in again.again(b"\xfb\xfc\n", b"n\n")] == [True]


def test_they_are_kept_in_a_system_with_characters_of_its_own_too(own: Site) -> None:
    rows = files(own).again(b"\xfb\xfc\n", b"n\n") + files(own).again(b"\xee\xe0\n", b"n\n")
    assert [row.keep for row in rows] == [True, False]


@pytest.mark.parametrize("text", [None, Characters(gaiji="juki-gaiji")])
def test_of_utf_8_nothing_is_kept(tmp_path: Path, text: Characters | None) -> None:
    where = replace(site(tmp_path), text=text, tables=GAIJI)
    laid(where, content="\ufeffn\n守口 髙\n".encode())
    (found,) = registry.open_source("csv", {"path": "in/*.csv"}, where).read(None)
    assert [row.keep for row in found.rows] == [False]


async def told(where: Site, adapter: str, *names: str, **options: Any) -> tuple[list[Outcome], bytes]:
    """Return what became of names that a receiver was told, and its file."""
    sink: Any = registry.open_sink(adapter, {"path": "out/", **options}, where, EXPRESSIONS)
    parts = zip(deliveries(len(names)), names, strict=True)
    whole = batch([with_data(one, {"n": name}) for one, name in parts])
    outcomes = await sink.commit(whole, await sink.prepare(whole))
    await sink.close()
    (path,) = (where.folder / "out").glob("[!.]*")
    return list(outcomes), path.read_bytes()


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("cp932", "～～－－∥∥――￥￥￣￣"), ("shift_jis", "〜〜−−‖‖――￥￥￣￣"), ("euc_jp", "〜〜−−‖‖――￥￥￣￣")],
)
async def test_what_stands_once_in_jis_is_written_whichever_of_its_two_characters_came(
    tmp_path: Path, encoding: str, written: str
) -> None:
    columns = {"n": "data.n"}
    outcomes, content = await told(
        site(tmp_path), "csv", "〜～−－‖∥—―¥￥‾￣", "守口", columns=columns, encoding=encoding
    )
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert content.decode(encoding) == f"n\r\n{written}\r\n守口\r\n"


async def test_a_layout_is_written_so_too(tmp_path: Path) -> None:
    where = replace(site(tmp_path), layouts={"l": LAYOUT}, fields=("n",))
    (outcome,), content = await told(where, "fixed_width", "—¥", layout="layouts/l.yaml")
    assert (outcome.error, content) == (None, "―￥\r\n".encode("cp932"))


async def test_what_the_encoding_lacks_is_the_columns_own_to_refuse(tmp_path: Path) -> None:
    columns = {"番号": "subject"}
    (outcome,), content = await told(site(tmp_path), "csv", "𠮷野", columns=columns, encoding="cp932")
    assert (outcome.error, outcome.detail) == (None, "")  # the file has no column with it
    assert content.decode("cp932") == "番号\r\n1000\r\n"
    (_, refused), _ = await told(site(tmp_path / "b"), "csv", "守口", "𠮷", columns={"n": "data.n"}, encoding="cp932")
    assert refused.error is not None
    assert refused.error.message == "𠮷 (U+20BB7) in `n` is not in cp932"


async def test_what_a_system_says_it_lacks_is_refused_or_shown_and_told(own: Site) -> None:
    columns = {"n": "data.n"}
    (_, refused), _ = await told(own, "csv", "守口", "𠮷", columns=columns)
    assert refused.error is not None
    assert refused.error.message == "the system does not have U+20BB7"
    shown = replace(own, folder=own.folder / "b", text=Characters(encoding="cp932", unmappable=Unmappable(show="〓")))
    (outcome,), content = await told(shown, "csv", "𠮷", columns=columns)
    assert (outcome.code, content.decode("cp932")) == ("U+20BB7", "n\r\n〓\r\n")
