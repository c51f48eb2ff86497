"""What an operator reads about something that needs a person: in their words, with what to do and the commands."""

import io
import json
import logging
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

import hub as package
from hub.cli import deliveries, events, logs
from hub.cli import jobs as preview
from hub.cli.codes import AUTOMATIC, CODES, meaning, mend, mend_of
from hub.cli.deliveries import _steps
from hub.cli.mends import MENDS, STANDING, WAIT, WAIT_THEN
from hub.cli.output import label
from hub.cli.quarantine import whom
from hub.cli.words import WORDS
from hub.ledger import batches, identities, jobs, quarantine, reviews, sources
from hub.ledger.batches import Arrival
from hub.ledger.jobs import PUBLISHER, Order
from hub.ledger.quarantine import Entry
from hub.ledger.reviews import Draft
from hub.ledger.status import REASONS
from hub.ledger.tables import alert, receiver
from hub.stages.morning import KINDS
from hub.stages.relations import CHANGING, NO_RELATIONS
from tests.unit.cli.coded import codes_in

ROOM = Path(package.__file__).parent
RUNNING = ("adapters", "events", "kafka", "ledger", "stages", "app.py", "routing/functions", "routing/mapping.py")


def test_of_every_error_at_work_it_is_said_what_to_do():
    raised = codes_in([ROOM / room for room in RUNNING], but={"Problem", "UsageError"})
    assert sorted(raised - set(MENDS)) == []
    assert sorted(set(MENDS) - set(CODES)) == []


def test_of_every_reason_that_a_person_meets_it_is_said_what_to_do():
    told = {reason for status in ("held", "suppressed", "warning") for reason in REASONS[status]} - {"covered"}
    assert sorted(told - set(STANDING) - set(MENDS)) == []
    assert sorted(set(REASONS["dead"]) - {"unconfirmed"} - set(STANDING) - set(MENDS)) == []


@pytest.mark.parametrize("text", [*MENDS.values(), *STANDING.values()])
def test_what_to_do_is_said_in_japanese(text):
    assert not text.isascii()
    assert text[-1] not in "。.:"


def test_a_mend_names_only_commands_that_exist(hub, city):
    named = {
        word
        for text in (*MENDS.values(), *STANDING.values())
        for word in ("hub " + each for each in text.split("hub ")[1:])
    }
    for words in sorted({" ".join(each.split()[:3]).strip("。、）") for each in named}):
        path = [part for part in words.split()[1:] if part.isascii() and part.isalpha()]
        assert hub(*path, "--help").exit_code == 0, words


def test_elsewhere_an_errors_own_words_say_it(monkeypatch):
    assert mend("wareki") == ""
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert mend("wareki") == MENDS["wareki"]
    assert mend("http-503") == MENDS["http"]
    assert mend("rails-loose") == ""


@pytest.mark.parametrize(
    ("status", "reason", "code", "expected"),
    [
        ("waiting", None, "unreachable", WAIT_THEN + MENDS["unreachable"]),
        ("waiting", None, "raced", WAIT),
        ("waiting", None, None, WAIT),
        ("held", "window", None, STANDING["window"]),
        ("held", "ask", "http", STANDING["ask"]),
        ("held", "id-unknown", None, MENDS["id-unknown"]),
        ("dead", "rejected", "http-409", MENDS["http"]),
        ("dead", "exhausted", None, STANDING["exhausted"]),
        ("unknown", None, "sending", STANDING["unknown"]),
        ("delivered", None, "unreachable", ""),
    ],
)
def test_what_to_do_follows_from_how_a_delivery_stands(japanese, status, reason, code, expected):
    error = {"code": code, "message": "x"} if code else None
    assert mend_of({"status": status, "reason": reason, "error": error}) == expected


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("dead", "rejected", ["replay", "drop"]),
        ("unknown", None, ["replay", "confirm", "drop"]),
        ("held", "ask", ["release", "drop"]),
        ("held", "window", ["drop"]),
        ("waiting", None, ["replay", "drop"]),
        ("delivered", None, []),
        ("suppressed", "protected", []),
    ],
)
def test_the_commands_are_those_that_change_something(status, reason, expected):
    commands = [command for _, command in _steps("juki/a b:kokuho.main:0", status, reason)]
    assert [command.split("'")[0].split()[-1] for command in commands] == expected
    assert all("'juki/a b:kokuho.main:0'" in command for command in commands)


@pytest.mark.parametrize("reason", REASONS["dead"])
@pytest.mark.parametrize("code", MENDS)
def test_a_dead_letter_is_never_said_to_go_on_by_itself(japanese, reason, code):
    said = mend_of({"status": "dead", "reason": reason, "error": {"code": code, "message": "x"}})
    assert said
    assert AUTOMATIC not in said


def test_what_is_sent_outside_is_replayed_by_saying_so():
    commands = [command for _, command in _steps("juki/a:suido.chat:0", "dead", "rejected", outward=True)]
    assert commands[0] == "hub replay juki/a:suido.chat:0 --include-outward"


@pytest.fixture
def refused(ledger):
    (no,) = quarantine.add(ledger, [Entry("intake", "juki", "idou", "in/a.csv:2", "wareki", "no such date", b"x,y")])
    return no


def test_an_entry_says_what_to_do_in_japanese(hub, city, refused, japanese):
    lines = hub("quarantine", "show", refused, "--city", city).stdout.splitlines()
    assert lines[:4] == [f"番号: {refused}", lines[1], "状態: 未処理", "段階: 取り込み"]
    assert f"次にすること: {MENDS['wareki']}" in lines
    assert f"  直したものを入れる: hub quarantine fix {refused} ファイル" in lines


def test_an_entry_names_the_commands_until_it_is_closed(hub, city, ledger, refused):
    shown = hub("quarantine", "show", refused, "--city", city).stdout
    assert shown.isascii()
    assert "\nstatus: open\n" in shown
    assert f"hub quarantine resubmit {refused}" in shown
    quarantine.resolve(ledger, refused, "discarded")
    closed = hub("quarantine", "show", refused, "--city", city).stdout
    assert ("\nstatus: discarded\n" in closed, "resubmit" in closed) == (True, False)


def test_what_would_be_closed_is_shown_and_stays(hub, city, ledger, refused, japanese):
    lines = hub("quarantine", "discard", refused, "--reason", "済み", "--dry-run", "--city", city).stdout.splitlines()
    assert {"状態: 未処理", "場所: in/a.csv:2", "x,y"} <= set(lines)
    assert lines[-1] == WORDS["quarantine.would-discard"][0].format(no=refused)
    assert quarantine.show(ledger, refused).status == "open"


@pytest.mark.parametrize(
    ("known", "name", "said"),
    [
        (False, None, "！この宛名番号の報告はまだ一件もありません"),
        (True, None, "氏名は控えていません"),
        (True, "守口　太郎", "この宛名番号の人: 守口　太郎"),
        (True, "京阪　花子", "この宛名番号の人: 京阪　花子 ／ ！この報告の氏名: 守口 太郎"),
    ],
)
def test_whom_a_mended_report_would_be_about_is_said(japanese, known, name, said):
    told = whom({"known": known, "known_name": name, "name": "守口 太郎"})
    assert said in told
    assert ("守口 太郎" in told) == (name == "京阪　花子"), "what agrees is said once"


def test_what_was_closed_by_mistake_is_opened_again(hub, city, ledger, refused, japanese):
    words = (refused, "--reason", "番号の誤り", "--by", "乙", "--city", city)
    assert hub("quarantine", "reopen", *words).exit_code == 2, "it is open"
    assert f"hub quarantine reopen {refused}" in hub("quarantine", "discard", *words).stdout
    again = hub("quarantine", "discard", *words)
    assert (again.exit_code, f"hub quarantine reopen {refused}" in again.stderr) == (2, True)
    assert f"hub quarantine reopen {refused}" in hub("quarantine", "show", refused, "--city", city).stdout
    assert hub("quarantine", "reopen", *words, "--dry-run").stdout.endswith("まだ何もしていません）\n")
    assert quarantine.show(ledger, refused).status == "discarded"
    assert hub("quarantine", "reopen", *words).exit_code == 0
    shown = hub("quarantine", "show", refused, "--city", city).stdout
    assert ("状態: 未処理" in shown, "閉じた  乙  番号の誤り" in shown, "quarantine fix" in shown) == (True, True, True)
    (item,) = json.loads(hub("quarantine", "list", "--json", "--city", city).stdout)["items"]
    assert (item["note"], item["by"], [each["what"] for each in item["before"]]) == (None, None, ["discard", "reopen"])


def test_an_error_says_what_to_do(hub, city, ledger, japanese):
    told = hub("quarantine", "show", 9, "--city", city).stderr.splitlines()
    assert told == [f"{meaning('not-found')}: no quarantine entry 9 (hub quarantine list)", told[1]]
    assert told[1] == f"次にすること: {MENDS['not-found']}"


def _park(ledger) -> int:
    body = b'{"id":"1","source":"/systems/koseki","type":"jp.lg.x.resident.died.v1","subject":"~koseki","data":{}}'
    entry = identities.Entry(
        "koseki", "main", "in/a.csv:2", "1", "resident.died", "unknown", "1000009", "", {}, False, body, b"x"
    )
    return identities.park(ledger, entry)[0]


def _lack(ledger) -> None:
    row = {
        "standing": "text:suido.main",
        "kind": "text",
        "receiver": "suido.main",
        "class": "warning",
        "code": "U+9AD9",
    }
    at = 1_760_000_000_000
    with ledger.write() as connection:
        connection.execute(sa.insert(alert).values(**row, count=2, raised_at=at, last_at=at, cursor="{}"))


def _review(ledger) -> int:
    draft = Draft("unsure:1", "unsure", "jido-teate", "main", "1000001", "confidence 0.4", {"row": {"氏名": "x"}})
    with ledger.write() as connection:
        reviews.put(connection, [draft], 1_760_000_000_000)
    return reviews.listing(ledger)[0][0].no


@pytest.mark.parametrize("tongue", ["C", "ja_JP.UTF-8"])
def test_the_morning_tells_all_kinds_of_things(hub, city, ledger, refused, monkeypatch, tongue):
    _park(ledger)
    _lack(ledger)
    _review(ledger)
    unread = {"count": 2, "names": ["in/juki/A.CSV", "in/juki/B.CSV"], "since": 1_760_000_000_000}
    sources.set_unread(ledger, "juki", "idou", unread)
    monkeypatch.setenv("LANG", tongue)
    shown = hub("morning", "--city", city)
    assert shown.exit_code == 1
    for kind in ("quarantine", "identity", "text", "waiting", "unread"):
        assert WORDS[f"morning.{kind}"][tongue == "C"] in shown.stdout
    assert WORDS["morning.unread-do"][tongue == "C"].format(source="juki.idou") in shown.stdout
    for command in ("status", "source list"):
        assert "in/juki/A.CSV, in/juki/B.CSV" in hub(*command.split(), "--city", city).stdout
    assert WORDS["identity.unknown"][tongue == "C"] in shown.stdout


def test_people_see_what_a_system_is_called_and_programs_its_name(hub, city, ledger, japanese, monkeypatch):
    title = "title: {ja: 住民基本台帳, en: Resident register}"
    (city / "systems" / "juki.yaml").write_text(f"system: juki\n{title}\nreceives: {{}}\n", encoding="utf-8")
    sources.set_unread(ledger, "juki", "idou", {"count": 1, "names": ["in/A.CSV"], "since": 1_760_000_000_000})
    for command in ("morning", "status"):
        assert "juki.idou（住民基本台帳）" in hub(command, "--city", city).stdout, command
        assert "住民基本台帳" not in hub(command, "--json", "--city", city).stdout
    (shown,) = [line for line in hub("system", "list", "--city", city).stdout.splitlines() if line.startswith("juki ")]
    assert "住民基本台帳" in shown
    monkeypatch.setenv("LANG", "C")
    assert "住民基本台帳" not in hub("status", "--city", city).stdout


def test_a_job_that_waits_for_a_second_person_is_in_morning_and_status_with_what_to_do(hub, city, ledger, japanese):
    number = jobs.create(ledger, "cancel", {}, [], by="甲", totals={"counts": {"cancel": 1}}, approval=True)
    for command in ("morning", "status"):
        shown = hub(command, "--city", city).stdout
        for said in ("承認を待つ作業", "取消し", f"hub jobs show {number}", f"hub jobs approve {number}"):
            assert said in shown, command


@pytest.mark.parametrize(
    ("tongue", "said", "gone"), [("C", "as it stands now", "none"), ("ja_JP.UTF-8", "今の値", "なし")]
)
def test_what_was_done_to_an_event_and_what_stands_is_said(monkeypatch, capsys, tongue, said, gone):
    monkeypatch.setenv("LANG", tongue)
    event = {"type": "resident.died", "subject": "1", "source": "/systems/juki", "id": "a"}
    found = {
        "status": "accepted",
        "recorded_at": "2026-11-20T01:00:00Z",
        "seen": 1,
        "deliveries": [],
        "not_told": [],
        **NO_RELATIONS,
        "event": {**event, "data": {"died_on": "2026-11-19", "name": "守口 太郎", "address": {"text": "大日町"}}},
        "corrected_by": "juki/b",
        "amended": "corrects",
        "stands": {"died_on": "2026-11-18", "name": "守口 太郎"},
    }
    events._write_event(found)
    lines = capsys.readouterr().out.split("\n")
    assert WORDS["events.corrected-by"][tongue == "C"].format(event="juki/b") in lines
    stands = next(index for index, line in enumerate(lines) if line.startswith(said))
    assert [line.rpartition(": ")[2] for line in lines[stands + 1 : stands + 3]] == ["2026-11-18", gone]
    events._write_event({**found, "amended": "cancels", "stands": None})
    shown = capsys.readouterr().out
    assert WORDS["events.cancelled-by"][tongue == "C"].format(event="juki/b") in shown
    assert said not in shown


def test_every_amendment_has_its_words():
    assert set(events.AMENDS) == set(events.AMENDED) == set(events.DONE) == set(events.DOING) == CHANGING


def test_a_list_says_in_short_what_was_done_to_an_event_and_what_it_does(japanese):
    plain = {"status": "accepted", "amends": None, "corrects": None, "amended": None, "corrected_by": None}
    assert events.stands(plain) == "受付"
    assert events.stands({**plain, "amended": "cancels", "corrected_by": "juki/2"}) == "受付（取消し済み）"
    assert events.stands({**plain, "amends": "cancels", "corrects": "juki/1"}) == "受付 → 取り消したもの: juki/1"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_the_morning_has_its_word(kind):
    assert f"morning.{kind}" in WORDS


@pytest.mark.parametrize("room", [quarantine, identities, batches, jobs, reviews])
def test_every_status_of_what_waits_for_people_has_its_word(room):
    name = {"identities": "identity", "batches": "batch", "jobs": "job", "reviews": "review"}
    kind = room.__name__.rpartition(".")[2]
    assert {f"{name.get(kind, kind)}-state.{status}" for status in room.STATUSES} <= set(WORDS)


def test_a_report_of_nobody_known_is_linked_or_closed(hub, city, ledger, japanese):
    no = _park(ledger)
    shown = hub("identity", "show", no, "--city", city).stdout
    assert "状態: 未処理" in shown
    assert f"hub identity link {no} " in shown


def test_a_held_batch_is_released_or_rejected(hub, city, ledger, japanese):
    with ledger.write() as connection:
        held = Arrival("juki", "sabun", "A 1.csv", "in/A.csv", 63, Counter({"resident.died": 61}), 2, whole=True)
        batches.hold(connection, held, 1_760_000_000_000, reason="61 resident.died, more than 60", spool={"file": "a"})
    shown = hub("batches", "show", "A 1.csv", "--city", city).stdout
    assert "状態: 保留" in shown
    assert "hub batches release 'juki.sabun/A 1.csv' --reason" in shown
    assert "保留" in hub("batches", "list", "--city", city).stdout


def test_what_was_misread_is_accepted_mended_or_set_aside(hub, city, ledger, japanese):
    no = _review(ledger)
    shown = hub("review", "show", no, "--city", city).stdout
    for what in ("accept", "fix", "reject"):
        assert f"hub review {what} {no}" in shown


def test_a_job_names_what_lets_it_go_on(hub, city, ledger, japanese):
    orders = [Order(PUBLISHER, "publish", 1, 0, b"{}")]
    no = jobs.create(ledger, "cancel", {}, orders, by="甲", reason="誤り", totals={}, approval=True)
    shown = hub("jobs", "show", no, "--city", city).stdout
    assert "状態: 承認待ち" in shown
    assert "種類: 取消し" in shown
    assert f"hub jobs approve {no}" in shown
    assert "承認待ち" in hub("jobs", "list", "--city", city).stdout


def test_a_value_without_a_name_of_its_own_keeps_it(japanese):
    assert label("seen") == "回数"
    assert label("odometer") == "odometer"


@pytest.mark.parametrize(
    ("stage", "source", "code", "expected"),
    [
        ("intake", "idou", "wareki", ["fix", "resubmit", "discard"]),
        ("intake", "gone", "wareki", ["discard"]),
        ("dispatch", "", "id-reused", ["fix", "discard"]),
        ("dispatch", "", "target-unknown", ["fix", "resubmit", "discard"]),
    ],
)
def test_an_entry_names_no_command_that_would_be_refused(hub, city, ledger, stage, source, code, expected):
    (no,) = quarantine.add(ledger, [Entry(stage, "juki", source, "x", code, "wrong", b"{}")])
    lines = hub("quarantine", "show", no, "--city", city).stdout.splitlines()
    assert [line.split("hub quarantine ")[1].split()[0] for line in lines if "hub quarantine " in line] == expected


def test_what_was_decided_of_an_entry_is_told_by_name(hub, city, ledger, refused, japanese):
    assert hub("quarantine", "discard", refused, "--reason", "出し直し", "--by", "甲", "--city", city).exit_code == 0
    lines = hub("quarantine", "show", refused, "--city", city).stdout.splitlines()
    assert {"状態: 閉じた", "決めた人: 甲", "決めた理由: 出し直し"} <= set(lines)
    told = json.loads(hub("quarantine", "show", refused, "--json", "--city", city).stdout)
    assert (told["note"], told["by"]) == ("出し直し", "甲")


def test_a_file_in_another_encoding_is_shown_as_it_can_be_read(hub, city, ledger):
    (no,) = quarantine.add(ledger, [Entry("intake", "juki", "idou", "x", "csv-encoding", "x", "守口".encode())])
    assert "守口" in hub("quarantine", "show", no, "--city", city).stdout


def test_a_reason_is_said(hub, city, ledger, refused):
    told = hub("quarantine", "discard", refused, "--reason", " ", "--city", city)
    assert (told.exit_code, "say why" in told.stderr) == (2, True)


def test_what_was_typed_wrong_is_said_in_japanese_first(hub, city, japanese):
    assert hub("quarantine", "discard", 1, "--city", city).stderr.startswith("必要な指定がありません\n")
    assert hub("status", "--nosuch", "--city", city).stderr.startswith("そのような指定はありません\n")


def test_another_folder_is_no_broken_city(hub, tmp_path, japanese):
    assert f"次にすること: {MENDS['no-city']}" in hub("status", "--city", tmp_path).stderr


def test_what_is_wrong_in_a_persons_words_is_no_system_that_wrote_it(hub, city, japanese):
    told = hub("correct", "juki/1", "--data", "{died_on", "--reason", "x", "--city", city).stderr
    assert MENDS["json"] not in told


@pytest.mark.parametrize(
    "words", [("deliveries", "保留"), ("events", "受付"), ("batches", "保留"), ("quarantine", "未処理")]
)
def test_statuses_are_asked_for_by_their_japanese_names_too(hub, city, ledger, words):
    assert hub(words[0], "list", "--status", words[1], "--json", "--city", city).exit_code == 0


def test_a_pause_in_the_place_of_another_says_so(hub, city, japanese):
    first = hub("system", "pause", "juki", "--reason", "入替", "--until", "2099-12-01", "--city", city).stdout
    assert "2099-12-01 00:00:00+09:00 まで止めました" in first
    second = hub("system", "pause", "juki", "--reason", "二回目", "--city", city).stdout
    assert "期限はありません" in second
    assert "前の一時停止（2099-12-01 00:00:00+09:00、入替）に代わります" in second


def _receiver(ledger, state: str) -> None:
    row = {"key": "kokuho.main", "owner": "", "epoch": 1, "until": 0, "cursor": "{}", "next_no": 1, "next_batch": 1}
    with ledger.write() as connection:
        connection.execute(sa.insert(receiver).values(**row, state=state))


def test_what_holds_a_receiver_and_a_source_is_seen_at_a_glance(hub, city, ledger, japanese):
    fault = {"fault": "out/x (after byte 10)", "fault_code": "foreign-hand", "fault_since": 1_760_000_000_000}
    _receiver(ledger, json.dumps(fault))
    with ledger.write() as connection:
        held = Arrival("juki", "idou", "A.csv@1", rows=0, whole=True)
        batches.hold(connection, held, 1_760_000_000_000, reason="0 rows, fewer than 1", spool={"file": "a"})
    shown = hub("status", "--city", city).stdout
    assert "今は誰も配達していません" in shown
    assert f"{CODES['foreign-hand']}: out/x" in shown
    told = hub("morning", "--city", city).stdout
    assert "2025-10-09 17:53:20+09:00" in told
    assert f"kokuho.main: {MENDS['foreign-hand']}" in told
    assert "hub batches show juki.idou/A.csv@1" in told


def test_what_a_review_holds_is_read_line_by_line(hub, city, ledger, japanese):
    no = _review(ledger)
    lines = hub("review", "show", no, "--city", city).stdout.splitlines()
    assert lines[lines.index("行の内容:") + 1] == "  氏名: x"


@pytest.mark.parametrize("terminal", [True, False])
def test_logs_are_text_on_a_terminal_and_json_elsewhere(monkeypatch, terminal):
    stream = io.StringIO()
    stream.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stream)
    logs.set_up(verbose=False)
    logging.getLogger("hub.test").warning("it stands still")
    said = stream.getvalue()
    assert ("  warning  it stands still\n" in said) == terminal
    assert said.startswith("{") != terminal


def test_what_was_put_in_an_entrys_place_is_shown(hub, city, ledger, refused, japanese):
    note = {"events": ["a", "b"], "batch": "quarantine-1", "by": "甲", "reason": "誤記", "replacement": "1,守口"}
    quarantine.resolve(ledger, refused, "resubmitted", json.dumps(note, ensure_ascii=False))
    lines = hub("quarantine", "show", refused, "--city", city).stdout.splitlines()
    assert {"状態: 届け直し済み", "決めた人: 甲", "理由: 誤記", "イベント: a, b", "直したもの: 1,守口"} <= set(lines)


def test_a_row_that_no_mapping_reads_can_only_be_closed(hub, city, ledger):
    text = "system: kaito\nowner: 課\nsources: {kaitou: {adapter: csv, path: in/kaito/*.csv, encoding: utf-8}}\n"
    (city / "systems" / "kaito.yaml").write_text(text, encoding="utf-8")
    (no,) = quarantine.add(ledger, [Entry("intake", "kaito", "kaitou", "x:2", "delivery-unknown", "no such", b"1,2")])
    shown = hub("quarantine", "show", no, "--city", city).stdout
    assert ("hub quarantine discard" in shown, "hub quarantine fix" in shown) == (True, False)


FIXED = """system: kaigo
owner: 課
sources: {kojin: {adapter: fixed_width, path: in/kaigo/*.dat, layout: layouts/kaigo.yaml}}
receives:
  nightly:
    {adapter: csv, path: out, acknowledged: {from: {adapter: fixed_width, path: in/E*.dat, layout: layouts/kaigo.yaml},
    match: {key: row.番号}}}
"""


@pytest.mark.parametrize("source", ["kojin", "nightly.acknowledged"])
def test_a_record_is_read_in_the_encoding_of_its_layout(hub, city, ledger, tmp_path, source):
    (city / "systems" / "kaigo.yaml").write_text(FIXED, encoding="utf-8")
    (city / "layouts").mkdir(exist_ok=True)
    layout = "encoding: cp932\nrecord: [{name: 番号, width: 10}, {name: 氏名, width: 8}]\n"
    (city / "layouts" / "kaigo.yaml").write_text(layout, encoding="utf-8")
    raw = "1000001   守口太郎".encode("cp932")
    (no,) = quarantine.add(ledger, [Entry("intake", "kaigo", source, "x:2", "layout-number", "no digits", raw)])
    assert "1000001   守口太郎" in hub("quarantine", "show", no, "--city", city).stdout
    other = tmp_path / "mended.dat"
    other.write_text("1000001   守口太郎", encoding="utf-8")
    told = hub("quarantine", "fix", no, other, "--dry-run", "--city", city)
    assert (told.exit_code, "is not in cp932" in told.stderr) == (2, True)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_wrong_name_is_said_with_what_there_is(hub, city, ledger, japanese, as_json):
    told = hub("deliveries", "list", "--system", "kokuo", "--city", city, *(["--json"] if as_json else []))
    assert told.exit_code == 2
    assert "kokuho" in told.stderr


def test_of_a_delivery_and_a_replay_it_is_said_what_is_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("LANG", "C")
    moments = dict.fromkeys(("next_attempt_at", "planned_at", "delivered_at"))
    told = {"status": "delivered", "reason": None, "action": "new", "batch": None, "error": None, "log": [], **moments}
    found = {"id": "juki/e1:zei.main:0", "type": "resident.moved", "subject": "1", "rule": "moves", **told}
    payload = {"data": {"name": "守口"}}
    deliveries._write_delivery({**found, "payload": payload, "withheld": ["new_address"]}, None)
    item = {"what": "resend", "id": found["id"], "withheld": ["new_address"]}
    preview._write_preview({"preview": {"counts": {"resend": 1}}, "items": [item]})
    said = WORDS["events.withheld"][1]
    assert capsys.readouterr().out.count(f"new_address: {said}") == 2
