"""Submissions of an online application service, and their attachments."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.errors import Transient
from tests.conformance.helpers import in_place_of_folder, site

FORM = {"申請番号": "A-1", "宛名番号": "1000001", "回答": {"児童": [{"氏名": "守口 一郎"}]}}
PICTURE = b"\x89PNG" + bytes(range(256)) * 2000


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def read(folder: Path, content: bytes, name: str = "a.zip", **options: Any) -> list[Any]:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / name).write_bytes(content)
    source = registry.open_source("online_application", {"path": "in/*", "after": "keep", **options}, site(folder))
    return [row for batch in source.read(None) for row in batch.rows]


def kept(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in (folder / "var" / "attachments").rglob("*") if path.is_file()}


def test_json_one_or_several(tmp_path: Path) -> None:
    assert [row.values for row in read(tmp_path, json.dumps(FORM).encode(), "a.json")] == [FORM]
    several = read(tmp_path, json.dumps([FORM, 5, FORM]).encode("utf-8-sig"), "a.json")
    assert [row.error.code if row.error else row.values["申請番号"] for row in several] == ["A-1", "json-object", "A-1"]


def test_csv(tmp_path: Path) -> None:
    rows = read(tmp_path, "申請番号,氏名\nA-1,守口\nA-2\n".encode("cp932"), "a.csv", encoding="cp932")
    assert [row.error.code if row.error else row.values["氏名"] for row in rows] == ["守口", "csv-columns"]


def test_a_zip_of_one_submission_with_its_attachments(tmp_path: Path) -> None:
    members = {"form.json": json.dumps(FORM).encode(), "写真/本人確認.png": PICTURE, "写真/控え.csv": b"1,2"}
    (row,) = read(tmp_path, zipped(members))
    digest = hashlib.sha256(PICTURE).hexdigest()
    assert row.values["attachments"] == [
        {"name": "写真/本人確認.png", "digest": digest, "size": len(PICTURE)},
        {"name": "写真/控え.csv", "digest": hashlib.sha256(b"1,2").hexdigest(), "size": 3},
    ]
    assert json.loads(row.raw) == row.values
    files = kept(tmp_path)
    assert files[digest].read_bytes() == PICTURE
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files.values())
    assert stat.S_IMODE(files[digest].parent.stat().st_mode) == 0o700


def test_names_as_windows_writes_them(tmp_path: Path) -> None:
    content = zipped({"form.json": json.dumps(FORM).encode(), "abcd.png": PICTURE})
    content = content.replace(b"abcd.png", "写真".encode("cp932") + b".png")  # not marked as UTF-8
    (row,) = read(tmp_path, content)
    assert [each["name"] for each in row.values["attachments"]] == ["写真.png"]


def test_the_same_content_is_kept_once(tmp_path: Path) -> None:
    for number in range(2):
        members = {"form.json": json.dumps({**FORM, "申請番号": f"A-{number}"}).encode(), f"{number}.png": PICTURE}
        read(tmp_path, zipped(members), f"{number}.zip")
    assert list(kept(tmp_path)) == [hashlib.sha256(PICTURE).hexdigest()]


def test_content_is_synced_before_it_has_its_name_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []  # how many files had their name when a file's content was synced
    whole = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(sum(not name.startswith(".part-") for name in kept(tmp_path)))
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    content = zipped({"form.json": json.dumps(FORM).encode(), "a.png": PICTURE})
    read(tmp_path, content)
    assert synced == [0]
    read(tmp_path, content)
    assert synced == [0]


def test_each_submission_has_the_attachments_that_it_names(tmp_path: Path) -> None:
    table = "番号,添付\n1,a.png;b.txt\n2,\n3,none.png\n4,big.bin\n"
    members = {"x/list.csv": table.encode(), "x/a.png": PICTURE, "x/b.txt": b"b", "x/big.bin": b"0" * 600_000}
    rows = read(tmp_path, zipped(members), attachments="添付", largest=550_000)
    assert [row.error.code if row.error else [each["name"] for each in row.values["添付"]] for row in rows] == [
        ["a.png", "b.txt"],
        [],
        "attachment-missing",
        "attachment-too-large",
    ]


def test_attachments_that_nobody_names_are_not_lost(tmp_path: Path) -> None:
    members = {"list.csv": b"no,attachments\n1,a.png\n2,\n", "a.png": PICTURE, "b.png": b"b"}
    rows = read(tmp_path, zipped(members))
    assert {row.error.code for row in rows} == {"attachment-unclaimed"}
    assert b"".join(row.raw for row in rows) == (tmp_path / "in" / "a.zip").read_bytes()


def test_a_name_in_the_zip_leads_nowhere(tmp_path: Path) -> None:
    members = {"form.json": json.dumps(FORM).encode(), "../../outside.txt": b"x", "/etc/outside.txt": b"y"}
    read(tmp_path, zipped(members))
    assert [path.name for path in tmp_path.rglob("outside.txt")] == []
    assert len(kept(tmp_path)) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"PK no zip", "zip-broken"),
        (zipped({"a.png": PICTURE}), "zip-empty"),
        (zipped({"form.json": b"{}", "a.png": PICTURE})[:-400], "zip-broken"),
        (b"{broken", "json"),
    ],
)
def test_a_file_that_cannot_be_read_is_kept_whole(tmp_path: Path, content: bytes, code: str) -> None:
    rows = read(tmp_path, content)
    assert {row.error.code for row in rows} == {code}
    assert b"".join(row.raw for row in rows) == content


def test_a_damaged_attachment_is_an_error_of_its_submission(tmp_path: Path) -> None:
    content = bytearray(zipped({"form.json": json.dumps(FORM).encode(), "a.png": PICTURE}))
    at = content.index(b"a.png") + 40
    content[at : at + 20] = bytes(20)
    (row,) = read(tmp_path, bytes(content))
    assert row.error.code == "zip-broken"
    assert kept(tmp_path) == {}


def test_a_submission_is_taken_up_again_from_quarantine(tmp_path: Path) -> None:
    members = {"form.json": json.dumps(FORM).encode(), "a.png": PICTURE}
    (row,) = read(tmp_path, zipped(members))
    source = registry.open_source("online_application", {"path": "in/*"}, site(tmp_path))
    assert [again.values for again in source.again(row.raw, b"")] == [row.values]
    assert [again.values for again in source.again(zipped(members), b"")] == [row.values]


def test_a_disk_that_takes_no_attachment_is_waited_for(tmp_path: Path) -> None:
    with in_place_of_folder(tmp_path / "var"), pytest.raises(Transient):
        read(tmp_path, zipped({"form.json": json.dumps(FORM).encode(), "a.png": PICTURE}))
    assert len(read(tmp_path, zipped({"form.json": json.dumps(FORM).encode(), "a.png": PICTURE}))) == 1
