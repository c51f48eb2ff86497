from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.places import local
from hub.app import site_of
from hub.errors import ReceiverStopped, Rejected
from hub.settings.load import load_city
from tests.conformance.helpers import EXPRESSIONS, CsvSinkCase, site, with_data


async def written(folder: Path, *content: Any, fields: tuple[str, ...] = (), **options: Any) -> bytes:
    place = replace(site(folder), fields=fields)
    sink: Any = registry.open_sink("csv", {"path": "out/", **options}, place, EXPRESSIONS)
    whole = batch(list(content))
    await sink.commit(whole, await sink.prepare(whole))
    await sink.close()
    (path,) = (folder / "out").glob("[!.]*")
    return path.read_bytes()


async def test_the_default_columns(tmp_path: Path) -> None:
    one, two = deliveries(2)
    address = {"text": "京阪本通", "n": [1, 2.5]}
    one = with_data(one, {"name": '守口 "太郎"\n様', "head": True, "old": None, "address": address})
    two = with_data(two, {"kana": "モリグチ, ハナコ", "restored": {"kana": "x"}}, action="cancel")
    content = await written(tmp_path, one, two, fields=("name", "head", "address", "old", "kana"))
    assert content.decode() == (
        "delivery_key,event_id,type,subject,time,action,name,head,address,old,kana\r\n"
        'juki/e0000:kokuho.main:0,e0000,resident.moved,1000,2026-04-01T09:00:00+09:00,new,"守口 ""太郎""\n様",true,'
        '"{""text"":""京阪本通"",""n"":[1,2.5]}",,\r\n'
        'juki/e0001:kokuho.main:0,e0001,resident.moved,1001,2026-04-01T09:00:00+09:00,cancel,,,,,"モリグチ, ハナコ"\r\n'
    )


async def test_a_part_of_a_field_has_its_own_column(tmp_path: Path) -> None:
    address = {"town": "京阪本通", "at": {"no": 5}}
    one = with_data(deliveries(1)[0], {"name": "守口", "new_address": address, "a.b": "x"})
    fields = ("name", "new_address.town", "new_address.at.no", "name.town", "a.b", "old_address.town")
    head, row = (await written(tmp_path, one, fields=fields)).decode().splitlines()
    assert head.endswith(",action," + ",".join(fields))
    assert row.endswith(",new,守口,京阪本通,5,,x,")


@pytest.mark.parametrize("data", [{}, {"name": "守口", "type": "x", "kana": "k", "protected": True}])
async def test_the_header_is_the_same_whatever_the_files_hold(tmp_path: Path, data: dict[str, Any]) -> None:
    content = await written(tmp_path, with_data(deliveries(1)[0], data), fields=("name", "type", "protected"))
    assert content.splitlines()[0] == b"delivery_key,event_id,type,subject,time,action,name,data.type,protected"


async def test_the_columns_of_a_city_are_those_of_all_rules_to_the_receiver(tmp_path: Path) -> None:
    (tmp_path / "hub.yaml").write_text("{}")
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "zei.yaml").write_text(
        """system: zei
owner: 税務課
subscribes:
  - {id: moved, on: resident.moved, send: [name, new_address.town], because: x}
  - {id: died, on: resident.died, send: [died_on, name], protected: {mode: flag-only}, to: main, because: x}
  - {id: born, on: resident.born, send: [birth_date], to: desk, because: x}
receives: {main: {adapter: csv, path: out/}, desk: {adapter: csv, path: out/desk/}}
""",
        encoding="utf-8",
    )
    city = load_city(tmp_path, environ={})
    assert site_of(city, "zei", "main").fields == ("name", "new_address.town", "died_on", "protected", "do_not_post")
    assert site_of(city, "zei", "desk").fields == ("name", "new_address.town", "birth_date")


@pytest.mark.parametrize("adapter", ["csv", "excel"])
async def test_what_has_no_column_is_noted_by_name(tmp_path: Path, adapter: str) -> None:
    place = replace(site(tmp_path), fields=("name",))
    sink: Any = registry.open_sink(adapter, {"path": "out/"}, place, EXPRESSIONS)
    one, two, three = deliveries(3)
    data = {"name": "守口", "kana": "モリグチ", "head": None, "restored": {"kana": "x"}}
    whole = batch([with_data(one, data), with_data(two, {"name": "守口"}), three])
    outcomes = await sink.commit(whole, await sink.prepare(whole))
    await sink.close()
    assert [(each.error, each.detail) for each in outcomes[:2]] == [
        (None, "no column for kana: no rule sends it to this receiver now"),
        (None, ""),
    ]


async def test_own_columns_encoding_and_delimiter(tmp_path: Path) -> None:
    columns = {"宛名番号": "subject", "氏名": "data.name", "区分": '"1"', "カナ": "data.kana"}
    one = with_data(deliveries(1)[0], {"name": "髙橋"})
    content = await written(tmp_path, one, columns=columns, encoding="cp932", delimiter="\t")
    assert content.decode("cp932") == "宛名番号\t氏名\t区分\tカナ\r\n1000\t髙橋\t1\t\r\n"


async def test_a_character_the_encoding_lacks_is_named(tmp_path: Path) -> None:
    one, two = deliveries(2)
    case = CsvSinkCase(tmp_path)
    sink, whole = case.open(), batch([with_data(one, {"name": "𠮷野"}), two])
    token = await sink.prepare(whole)
    refused, delivered = await sink.commit(whole, token)
    await sink.close()
    assert isinstance(refused.error, Rejected)
    assert (refused.error.code, refused.error.message) == ("unencodable", "𠮷 (U+20BB7) in `name` is not in cp932")
    assert delivered.error is None
    assert token["refused"] == {one.key: ["unencodable", refused.error.message]}


async def test_a_batch_of_refusals_writes_no_file(tmp_path: Path) -> None:
    case = CsvSinkCase(tmp_path)
    sink, whole = case.open(), batch([case.refused(deliveries(1)[0])])
    token = await sink.prepare(whole)
    outcomes = await sink.commit(whole, token) + await sink.recover(whole, token)
    await sink.close()
    assert all(isinstance(outcome.error, Rejected) for outcome in outcomes)
    assert list(case.folder.iterdir()) == []


async def test_a_column_name_the_encoding_lacks_stops_the_receiver(tmp_path: Path) -> None:
    with pytest.raises(ReceiverStopped, match="column name"):
        await written(tmp_path, *deliveries(1), columns={"𠮷": "subject"}, encoding="cp932")


async def test_names_sort_by_time_and_are_unique(tmp_path: Path) -> None:
    case = CsvSinkCase(tmp_path)
    sink = case.open()
    names = [(await sink.prepare(batch(deliveries(1), no=no)))["file"] for no in range(9, 0, -1)]
    await sink.close()
    assert names == sorted(set(names))
    assert all(re.fullmatch(r"\d{8}T\d{9}Z_kokuho\.main_\d{9}\.csv", name) for name in names)


async def test_a_file_its_reader_has_taken_is_not_written_again(tmp_path: Path) -> None:
    case = CsvSinkCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(2))
    token = await sink.prepare(whole)
    await sink.commit(whole, token)
    await sink.close()
    (case.folder / token["file"]).unlink()
    sink = case.open()
    assert [outcome.error for outcome in await sink.recover(whole, token)] == [None, None]
    await sink.close()
    assert case.seen() == []


async def test_a_folder_that_was_emptied_is_written_again(tmp_path: Path) -> None:
    case = CsvSinkCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(2))
    token = await sink.prepare(whole)
    await sink.close()
    for path in case.folder.iterdir():
        path.unlink()
    sink = case.open()
    await sink.recover(whole, token)
    await sink.close()
    assert case.seen() == [delivery.key for delivery in whole.deliveries]


async def test_another_path_in_mid_batch_stops_the_receiver(tmp_path: Path) -> None:
    case = CsvSinkCase(tmp_path)
    sink, whole = case.open(), batch(deliveries(1))
    token = await sink.prepare(whole)
    await sink.close()
    sink = CsvSinkCase(tmp_path / "other", {"path": "elsewhere/"}).open()
    with pytest.raises(ReceiverStopped, match="out/kokuho/"):
        await sink.recover(whole, token)
    await sink.close()


async def test_the_memory_of_names_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "REMEMBERED", 5)
    case = CsvSinkCase(tmp_path)
    sink, last = case.open(), ""
    for no in range(24):
        last = (await sink.prepare(batch(deliveries(1), no=no)))["file"]
    await sink.close()
    names = (case.folder / ".kokuho.main.hub").read_text().splitlines()
    assert 5 <= len(names) <= 10
    assert names[-1] == f"000000023 {last}"
