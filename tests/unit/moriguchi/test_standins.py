"""The stand-ins behave as the systems they stand in for."""

import json
import sqlite3
import threading
import urllib.error
import urllib.request
from datetime import date

import pytest

from hub.moriguchi import forms
from hub.moriguchi.generator import residents
from hub.moriguchi.standins import Inkan, Juki, Kaigo, Koki, Kokuho, Koseki, Shinsei, Suido, read_csv, write_csv
from hub.moriguchi.standins import kaigo as kaigo_files
from hub.moriguchi.standins.files import unused
from tests.unit.moriguchi.fake_hub import applications

PEOPLE = list(residents(300))
DAY = date(2026, 11, 20)


def one_with(what):
    return next(member for member in PEOPLE if what in (*member.insurance, *member.contracts, *member.benefits))


# --- files -----------------------------------------------------------------------------------------------------------


def test_csv_comes_back_as_it_went_in_cp932(tmp_path):
    rows = [{"氏名": "髙橋\u3000﨑", "住所": '桃町2番, "2"号\n501'}, {"氏名": "ｶﾅ～－", "住所": ""}]
    path = write_csv(tmp_path / "a" / "IDO.csv", rows)
    assert read_csv(path) == rows
    assert "髙橋".encode("cp932") in path.read_bytes()
    assert list(path.parent.iterdir()) == [path]


def test_a_sign_cp932_lacks_is_refused(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_csv(tmp_path / "IDO.csv", [{"氏名": "𠮷野"}])
    assert not (tmp_path / "IDO.csv").exists()


def test_a_name_is_used_once_even_after_the_file_was_taken_away(tmp_path):
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "A_001.csv").touch()
    (tmp_path / "A_002.csv").touch()
    assert unused(tmp_path, "A").name == "A_003.csv"


# --- 住基, 戸籍, 申請管理 ------------------------------------------------------------------------------------------


def history(folder):
    connection = sqlite3.connect(folder / "var/standins/juki.db")
    connection.row_factory = sqlite3.Row
    rows = [dict(row) for row in connection.execute("SELECT * FROM rireki ORDER BY 通番")]
    connection.close()
    return rows


def test_juki_numbers_each_residents_history(tmp_path):
    juki = Juki(tmp_path)
    assert juki.fill(PEOPLE) == juki.settled() == 300
    assert history(tmp_path) == []
    person, other = PEOPLE[0], PEOPLE[40]
    assert juki.record([forms.juki(person, "転居", DAY, DAY, 旧住所="A"), forms.juki(other, "転居", DAY, DAY)]) == [
        2,
        2,
    ]
    assert juki.record([forms.juki(person, "死亡", DAY, DAY, 死亡日="2026-11-20")]) == [3]
    rows = history(tmp_path)
    assert [row["通番"] for row in rows] == [1, 2, 3]
    assert [row["異動事由"] for row in rows] == ["21", "21", "13"]
    assert rows[1]["旧住所"] is None
    assert person.number not in juki.untouched()
    assert juki.changes() == 3


def test_juki_takes_a_change_back_by_a_line_more(tmp_path):
    juki = Juki(tmp_path)
    juki.fill(PEOPLE)
    person = PEOPLE[0]
    juki.record([forms.juki(person, "転居", DAY, DAY, 住所="守口市新町", 旧住所=person.address)])
    assert juki.take_back(person.number, DAY) == 3
    moved, taken_back = history(tmp_path)
    assert (taken_back["異動事由"], taken_back["取消履歴番号"], taken_back["異動日"]) == ("91", 2, moved["異動日"])
    assert moved["住所"] == "守口市新町"
    assert taken_back["住所"] == person.address


def test_juki_numbers_newcomers_above_all_others(tmp_path):
    juki = Juki(tmp_path)
    juki.fill(PEOPLE)
    assert juki.next_serial() == 500_000_001
    child = forms.juki(PEOPLE[0], "出生", DAY, DAY, 宛名番号="272094500000001")
    assert juki.record([child]) == [1]
    assert juki.next_serial() == 500_000_002
    assert juki.settled() == 300
    assert PEOPLE[0].number not in juki.untouched()  # something happened in the household


def test_koseki_exports_each_notice_once(tmp_path):
    koseki = Koseki(tmp_path)
    assert koseki.export(DAY) is None
    koseki.accept([forms.koseki(PEOPLE[0], "死亡届", DAY, DAY, 届出人="守口 花子")])
    first = koseki.export(DAY)
    koseki.accept([forms.koseki(PEOPLE[1], "婚姻届", DAY, DAY)])
    second = koseki.export(DAY)
    assert koseki.export(DAY) is None
    assert [
        (row["受理番号"], row["届出種別"], row["事件日"]) for path in (first, second) for row in read_csv(path)
    ] == [
        ("2026-000001", "死亡届", "令和8年11月20日"),
        ("2026-000002", "婚姻届", "令和8年11月20日"),
    ]


def test_shinsei_numbers_applications_even_if_files_are_taken_away(tmp_path):
    shinsei = Shinsei(tmp_path)
    numbers = []
    for _ in range(2):
        path = shinsei.apply(PEOPLE[0], "kodomo-iryo", one_with("kodomo_iryo"), DAY)
        numbers.append(applications(path)[0]["申請番号"])
        path.unlink()
    assert numbers == ["2026-000001", "2026-000002"]


# --- 国保, 後期高齢, 印鑑 ------------------------------------------------------------------------------------------


def told(member, kind, key, action="new", **fields):
    head = {"delivery_key": key, "event_id": key, "type": kind, "subject": member.number, "time": "", "action": action}
    return {**head, "name": "", "died_on": "", "old_address": "", "new_address": "", "household_no": "", **fields}


@pytest.fixture
def kokuho(tmp_path):
    kokuho = Kokuho(tmp_path)
    kokuho.fill(PEOPLE)
    return kokuho


def test_kokuho_imports_a_move_once(tmp_path, kokuho):
    member = one_with("kokuho")
    new, old = json.dumps({"text": "守口市新町"}), json.dumps({"text": member.address})
    row = told(member, "resident.moved", "k1", old_address=old, new_address=new, household_no="9")
    write_csv(tmp_path / "out/kokuho/1.csv", [row])
    write_csv(tmp_path / "out/kokuho/2.csv", [row])
    assert kokuho.import_files() == 1
    assert kokuho.import_files() == 0
    assert kokuho.member(member.number) == {
        "宛名番号": member.number,
        "氏名": member.name,
        "住所": "守口市新町",
        "世帯番号": "9",
        "資格": "有",
        "喪失事由": "",
    }
    taken_back = told(member, "resident.moved", "k2", "cancel", old_address=old, new_address=new)
    write_csv(tmp_path / "out/kokuho/3.csv", [taken_back])
    assert kokuho.import_files() == 1
    assert kokuho.member(member.number)["住所"] == member.address


def test_kokuho_ends_a_membership_and_opens_it_again_when_taken_back(tmp_path, kokuho):
    member = one_with("kokuho")
    write_csv(tmp_path / "out/kokuho/1.csv", [told(member, "resident.died", "k1", died_on="2026-11-20")])
    kokuho.import_files()
    assert (kokuho.member(member.number)["資格"], kokuho.member(member.number)["喪失事由"]) == ("喪失", "死亡")
    write_csv(tmp_path / "out/kokuho/2.csv", [told(member, "resident.died", "k2", "cancel")])
    kokuho.import_files()
    assert (kokuho.member(member.number)["資格"], kokuho.member(member.number)["喪失事由"]) == ("有", "")


def test_kokuho_takes_back_what_the_hub_cancels(tmp_path, kokuho):
    """A cancellation has a type of its own, and the wrong values."""
    member = one_with("kokuho")
    old, new = json.dumps({"text": member.address}), json.dumps({"text": "守口市新町"})
    changes = [
        told(member, "resident.moved", "k1", old_address=old, new_address=new),
        told(member, "event.cancelled", "k2", "cancel", old_address=old, new_address=new),
        told(member, "resident.died", "k3", died_on="2026-11-20"),
    ]
    write_csv(tmp_path / "out/kokuho/1.csv", changes)
    kokuho.import_files()
    assert kokuho.member(member.number)["住所"] == member.address
    assert kokuho.member(member.number)["資格"] == "喪失"
    write_csv(tmp_path / "out/kokuho/2.csv", [told(member, "event.cancelled", "k4", "cancel", died_on="2026-11-20")])
    kokuho.import_files()
    assert (kokuho.member(member.number)["資格"], kokuho.member(member.number)["喪失事由"]) == ("有", "")


def test_kokuho_exports_who_joined_and_left(kokuho):
    member, stranger = one_with("kokuho"), next(each for each in PEOPLE if "kokuho" not in each.insurance)
    path = kokuho.export([forms.kokuho(member, "喪失", DAY), forms.kokuho(stranger, "取得", DAY)], DAY)
    assert [(row["異動区分"], row["異動日"]) for row in read_csv(path)] == [("喪失", "R8.11.20"), ("取得", "R8.11.20")]
    assert kokuho.member(member.number)["資格"] == "喪失"
    assert kokuho.member(stranger.number)["資格"] == "有"
    assert kokuho.export([], DAY) is None


@pytest.mark.parametrize(("system", "what"), [(Koki, "koki"), (Inkan, "inkan")])
def test_tables_hold_those_concerned(tmp_path, system, what):
    table = system(tmp_path)
    table.fill(PEOPLE)
    member = one_with(what)
    assert table.row(member.number)["住所"] == member.address
    assert table.row("nobody") is None


# --- 水道 ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def suido(tmp_path):
    with Suido(tmp_path) as suido:
        suido.fill(PEOPLE)
        suido.base = f"http://127.0.0.1:{suido.start(0)}"
        yield suido


def call(suido, path, body=None, key="k1"):
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(suido.base + path, data, {"Idempotency-Key": key})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def moved(member, text="守口市新町"):
    address = {"new_address": {"text": text}, "old_address": {"text": member.address}}
    return {"type": "jp.lg.moriguchi.resident.moved.v1", "subject": member.number, "data": address}


def test_suido_changes_its_contract_once_per_key(suido):
    member = one_with("suido")
    for _ in range(3):
        assert call(suido, "/v1/notices", moved(member)) == (200, {"accepted": "k1"})
    assert call(suido, f"/v1/contracts/{member.number}")[1]["使用場所"] == "守口市新町"
    assert suido.notices() == {"k1": 3}
    assert call(suido, "/v1/notices", moved(member, "守口市別町"))[0] == 409
    assert suido.contract(member.number)["使用場所"] == "守口市新町"


def test_suido_asks_for_closing_after_a_death_and_not_after_its_cancel(suido):
    member = one_with("suido")
    death = {"type": "resident.died", "subject": member.number, "data": {"died_on": "2026-11-20"}}
    call(suido, "/v1/notices", death)
    assert (suido.contract(member.number)["状態"], suido.contract(member.number)["連絡"]) == ("閉栓予定", "死亡")
    call(suido, "/v1/notices", {**death, "action": "cancel"}, "k2")
    assert (suido.contract(member.number)["状態"], suido.contract(member.number)["連絡"]) == ("使用中", "")


def test_suido_takes_back_what_the_hub_cancels(suido):
    member = one_with("suido")
    cancel = {"type": "jp.lg.moriguchi.event.cancelled.v1", "subject": member.number, "action": "cancel"}
    call(suido, "/v1/notices", moved(member))
    call(suido, "/v1/notices", {**cancel, "data": moved(member)["data"]}, "k2")
    assert suido.contract(member.number)["使用場所"] == member.address
    death = {"type": "resident.died", "subject": member.number, "data": {"died_on": "2026-11-20"}}
    call(suido, "/v1/notices", death, "k3")
    call(suido, "/v1/notices", {**cancel, "data": death["data"]}, "k4")
    assert (suido.contract(member.number)["状態"], suido.contract(member.number)["連絡"]) == ("使用中", "")


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [
        (b"{", "k", 400),
        ({"type": "resident.moved"}, "k", 400),
        ({"type": "resident.moved", "subject": "x", "data": {}}, "", 400),
        ({"type": "resident.moved", "subject": "nobody", "data": {}}, "k", 404),
        (b"x" * (256 * 1024 + 1), "k", 413),
    ],
)
def test_suido_refuses(suido, body, key, status):
    try:
        assert call(suido, "/v1/notices", body, key)[0] == status
    except (ConnectionError, urllib.error.URLError):
        assert status == 413  # it stops reading
    assert suido.notices() == {}


def test_suido_is_down_until_it_is_up(suido):
    member = one_with("suido")
    assert call(suido, "/admin/down", {}) == (200, {"down": True})
    assert call(suido, "/v1/notices", moved(member))[0] == 503
    assert call(suido, "/healthz")[0] == 503
    assert suido.notices() == {}
    assert call(suido, "/admin/up", {}) == (200, {"down": False})
    assert call(suido, "/v1/notices", moved(member))[0] == 200
    assert call(suido, "/healthz") == (200, {"status": "ok"})


def test_suido_takes_one_key_at_once_from_many_callers(suido):
    member = one_with("suido")
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(call(suido, "/v1/notices", moved(member))[0])) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 6
    assert suido.notices() == {"k1": 6}


def test_suido_takes_another_port_when_its_own_is_taken(tmp_path, suido):
    taken = int(suido.base.rpartition(":")[2])
    with Suido(tmp_path / "other") as second:
        assert second.start(taken) != taken


# --- 介護 ----------------------------------------------------------------------------------------------------------


def written(tmp_path, *records, name="KAIGO_2026-11-20_003"):
    """Lay a file as the layout has it: each record (宛名番号, 事由, 氏名, 処理)."""
    lines = ["1" + "003" + "20261120"]
    for no, (number, reason, person, action) in enumerate(records, 1):
        fields = {"区分": "2", "連番": f"{no:06d}", "処理": action, "宛名番号": number, "事由": reason, "氏名": person}
        lines.append([fields.get(column, "").encode("cp932").ljust(width) for column, width in kaigo_files.RECORD])
    lines.append(f"9{len(records):06d}")
    whole = [b"".join(line) if isinstance(line, list) else line.encode().ljust(kaigo_files.LENGTH) for line in lines]
    path = tmp_path / "out/kaigo" / f"{name}.DAT"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\r\n".join(whole) + b"\r\n")
    return path


@pytest.fixture
def kaigo(tmp_path):
    kaigo = Kaigo(tmp_path)
    kaigo.fill(PEOPLE)
    return kaigo


def test_kaigo_imports_a_file_once_and_names_what_it_refused(tmp_path, kaigo):
    member = one_with("kaigo")
    written(tmp_path, (member.number, "13", member.name, "1"), ("272094999999999", "21", "守口\u3000健", "1"))
    assert kaigo.import_files() == 1
    assert kaigo.import_files() == 0
    assert kaigo.member(member.number)["資格"] == "喪失"
    (answer,) = (tmp_path / "in/kaigo").iterdir()
    assert answer.name == "ERR_2026-11-20_003.DAT"
    head, refused, tail = answer.read_bytes().decode("cp932").splitlines()
    assert (head[:9], refused[:11], tail[:7]) == ("120261120", "2000002E101", "9000001")


def test_kaigo_takes_a_death_back_and_a_newcomer_in(tmp_path, kaigo):
    member = one_with("kaigo")
    written(tmp_path, (member.number, "13", member.name, "1"), (member.number, "13", member.name, "3"))
    written(tmp_path, ("272094999999999", "01", "守口\u3000健", "1"), name="KAIGO_2026-11-20_004")
    assert kaigo.import_files() == 3
    assert kaigo.member(member.number)["資格"] == "有"
    assert kaigo.member("272094999999999")["氏名"] == "守口\u3000健"


def test_kaigo_refuses_a_file_that_was_cut_short(tmp_path, kaigo):
    path = written(tmp_path, (one_with("kaigo").number, "13", "守口\u3000健", "1"))
    path.write_bytes(path.read_bytes()[: -kaigo_files.LENGTH - 2])
    with pytest.raises(ValueError, match="not whole"):
        kaigo.import_files()
