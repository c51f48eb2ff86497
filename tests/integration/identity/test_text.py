"""Every character of cp932 and every gaiji, source → hub → sink; what a system lacks is shown, named and told."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hub.ledger import alerts, quarantine
from hub.ledger.tables import event, source_bytes
from hub.settings.gaiji import is_private
from tests.integration.identity.city import Living
from tests.unit.adapters.test_characters import codes

JUKI = """text: {encoding: cp932, gaiji: tables/juki-gaiji.csv, mj: tables/mj.csv}
publishes:
  - event: resident.born
    from: {adapter: csv, path: in/juki/*.csv}
    id: row.番号
    subject: row.番号
    map: {name: row.氏名, birth_date: '"2026-11-19"', effective_on: '"2026-11-20"'}
"""
SAME = """text: {encoding: cp932, gaiji: tables/juki-gaiji.csv, mj: tables/mj.csv}
subscribes:
  - {id: born, on: resident.born, send: [name], because: 試験}
receives: RECEIVES
"""
CSV = "{adapter: csv, path: out/same/, columns: {番号: subject, 氏名: data.name}}"
FIXED = "{adapter: fixed_width, path: out/fixed/, layout: layouts/name.yaml}"
LAYOUT = """encoding: cp932
record:
  - {name: 番号, width: 6, value: subject}
  - {name: 氏名, width: 130, value: data.name}
"""
POOR = """text: {encoding: cp932, unmappable: UNMAPPABLE}
subscribes:
  - {id: born, on: resident.born, send: [name], because: 試験}
receives: {adapter: csv, path: out/poor/, columns: {番号: subject, 氏名: data.name}}
"""
HEAD = "番号,氏名".encode("cp932")
LENGTH = 64  # characters of one name


def own(number: int) -> str:
    """Return the city's form of the n-th gaiji, of each kind in turn: beyond cp932, a variation, an MJ number."""
    if number % 3 == 0:
        return f"U+{0x20000 + number:X}"
    return f"U+{0x4E00 + number:X} U+E01{number % 16:02X}" if number % 3 == 1 else f"MJ{number:06}"


def table(living: Living) -> None:
    living.table("juki-gaiji", *(f"{raw.hex().upper()},{own(n)}" for n, raw in enumerate(gaiji())))
    living.table("mj", *(f"MJ{n:06},U+{0x23000 + n:X}" for n in range(len(gaiji()))))


def gaiji() -> list[bytes]:
    return [raw for raw in codes() if 0xF0 <= raw[0] <= 0xF9]


def names() -> dict[str, bytes]:
    """Return names made of every code there is, by number."""
    whole = [raw for raw in codes() if raw.decode("cp932").strip() == raw.decode("cp932")]
    whole += [bytes([single]) for single in range(0xA1, 0xE0)]  # half-width kana
    assert len(whole) > 9_600
    return {str(n): b"".join(whole[at : at + LENGTH]) for n, at in enumerate(range(0, len(whole), LENGTH))}


@pytest.mark.parametrize(("system", "receives"), [("same", CSV), ("fixed", FIXED)], ids=["csv", "fixed_width"])
def test_every_character_and_every_gaiji_comes_back(lone: Living, system, receives):
    lone.system("juki", JUKI)
    lone.system(system, SAME.replace("RECEIVES", receives))
    (lone.folder / "layouts").mkdir()
    (lone.folder / "layouts" / "name.yaml").write_text(LAYOUT, encoding="utf-8")
    table(lone)
    sent = names()
    rows = [f"{number},".encode() + raw for number, raw in sent.items()]
    lone.drop_bytes("juki", b"\r\n".join([HEAD, *rows, b""]))
    assert lone.drain().clear
    found = received(lone, system)
    canonical = {number: raw.decode("cp932").encode("cp932") for number, raw in sent.items()}
    assert found == canonical
    assert {each["status"] for each in lone.deliveries(system)} == {"delivered"}
    assert_clean(lone)
    lost = {number for number, raw in sent.items() if raw != canonical[number] or is_private(raw.decode("cp932"))}
    assert kept(lone) == {number: f"{number},".encode() + sent[number] + b"\r\n" for number in lost}
    one = min(lost)
    shown = lone.inquire(lambda inquiry: inquiry.event(f"juki/{one}"))
    assert sent[one] in base64.b64decode(shown["source_bytes"])


def received(living: Living, system: str) -> dict[str, bytes]:
    """Return names by number, in the bytes that the system's files have them."""
    files = [path for path in (living.folder / "out" / system).iterdir() if path.suffix in {".csv", ".dat"}]
    lines = [line for path in files for line in path.read_bytes().split(b"\r\n") if line and line != HEAD]
    if system == "fixed":
        return {line[:6].strip().decode(): line[6:].rstrip(b" ") for line in lines}
    return {number.decode(): name for number, name in (line.split(b",", 1) for line in lines)}


def assert_clean(living: Living) -> None:
    """Check that no private-use character is in the hub: not in any event, not in any plan."""
    with_bodies = living.with_hub(lambda hub: rows_of(hub, sa.select(event.c.body, event.c.plan)))
    assert len(with_bodies) > 100
    assert not any(is_private(bytes(part).decode()) for row in with_bodies for part in row)


def rows_of(hub: Any, query: Any) -> list[Any]:
    with hub.ledger.read() as connection:
        return list(connection.execute(query))


def kept(living: Living) -> dict[str, bytes]:
    query = sa.select(source_bytes.c.event_id, source_bytes.c.raw)
    return {id_: bytes(raw) for id_, raw in living.with_hub(lambda hub: rows_of(hub, query))}


def test_a_code_no_table_names_is_quarantined_with_its_bytes_and_the_others_go_on(lone: Living):
    lone.system("juki", JUKI)
    lone.system("same", SAME.replace("RECEIVES", CSV))
    lone.table("juki-gaiji", "F040,𠮷")
    lone.table("mj")
    lone.drop_bytes("juki", b"\r\n".join([HEAD, b"1,\xf0\x41", b"2,\xf0\x40", b""]))
    lone.drain()
    assert received(lone, "same") == {"2": b"\xf0\x40"}
    items = lone.with_hub(lambda hub: [quarantine.show(hub.ledger, e.no) for e in quarantine.listing(hub.ledger)[0]])
    assert [(item.code, item.raw) for item in items] == [("gaiji", b"1,\xf0\x41\r\n")]


def test_without_a_table_a_private_use_character_does_not_enter_the_hub(lone: Living):
    said = "text: {encoding: cp932, gaiji: tables/juki-gaiji.csv, mj: tables/mj.csv}\n"
    lone.system("juki", JUKI.replace(said, "").replace("*.csv}", "*.csv, encoding: cp932}"))
    lone.system("same", SAME.replace("RECEIVES", CSV).replace(said, ""))
    lone.drop_bytes("juki", b"\r\n".join([HEAD, b"1,\xf0\x41", b""]))
    lone.drain()
    assert [item.code for item in lone.with_hub(lambda hub: quarantine.listing(hub.ledger)[0])] == ["gaiji"]
    assert lone.deliveries("same") == []


def test_what_a_system_lacks_is_shown_named_to_its_department_and_marked(living: Living):
    begun(living, '{show: "〓", notify: true}')
    found = {each["subject"]: each for each in living.deliveries("poor")}
    assert (found["1"]["status"], found["2"]["status"]) == ("warning", "delivered")
    assert found["1"]["error"]["code"] == "U+20BB7"
    assert received(living, "poor") == {"1": "〓野 太郎".encode("cp932"), "2": "守口 花子".encode("cp932")}
    standing = living.with_hub(lambda hub: alerts.listing(hub.ledger))
    assert [(each.kind, each.receiver, each.code, each.count) for each in standing] == [
        ("text", "poor.main", "U+20BB7", 1)
    ]


def test_a_department_that_does_not_want_to_hear_of_it_is_marked_alone(lone: Living):
    begun(lone, '{show: "〓", notify: false}')
    assert sorted(each["status"] for each in lone.deliveries("poor")) == ["delivered", "warning"]
    assert lone.with_hub(lambda hub: alerts.listing(hub.ledger)) == []


def test_reject_is_a_dead_letter_of_its_own(lone: Living):
    begun(lone, "reject")
    found = {each["subject"]: each for each in lone.deliveries("poor")}
    assert (found["1"]["status"], found["1"]["error"]["code"]) == ("dead", "unencodable")
    assert received(lone, "poor") == {"2": "守口 花子".encode("cp932")}


def begun(living: Living, unmappable: str) -> None:
    living.system("juki", JUKI)
    living.system("poor", POOR.replace("UNMAPPABLE", unmappable))
    living.table("juki-gaiji", "F040,𠮷")
    living.table("mj")
    living.drop_bytes(
        "juki", b"\r\n".join([HEAD, b"1,\xf0\x40" + "野 太郎".encode("cp932"), "2,守口 花子".encode("cp932"), b""])
    )
    living.drain()


def test_wrong_lines_of_a_table_keep_the_city_from_running(lone: Living):
    lone.system("juki", JUKI)
    lone.table("juki-gaiji", "E000,𠮷", "F041,MJ000001")
    found = "\n".join(lone.problems())
    assert "there is no table `tables/mj.csv`" in found
    assert "juki-gaiji.csv:2" in found
    assert "juki-gaiji.csv:3" in found
    assert Path("tables/juki-gaiji.csv").as_posix() in found
