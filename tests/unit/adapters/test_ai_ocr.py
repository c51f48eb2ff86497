"""AI-OCR: what is sure goes on, what is not waits for a person, and what DX Suite answers on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.errors import ConfigurationError, Transient
from tests.conformance.helpers import site
from tests.services.dx_suite import DxSuite

HEAD = "ItemName,Page,GID,RID,Value,conf,x,y,w,h\n"
SHEET = (
    HEAD
    + "氏名,1,1,1,守口 太郎,99.5,1,2,3,4\n生年月日,1,1,2,昭和55年2月29日,91,1,2,3,4\n氏名,2,1,1,守口 花了,62,1,2,3,4\n"
)


def airead(folder: Path, content: str = SHEET, **options: Any) -> list[Any]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "scan7.csv").write_bytes(content.encode("cp932"))
    given = {"service": "airead", "path": "in/*.csv", "after": "keep", **options}
    source = registry.open_source("ai_ocr", given, site(folder))
    return [row for batch in source.read(None) for row in batch.rows]


def test_sure_fields_go_on_and_unsure_ones_wait(tmp_path: Path) -> None:
    sure, unsure = airead(tmp_path)
    assert sure.values == {
        "document": "scan7-1",
        "fields": [
            {"name": "氏名", "value": "守口 太郎", "confidence": 99.5},
            {"name": "生年月日", "value": "昭和55年2月29日", "confidence": 91.0},
        ],
        "items": {"氏名": "守口 太郎", "生年月日": "昭和55年2月29日"},
        "unsure": [],
    }
    assert (unsure.error, unsure.doubt, unsure.values["items"]) == (None, "unsure: 氏名", {"氏名": "守口 花了"})
    _, refused = airead(tmp_path, unsure="quarantine")
    assert (refused.error.code, refused.values, refused.doubt) == ("unsure", {}, "")
    assert "氏名" in refused.error.message
    assert "花了" not in str(refused.error)


def test_a_person_mends_it_and_it_goes_on(tmp_path: Path) -> None:
    _, unsure = airead(tmp_path)
    source = registry.open_source("ai_ocr", {"service": "airead", "path": "in/*.csv"}, site(tmp_path))
    (still,) = source.again(unsure.raw, b"")
    assert still.doubt == "unsure: 氏名"
    (row,) = source.again(source.confirmed(unsure.raw, {"氏名": "守口 花子"}), b"")
    assert (row.doubt, row.values["items"], row.values["unsure"]) == ("", {"氏名": "守口 花子"}, [])
    mended = json.loads(unsure.raw)
    mended["fields"][0] |= {"value": "守口 花子", "confidence": 100}
    (row,) = source.again(json.dumps(mended).encode(), b"")
    assert (row.values["document"], row.values["items"]) == ("scan7-2", {"氏名": "守口 花子"})


def test_thresholds_optional_fields_and_the_switch_for_review(tmp_path: Path) -> None:
    assert [row.doubt for row in airead(tmp_path, threshold=60)] == ["", ""]
    assert [row.doubt for row in airead(tmp_path, thresholds={"生年月日": 95})] == ["unsure: 生年月日", "unsure: 氏名"]
    assert [row.doubt for row in airead(tmp_path, optional=["氏名"])] == ["", ""]
    passed = airead(tmp_path, unsure="pass")
    assert [(row.values["unsure"], row.doubt) for row in passed] == [([], ""), (["氏名"], "")]
    blind = HEAD + "氏名,1,1,1,守口 太郎,,1,2,3,4\n"
    assert airead(tmp_path, blind)[0].doubt == "unsure: 氏名"
    assert airead(tmp_path, blind, blind="sure")[0].values["fields"] == [{"name": "氏名", "value": "守口 太郎"}]


def test_what_one_document_is(tmp_path: Path) -> None:
    assert [row.values["document"] for row in airead(tmp_path, threshold=0, document="file")] == ["scan7"]
    assert [row.values["document"] for row in airead(tmp_path, threshold=0, document="group")] == ["scan7-1"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("名,値\na,b\n", "airead"),
        (HEAD + "氏名,1,1,1,太郎,high,1,2,3,4\n", "airead"),
        (HEAD + "氏名,1,1,1,太郎,101,1,2,3,4\n", "airead"),
        (SHEET + "氏名,3\n", "csv-columns"),
    ],
)
def test_a_file_that_is_not_whole_waits_whole(tmp_path: Path, content: str, code: str) -> None:
    rows = airead(tmp_path, content)
    assert {row.error.code for row in rows} == {code}
    assert b"".join(row.raw for row in rows) == content.encode("cp932")


@pytest.fixture
def suite() -> Iterator[DxSuite]:
    made = DxSuite()
    yield made
    made.stop()


class Desk:
    """A source as intake reads it: what it says is durable, then acknowledged."""

    def __init__(self, folder: Path, suite: DxSuite, **options: Any) -> None:
        reached = {"url": suite.url, "workflow": "wf-1", "key": "secret"}
        given = {"service": "dx-suite", "path": "in/*.pdf", "dx_suite": reached, **options}
        self.source = registry.open_source("ai_ocr", given, site(folder))
        self.position: dict[str, Any] | None = None

    def read(self, *, acknowledge: bool = True) -> list[Any]:
        rows = []
        for batch in self.source.read(self.position):
            self.position = json.loads(json.dumps(batch.position))
            rows += batch.rows
            if acknowledge:
                self.source.acknowledge(batch)
        return rows


@pytest.fixture
def desk(tmp_path: Path, suite: DxSuite) -> Desk:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "scan.pdf").write_bytes(b"%PDF scan")
    suite.csv["scan.pdf"] = "氏名,氏名_confidence,住所\n守口 太郎,98,大日町1-1\n守口 花子,40,大日町1-1\n"
    return Desk(tmp_path, suite, blind="sure")


def test_a_scan_goes_up_once_and_comes_back_as_documents(tmp_path: Path, suite: DxSuite, desk: Desk) -> None:
    assert desk.read() == []
    assert suite.units == {"u1": ("scan.pdf", b"%PDF scan")}
    assert (tmp_path / "in" / "done" / "scan.pdf").exists()
    for suite.not_yet in (406, 409):
        assert desk.read() == []
    suite.ready.add("u1")
    sure, unsure = desk.read()
    assert (sure.values["document"], sure.values["items"]["氏名"]) == ("scan-1", "守口 太郎")
    assert unsure.doubt == "unsure: 氏名"
    assert desk.read() == []
    assert len(suite.units) == 1


def test_what_failed_in_part_is_said_beside_what_was_read(suite: DxSuite, desk: Desk) -> None:
    desk.read()
    suite.failed.add("u1")
    (lost,) = desk.read()
    assert (lost.error.code, json.loads(lost.raw)) == ("ocr-failed", {"unitId": "u1", "file": "scan.pdf"})
    assert desk.position["units"] == {}


def test_a_crash_before_the_scan_is_put_away_does_not_send_it_again(suite: DxSuite, desk: Desk) -> None:
    desk.read(acknowledge=False)
    desk.read()
    assert len(suite.units) == 1


def test_a_crash_before_the_unit_is_noted_reads_nothing_twice(suite: DxSuite, desk: Desk) -> None:
    list(desk.source.read(None))  # went up, and the process ended
    desk.read()
    suite.ready |= {"u1", "u2"}
    assert len(desk.read()) == 2
    assert (len(suite.units), desk.read()) == (2, [])


@pytest.mark.parametrize("fault", [(429, {"Retry-After": "8"}), (503, {"Content-Type": "text/html"}), (401, {}), None])
def test_a_fault_is_waited_out_and_the_scan_stays(
    tmp_path: Path, suite: DxSuite, desk: Desk, fault: tuple[int, dict[str, str]] | None
) -> None:
    suite.faults = [fault]
    with pytest.raises(Transient) as raised:
        desk.read()
    assert raised.value.retry_after == (8.0 if fault and fault[0] == 429 else None)
    assert (tmp_path / "in" / "scan.pdf").exists()
    desk.read()
    suite.ready.add("u1")
    assert len(desk.read()) == 2


def test_settings_that_are_not_whole_are_refused() -> None:
    for wrong in (
        {"service": "dx-suite"},
        {"service": "airead", "dx_suite": {"url": "https://x", "workflow": "1", "key": "k"}},
    ):
        with pytest.raises(ConfigurationError):
            registry.settings("ai_ocr", "source", {"path": "in/*", **wrong})
