"""A system answers with a file: what it took is confirmed, what it refused is a dead letter."""

import asyncio
import datetime as dt
import time
from types import SimpleNamespace

import pytest

from hub.app import Hub
from hub.ledger import batches, jobs, pauses, quarantine
from hub.ledger.progress import backlog
from hub.stages.acknowledging import Acknowledging
from tests.integration.jobs.answering import NoKafka, answer, read
from tests.integration.jobs.town import Town
from tests.integration.jobs.victim import RULE
from tests.integration.semantics.world import ADDRESS, ZONE


@pytest.fixture
def town(tmp_path, ledger_url):
    made = Town(tmp_path / "city", ledger_url, {"suido": RULE})
    made.report(*(made.moved(ADDRESS, str(n)) for n in range(3)))
    made.deliver()
    yield made
    made.close()


def ends(town):
    return [(status, reason) for _, status, reason in town.statuses("suido")]


def codes(town):
    return [entry.code for entry in quarantine.listing(town.ledger)[0]]


CONFIRMED, REFUSED, DELIVERED = ("confirmed", None), ("dead", "rejected"), ("delivered", None)
WARNED, UNCONFIRMED = ("warning", None), ("dead", "unconfirmed")


def test_who_is_not_listed_among_the_errors_is_confirmed(town):
    before = town.inquiry.delivery("juki/e1:suido.main:0")
    answer(town, 2)
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]
    after = town.inquiry.delivery("juki/e1:suido.main:0")
    assert (after["delivered_at"], after["batch"]) == (before["delivered_at"], before["batch"])


def test_an_answer_is_settled_though_its_receiver_takes_nothing_now(town):
    pauses.pause(town.ledger, "suido", reason="点検", by="係員")
    town.report(town.moved(ADDRESS, "9"))  # and more lies unread before it
    assert backlog(town.ledger, ["suido.main"], bool).shut == {"suido.main"}
    answer(town, 2)
    assert backlog(town.ledger, ["suido.main"], bool).shut == frozenset(), "a drain waits until it is carried out"
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED, ("held", "paused")]


def test_a_file_without_errors_confirms_all(town):
    answer(town)
    town.deliver()
    assert ends(town) == [CONFIRMED] * 3


def test_where_all_are_listed_silence_confirms_nobody(town):
    answer(town, "juki/e1:suido.main:0", column="鍵", lists="all", by="key", value=lambda row: row["鍵"])
    town.deliver()
    assert ends(town) == [CONFIRMED, DELIVERED, DELIVERED]


def test_each_row_says_for_itself_where_it_may(town):
    verdict = {"1": True, "2": False, "3": None}
    answer(town, 1, 2, 3, taken=lambda row: verdict[row["連番"]])
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, DELIVERED]
    answer(town, 3, name="ERR_2.csv", taken=lambda _: "yes")
    town.deliver()
    assert (ends(town)[2], codes(town)) == (DELIVERED, ["expression"])


def test_the_same_file_twice_changes_nothing(town):
    answer(town, 2)
    answer(town, 2, name="ERR_2.csv")
    town.deliver()
    answer(town, 2, name="ERR_3.csv")
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]


def test_a_refusal_that_comes_after_silence_is_a_refusal(town):
    answer(town)
    town.deliver()
    answer(town, 2, name="ERR_2.csv")
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]


def test_a_remark_is_a_warning_and_the_worst_line_of_a_delivery_counts(town):
    lines = ("1,W", "2,W", "2,E", "2,W")
    before = town.inquiry.delivery("juki/e1:suido.main:0")
    answer(town, *lines, column="連番,種別", warning=lambda row: row["種別"] == "W")
    town.deliver()
    assert ends(town) == [WARNED, REFUSED, CONFIRMED]
    after = town.inquiry.delivery("juki/e1:suido.main:0")
    assert (after["delivered_at"], after["batch"]) == (before["delivered_at"], before["batch"])


def test_a_list_of_all_says_line_by_line_what_was_refused(town):
    lines, said = ("1,OK", "2,NG"), {"lists": "all", "error": lambda row: row["種別"] == "NG"}
    answer(town, *lines, column="連番,種別", **said)
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, DELIVERED]


def test_a_line_that_does_not_say_whether_it_is_an_error_waits_in_quarantine(town):
    answer(town, "1,?", column="連番,種別", error=lambda row: row["種別"] == "NG" or None)
    town.deliver()
    assert (ends(town), codes(town)) == ([DELIVERED] * 3, ["expression"])


def test_silence_confirms_nothing_that_was_delivered_after_the_answer_was_written(town):
    answer(town, written=time.time() - 60)  # a file of a minute ago that is read only now
    town.deliver()
    assert ends(town) == [DELIVERED] * 3


def test_silence_confirms_no_later_batch_than_the_last_that_is_named(town):
    town.report(town.moved(ADDRESS, "9"))
    town.deliver()
    assert town.inquiry.delivery("juki/e4:suido.main:0")["batch"] == 2
    answer(town, 2)  # written before its system looked at the second batch
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED, DELIVERED]
    answer(town, name="ERR_2.csv")
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED, CONFIRMED]


def test_silence_confirms_the_batch_that_the_file_names(town):
    town.report(town.moved(ADDRESS, "9"))
    town.deliver()
    about = {"about": lambda name: int(name[4:-4])}
    answer(town, name="ERR_2.csv", **about)
    town.deliver()
    assert ends(town) == [DELIVERED, DELIVERED, DELIVERED, CONFIRMED]
    answer(town, name="ERR_x.csv", **about)
    town.deliver()
    assert (ends(town), codes(town)) == ([DELIVERED] * 3 + [CONFIRMED], ["fault"])


def test_an_answer_that_contradicts_changes_nothing_and_is_listed(town):
    answer(town, 2)
    town.deliver()
    said = {"lists": "all", "error": lambda row: row["種別"] == "NG"}
    for name in ("ERR_2.csv", "ERR_3.csv"):
        answer(town, "2,OK", "1,NG", column="連番,種別", name=name, **said)
        town.deliver()
    assert ends(town) == [REFUSED, REFUSED, CONFIRMED]
    found = town.inquiry.delivery("juki/e2:suido.main:0")
    assert [each["code"] for each in found["log"]] == ["acknowledged", "answer-contradicts", "answer-contradicts"]
    assert "ERR_2.csv:2" in found["log"][1]["message"]
    last = town.job(jobs.listing(town.ledger)[0].no)
    assert last.results == {"dead": 2}  # the line that contradicts, and the one that was heard before


def test_who_gives_no_answer_by_its_time_may_be_dead(town):
    day = dt.datetime(2030, 4, 1, 9, 1, tzinfo=ZONE)
    read(town, due="09:00", now=day)
    town.deliver()
    assert ends(town) == [DELIVERED] * 3  # unless it says otherwise, a person hears of it
    answer(town, 1, due="09:00", now=day.replace(hour=8), gives_up=True, lists="all")
    read(town, due="09:00", now=day + dt.timedelta(days=1), gives_up=True)
    town.deliver()
    assert ends(town) == [CONFIRMED, UNCONFIRMED, UNCONFIRMED]
    town.do(town.replay(statuses=("dead",)))
    town.deliver()
    assert ends(town) == [CONFIRMED, DELIVERED, DELIVERED]


def test_nobody_is_silent_while_the_answers_cannot_be_read(town):
    day = dt.datetime(2030, 4, 1, 9, 1, tzinfo=ZONE)
    (town.folder / "in").mkdir(exist_ok=True)
    (town.folder / "in" / "ERR_1.csv").symlink_to("ERR_1.csv")  # it is there, and cannot be read
    read(town, due="09:00", now=day, gives_up=True)
    town.deliver()
    assert ends(town) == [DELIVERED] * 3
    (town.folder / "in" / "ERR_1.csv").unlink()
    read(town, due="09:00", now=day, gives_up=True)
    town.deliver()
    assert ends(town) == [UNCONFIRMED] * 3


def test_an_answer_that_does_not_come_is_missed_once_and_comes_later(town):
    day = dt.datetime(2030, 4, 1, 9, 1, tzinfo=ZONE)

    def missed():
        found, _ = batches.listing(town.ledger, statuses=("missing",))
        return [(item.system, item.source, item.id) for item in found]

    read(town, due="09:00", now=day.replace(hour=8))
    assert missed() == []  # it is not time yet
    read(town, due="09:00", now=day, is_open=lambda _: False)
    assert missed() == []
    for _ in range(2):
        read(town, due="09:00", now=day)
        assert missed() == [("suido", "main.acknowledged", "missing/2030-04-01")]
    answer(town, 2, due="09:00", now=day)
    town.deliver()
    assert missed() == []
    read(town, due="09:00", now=day + dt.timedelta(days=1))
    assert missed() == []  # nothing is owed


def test_a_file_of_answers_is_a_batch(town):
    answer(town, 2, 99)
    (found,), _ = batches.listing(town.ledger, statuses=("done",))
    assert (found.system, found.source, found.rows, found.quarantined) == ("suido", "main.acknowledged", 2, 1)


def test_an_unknown_number_waits_in_quarantine_and_the_others_are_settled(town):
    answer(town, 2, 99)
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]
    assert codes(town) == ["delivery-unknown"]


def test_an_illegible_line_confirms_nobody_by_silence(town):
    answer(town, 2, "x")
    town.deliver()
    assert ends(town) == [DELIVERED, REFUSED, DELIVERED]


def test_a_refused_delivery_is_replayed_under_its_own_key(town):
    answer(town, 2)
    town.deliver()
    town.do(town.replay(statuses=("dead",)))
    town.deliver()
    assert ends(town) == [CONFIRMED, DELIVERED, CONFIRMED]
    answer(town, name="ERR_2.csv")
    town.deliver()
    assert ends(town) == [CONFIRMED] * 3


def test_a_crash_before_the_files_end_is_durable_reads_it_again(town, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Acknowledging, "settle", lambda *_: (_ for _ in ()).throw(OSError("killed")))
        answer(town, 2)
    town.deliver()
    assert ends(town) == [DELIVERED] * 3
    read(town)
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]


def test_the_city_reads_the_answers_of_its_receivers(town):
    file = town.folder / "systems" / "suido.yaml"
    source = "{adapter: csv, path: in/*.csv, encoding: utf-8}"
    said = f'{{from: {source}, match: {{no: int(row.連番)}}, taken: row.結果 != "NG"}}'
    file.write_text(file.read_text().replace("jsonl}", f"jsonl, acknowledged: {said}}}"))
    town.reload()
    (town.folder / "in").mkdir()
    (town.folder / "in" / "ERR_1.csv").write_text("連番,結果\n1,OK\n2,NG\n3,OK\n")
    hub = Hub(town.city)
    try:
        counts = asyncio.run(hub.intake(SimpleNamespace(producer=NoKafka())).drain())
    finally:
        hub.close()
    assert (counts.faults, counts.tally.rows) == ({}, 3)
    town.deliver()
    assert ends(town) == [CONFIRMED, REFUSED, CONFIRMED]


def test_answers_that_correct_each_other_are_settled_in_their_order(town):
    answer(town, 1)  # 2 and 3 are confirmed by silence
    answer(town, 2, name="ERR_2.csv")
    town.deliver()  # the owner hears all of it at once
    assert ends(town) == [REFUSED, REFUSED, CONFIRMED]


def test_a_number_that_no_delivery_has_is_that_of_none(town):
    town.report(town.moved(ADDRESS, "9"))
    town.do(town.foreman.decide("drop", ["juki/e4:suido.main:0"]))
    town.deliver()
    assert ends(town)[3] == ("cancelled", None)  # it was never sent, and has no number
    answer(town, 0)
    town.deliver()
    assert codes(town) == ["delivery-unknown"]
    assert town.inquiry.delivery("juki/e4:suido.main:0")["log"][-1]["code"] == "drop"
