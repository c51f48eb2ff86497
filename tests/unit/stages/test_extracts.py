"""A full extract tells how it differs from what is known, once; what cannot be believed waits for a person."""

import pytest

from hub.adapters.file_source import FileSource
from hub.errors import BrokerUnavailable, UsageError
from hub.ledger import batches, reviews
from hub.ledger.status import event_code
from hub.ledger.views import EventFilter
from hub.stages import reviewing
from hub.stages.extracts import Extracts
from hub.stages.waiting import WaitingEvents
from tests.unit.stages.extract_city import City, reopened, row

TARO = row("1", 3, "守口 太郎", "大日町1-1")
HANA = row("2", 5, "京阪 花子", "金田町1-1")
JIRO = row("3", 1, "淀川 次郎", "大日町2-2")


@pytest.fixture
def make(tmp_path):
    made = []

    def build(**settings):
        made.append(City(tmp_path, **settings))
        return made[-1]

    yield build
    for city in made:
        city.close()


async def test_what_is_new_and_what_has_changed_is_told_once(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA)
    assert city.topic.told() == [("resident.moved-in", "1", "大日町1-1"), ("resident.moved-in", "2", "金田町1-1")]
    city.topic.events.clear()
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("ZENKEN_2.csv", moved, HANA)
    await city.take("ZENKEN_3.csv", moved, HANA)
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]
    (event,) = city.topic.events
    assert event["data"]["old_address"] == {"text": "大日町1-1"}
    assert event["data"]["effective_on"] == "2026-11-20"
    assert event["batchid"].startswith("ZENKEN_2.csv@")
    assert (city.known, city.reviews()) == (2, [])


async def test_there_and_back_again_is_told_each_time(make):
    city = make()
    there = row("1", 3, "守口 太郎", "京阪本通2-5-5")
    for number, each in enumerate((TARO, there, TARO, there)):
        await city.take(f"ZENKEN_{number}.csv", each)
    assert [address for _, _, address in city.topic.told()] == ["大日町1-1", "京阪本通2-5-5"] * 2
    assert len({event["id"] for event in city.topic.events}) == 4


async def test_two_changes_of_one_row_are_told_by_two_publications_or_by_the_first_case(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", row("1", 4, "守口 太一", "京阪本通2-5-5"))
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]


async def test_a_column_that_is_not_compared_changes_nothing_and_one_without_a_case_is_known(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", row("1", 9, "守口 太郎", "大日町1-1"))
    await city.take("ZENKEN_3.csv", row("1", 9, "守口 太郎", "大日町1-1", household="99"))
    assert (city.topic.told(), city.reviews(), city.codes()) == ([], [], [])


async def test_nothing_of_a_row_is_kept_in_plain_text_but_what_mappings_name(make):
    city = make()
    await city.take("ZENKEN_1.csv", row("1", 3, "守口 太郎", "大日町1-1", household="SECRET-77"))
    stored = b"".join(path.read_bytes() for path in (city.folder / "var").rglob("*") if path.is_file())
    assert "守口 太郎".encode() in stored
    assert b"SECRET-77" not in stored
    key = city.folder / "var/extracts.key"
    assert (key.stat().st_mode & 0o777, len(key.read_bytes())) == (0o600, 32)
    assert list((city.folder / "var/extracts").iterdir()) == []


async def test_another_key_is_refused_before_everything_looks_changed(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    (city.folder / "var/extracts.key").write_bytes(b"x" * 32)
    counts = await city.take("ZENKEN_2.csv", TARO)
    assert "extracts.key" in str(counts.faults["juki.zenken"])
    assert city.topic.events == []


# --- report, review, missing ----------------------------------------------------------------------------------------


async def test_what_is_reported_is_listed_once_and_goes_when_it_is_so_no_more(make):
    city = make(on="on_change=report on_new=report", publishes=False)
    await city.take("ZENKEN_1.csv", TARO)
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("ZENKEN_2.csv", moved, HANA)
    await city.take("ZENKEN_3.csv", moved, HANA)
    assert city.reviews() == [("reported", "1", "changed: 住所"), ("reported", "2", "new")]
    await city.take("ZENKEN_4.csv", TARO, HANA)
    assert city.reviews() == [("reported", "2", "new")]
    await city.take("ZENKEN_5.csv", TARO)
    assert city.reviews() == []
    assert city.reviews("gone") == [("gone", "1", "changed: 住所"), ("gone", "2", "new")]
    assert city.topic.events == []


async def test_a_missing_row_waits_for_a_person_and_is_no_event(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", TARO, HANA)
    await city.take("ZENKEN_3.csv", TARO, HANA)
    assert city.reviews() == [("waiting", "3", "missing")]
    await city.take("ZENKEN_4.csv", TARO, HANA, JIRO)
    assert (city.reviews(), city.topic.events) == ([], [])


OUT = """      - {event: resident.moved-out, when: change == "missing",
         map: {name: row.氏名, old_address: address(was.住所)}}
"""


async def test_a_missing_row_is_an_event_only_by_a_case_that_names_it(make):
    city = make(on="on_missing=publish")
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", TARO, HANA)
    assert city.topic.events == []
    assert city.codes() == []
    other = make(on="on_missing=publish", cases=OUT)
    await other.take("ZENKEN_3.csv", TARO, HANA, JIRO)
    other.topic.events.clear()
    await other.take("ZENKEN_4.csv", TARO, HANA)
    await other.take("ZENKEN_5.csv", TARO, HANA)
    assert other.topic.told() == [("resident.moved-out", "3", "淀川 次郎")]
    assert other.topic.events[0]["data"]["old_address"] == {"text": "大日町2-2"}
    other.topic.events.clear()
    await other.take("ZENKEN_6.csv", TARO, HANA, JIRO)
    assert other.topic.told() == [("resident.moved-in", "3", "大日町2-2")]


# --- what is not believed -------------------------------------------------------------------------------------------


async def held(city, name, *rows, **named):
    city.topic.events.clear()
    counts = await city.take(name, *rows, **named)
    assert city.topic.events == []
    assert (city.folder / "in" / name).exists()
    assert counts.held == {"juki.zenken": next(iter(counts.held.values()))}
    status, reason = city.batches()[name]
    assert status == "held"
    return reason


MANY = [row(str(number), 1, f"住民 {number}", "大日町1-1") for number in range(1, 101)]


async def test_an_empty_extract_is_held(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO)
    assert "empty" in await held(city, "ZENKEN_2.csv")


async def test_an_extract_that_has_shrunk_is_held_and_let_go_or_put_away(make):
    city = make()
    await city.take("ZENKEN_1.csv", *MANY[:10])
    assert "6 rows of 10 missing" in await held(city, "ZENKEN_2.csv", *MANY[:4])
    batch = batches.held(city.ledger, "juki", "zenken")
    batches.reject(city.ledger, batch, who="keiko", why="cut")
    await city.drain()
    assert (city.known, city.reviews()) == (10, [])
    assert not (city.folder / "in/ZENKEN_2.csv").exists()
    await held(city, "ZENKEN_3.csv", *MANY[:3])
    batches.release(city.ledger, batches.held(city.ledger, "juki", "zenken"), who="keiko", why="so it is")
    await city.drain()
    assert len(city.reviews()) == 7
    assert city.batches()["ZENKEN_3.csv"][0] == "done"


async def test_an_extract_of_which_too_much_has_changed_is_held(make):
    city = make()
    await city.take("ZENKEN_1.csv", *MANY[:20])
    await city.take("ZENKEN_2.csv", *MANY[:40])
    assert city.known == 40
    changed = [row(each[0], 2, each[2], "京阪本通2-5-5") for each in MANY[:21]]
    assert "21 rows of 40 changed" in await held(city, "ZENKEN_3.csv", *changed, *MANY[21:40])


async def test_a_first_extract_that_would_publish_many_is_held(make):
    city = make()
    assert "100 rows of 0 new" in await held(city, "ZENKEN_1.csv", *MANY)


async def test_the_first_extract_is_only_learned_where_what_is_new_is_reported(make):
    city = make(on="on_new=report")
    await city.take("ZENKEN_1.csv", *MANY)
    assert (city.known, city.reviews(), city.topic.events) == (100, [], [])


@pytest.mark.parametrize("cut", [3, 30])
async def test_an_extract_that_is_cut_short_is_held(make, cut):
    city = make()
    await city.take("ZENKEN_1.csv", *MANY[:10])
    city.topic.events.clear()
    path = city.write("ZENKEN_2.csv", *MANY[:10])
    path.write_bytes(path.read_bytes()[:-cut])
    counts = await city.drain()
    assert counts.held
    assert "middle of a line" in city.batches()["ZENKEN_2.csv"][1]
    assert (city.topic.events, city.reviews()) == ([], [])


async def test_nobody_is_missed_while_a_row_cannot_be_read(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", ("2", "broken"), row("1", 4, "守口 太郎", "京阪本通2-5-5"), JIRO)
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]
    assert (city.reviews(), city.codes()) == ([], ["csv-columns"])


async def test_a_column_that_is_compared_and_not_there_stops_the_source(make):
    city = make()
    counts = await city.take("ZENKEN_1.csv", ("1", "守口 太郎"), header=("宛名番号", "氏名"))
    assert "住所" in str(counts.faults["juki.zenken"])
    assert (city.folder / "in/ZENKEN_1.csv").exists()
    assert city.codes() == []


async def test_two_rows_of_one_key_that_differ_are_quarantined(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, TARO, row("1", 9, "守口 太郎", "金田町9-9"), HANA)
    assert city.topic.told() == [("resident.moved-in", "1", "大日町1-1"), ("resident.moved-in", "2", "金田町1-1")]
    assert city.codes() == ["row-twice"]


async def test_an_extract_of_a_restored_database_is_held(make):
    city = make(shared=True)
    await city.take("ZENKEN_1.csv", TARO, HANA)
    await city.take("ZENKEN_2.csv", row("1", 7, "守口 太郎", "京阪本通2-5-5"), HANA)
    reason = await held(city, "ZENKEN_3.csv", row("1", 6, "守口 太郎", "守口町6-6"), HANA)
    assert "restored" in reason


async def test_an_extract_older_than_the_last_is_put_away(make):
    city = make(more=", as_of: batch.name")
    await city.take("ZENKEN_20261121.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))
    city.topic.events.clear()
    await city.take("ZENKEN_20261120.csv", TARO)
    assert city.topic.events == []
    assert "older" in city.batches()["ZENKEN_20261120.csv"][1]
    assert not (city.folder / "in/ZENKEN_20261120.csv").exists()


async def test_the_date_in_its_name_tells_an_old_extract_where_nothing_else_does(make):
    city = make()
    await city.take("ZENKEN_20261121.csv", TARO)
    await city.take("ZENKEN_20261120.csv", row("1", 2, "守口 太郎", "金田町9-9"))
    assert len(city.topic.events) == 1


# --- differences of the source it shares its state with -------------------------------------------------------------


async def test_what_differences_told_is_not_told_again(make):
    city = make(shared=True)
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("SABUN_1.csv", moved, row("9", 1, "大枝 九", "大枝1-1"), row("3", 2, "死亡", "大日町2-2"))
    city.topic.events.clear()
    for number in (2, 3):
        await city.take(f"ZENKEN_{number}.csv", moved, HANA, row("9", 1, "大枝 九", "大枝1-1"))
    assert (city.topic.events, city.reviews()) == ([], [])


async def test_differences_that_lie_beside_an_extract_are_read_first(make):
    city = make(shared=True)
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    city.write("SABUN_1.csv", moved)
    await city.take("ZENKEN_2.csv", moved)
    (event,) = city.topic.events
    assert event["sequence"] == "00000000000000000004" or event["sequence"] == 4 or event["sequence"] == "4"


async def test_a_difference_newer_than_the_extract_wins(make):
    city = make(shared=True)
    await city.take("ZENKEN_1.csv", TARO, HANA)
    await city.take("SABUN_1.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"), row("9", 1, "大枝 九", "大枝1-1"))
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", TARO, HANA)  # made before the difference
    assert (city.topic.events, city.reviews()) == ([], [])
    await city.take("ZENKEN_3.csv", row("1", 5, "守口 太郎", "大枝5-5"), HANA, row("9", 1, "大枝 九", "大枝1-1"))
    assert city.topic.told() == [("resident.moved", "1", "大枝5-5")]


async def test_as_of_says_which_is_newer(make):
    city = make(shared=True, more=", as_of: batch.name")
    await city.take("ZENKEN_202611200030.csv", TARO)
    await city.take("SABUN_1.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))  # at 01:02
    city.topic.events.clear()
    await city.take("ZENKEN_202611200101.csv", TARO)
    assert city.topic.events == []
    await city.take("ZENKEN_202611200105.csv", row("1", 5, "守口 太郎", "大枝5-5"))
    assert city.topic.told() == [("resident.moved", "1", "大枝5-5")]


async def test_after_a_cancellation_the_next_extract_is_learned_from_in_silence(make):
    city = make(shared=True)
    await city.take("ZENKEN_1.csv", TARO)
    await city.take("SABUN_1.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))
    await city.take("SABUN_2.csv", row("1", 5, "取消", "京阪本通2-5-5"))
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", row("1", 5, "守口 太郎", "大日町1-1"))
    await city.take("ZENKEN_3.csv", row("1", 5, "守口 太郎", "大日町1-1"))
    assert city.topic.events == []
    await city.take("ZENKEN_4.csv", row("1", 6, "守口 太郎", "大枝6-6"))
    assert city.topic.told() == [("resident.moved", "1", "大枝6-6")]


async def test_an_extract_waits_while_a_batch_of_differences_does(make):
    city = make(shared=True)
    with city.ledger.write() as connection:
        batches.hold(connection, batches.Arrival("juki", "sabun", "B1"), 1, reason="large", spool={"file": "x"})
    counts = await city.take("ZENKEN_1.csv", TARO)
    assert "B1 is held" in str(counts.faults["juki.zenken"])
    assert (city.folder / "in/ZENKEN_1.csv").exists()
    assert city.topic.events == []


# --- crashes and faults ---------------------------------------------------------------------------------------------


async def test_kafka_is_waited_for_and_nothing_is_known_before_it_has_the_events(make):
    city = make()
    city.topic.away = 2
    await city.take("ZENKEN_1.csv", TARO, HANA)
    assert len(city.topic.events) == 2
    assert city.known == 2


def crash(*_):
    raise RuntimeError("crashed")


async def test_a_crash_between_kafka_and_the_ledger_tells_nobody_twice(make, monkeypatch):
    city = make()
    monkeypatch.setattr(Extracts, "_keep", crash)
    counts = await city.take("ZENKEN_1.csv", TARO, HANA)
    assert "crashed" in str(counts.faults["juki.zenken"])
    monkeypatch.undo()
    assert (len(city.topic.told()), city.known) == (2, 0)
    await city.drain()
    assert len(city.topic.told()) == 2


# --- people decide --------------------------------------------------------------------------------------------------


async def decide(city, decision=reviewing.accept):
    (item,), _ = reviews.listing(city.ledger)
    decision(city.ledger, item.no, who="keiko", why="asked at the counter")
    await reviewing.publish_accepted(city.ledger, city.topic, "hub.events")
    return item.no


async def test_what_waits_is_published_once_when_it_is_accepted_and_known_then(make):
    city = make(on="on_change=review")
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", moved)
    assert city.reviews() == [("waiting", "1", "changed: 住所")]
    assert city.topic.events == []
    page = WaitingEvents(city.ledger).page(EventFilter(statuses=(event_code("awaiting-review"),)), limit=10)
    assert [(each["type"], each["subject"], each["status"]) for each in page[0]] == [
        ("resident.moved", "1", "awaiting-review")
    ]
    no = await decide(city)
    await reviewing.publish_accepted(city.ledger, city.topic, "hub.events")
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]
    assert len(city.topic.events) == 1
    await city.take("ZENKEN_3.csv", moved)
    assert (city.reviews(), len(city.topic.events)) == ([], 1)
    with pytest.raises(UsageError, match="not open"):
        reviewing.accept(city.ledger, no, who="keiko", why="")


async def test_what_is_rejected_is_neither_told_nor_put_there_again_until_it_changes(make):
    city = make(on="on_change=review")
    await city.take("ZENKEN_1.csv", TARO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))
    await decide(city, reviewing.reject)
    await city.take("ZENKEN_3.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))
    assert (city.reviews(), city.topic.events) == ([], [])
    await city.take("ZENKEN_4.csv", row("1", 5, "守口 太郎", "大枝5-5"))
    assert city.reviews() == [("waiting", "1", "changed: 住所")]
    await decide(city)
    assert city.topic.told() == [("resident.moved", "1", "大枝5-5")]
    assert city.topic.events[0]["data"]["old_address"] == {"text": "大日町1-1"}


async def test_a_difference_that_tells_what_waits_closes_it(make):
    city = make(shared=True, on="on_change=review")
    moved = row("1", 4, "守口 太郎", "京阪本通2-5-5")
    await city.take("ZENKEN_1.csv", TARO)
    await city.take("ZENKEN_2.csv", moved)
    (item,), _ = reviews.listing(city.ledger)
    await city.take("SABUN_1.csv", moved)
    assert city.reviews() == []
    with pytest.raises(UsageError):
        reviewing.accept(city.ledger, item.no, who="keiko", why="")


async def test_a_missing_row_that_is_accepted_is_missed_no_more(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    city.topic.events.clear()
    await city.take("ZENKEN_2.csv", TARO, HANA)
    await decide(city)
    await city.take("ZENKEN_3.csv", TARO, HANA)
    assert (city.reviews(), city.topic.events) == ([], [])
    await city.take("ZENKEN_4.csv", TARO, HANA, JIRO)
    assert city.topic.told() == [("resident.moved-in", "3", "大日町2-2")]


async def test_what_was_accepted_before_a_crash_is_published_by_the_next_process(make):
    city = make(on="on_change=review")
    await city.take("ZENKEN_1.csv", TARO)
    await city.take("ZENKEN_2.csv", row("1", 4, "守口 太郎", "京阪本通2-5-5"))
    (item,), _ = reviews.listing(city.ledger)
    city.topic.events.clear()
    reviewing.accept(city.ledger, item.no, who="keiko", why="")
    city.topic.away = 1
    with pytest.raises(BrokerUnavailable):
        await reviewing.publish_accepted(city.ledger, city.topic, "hub.events")
    assert await reviewing.publish_accepted(city.ledger, city.topic, "hub.events") == 1
    assert len(city.topic.events) == 1


# --- the baseline ---------------------------------------------------------------------------------------------------


async def test_a_baseline_waits_for_a_file_to_settle(make):
    city = make(more=", settle: 0.3")
    city.write("ZENKEN_1.csv", TARO, HANA)
    status = await city.hub.baseline("juki", "zenken")
    assert (status.fault, city.known) == (None, 2)


async def test_a_baseline_is_known_without_an_event(make):
    city = make()
    city.write("ZENKEN_1.csv", *MANY)
    status = await city.hub.baseline("juki", "zenken")
    assert (status.fault, status.tally.rows, city.known) == (None, 100, 100)
    assert not (city.folder / "in/ZENKEN_1.csv").exists()
    await city.take("ZENKEN_2.csv", row("1", 2, "住民 1", "京阪本通2-5-5"), *MANY[1:])
    assert city.topic.told() == [("resident.moved", "1", "京阪本通2-5-5")]


async def test_a_baseline_ends_what_is_open_and_held_and_forgets_who_is_not_in_it(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA, JIRO)
    await city.take("ZENKEN_2.csv", TARO, HANA)
    await held(city, "ZENKEN_3.csv")
    (city.folder / "in/ZENKEN_3.csv").unlink()
    city.write("ZENKEN_4.csv", TARO, row("2", 6, "京阪 花子", "大枝6-6"))
    await city.hub.baseline("juki", "zenken")
    assert (city.known, city.reviews(), city.topic.events) == (2, [], [])
    assert city.batches()["ZENKEN_3.csv"][0] == "rejected"
    await city.take("ZENKEN_5.csv", TARO, row("2", 6, "京阪 花子", "大枝6-6"), JIRO)
    assert city.topic.told() == [("resident.moved-in", "3", "大日町2-2")]


async def test_a_baseline_goes_on_with_another_key_and_after_compare_was_changed(make):
    city = make()
    await city.take("ZENKEN_1.csv", TARO, HANA)
    city.topic.events.clear()
    (city.folder / "var/extracts.key").unlink()
    city.write("ZENKEN_2.csv", TARO, HANA)
    status = await city.hub.baseline("juki", "zenken")
    assert (status.fault, city.known) == (None, 2)
    text = (city.folder / "systems/juki.yaml").read_text("utf-8").replace("[氏名, 住所, 世帯番号]", "[住所, 履歴番号]")
    (city.folder / "systems/juki.yaml").write_text(text, "utf-8")
    again = reopened(city)
    await again.take("ZENKEN_3.csv", TARO, HANA)
    await again.take("ZENKEN_4.csv", row("1", 3, "守口 太一", "大日町1-1"), row("2", 9, "京阪 花子", "大枝9-9"))
    assert again.topic.told() == [("resident.moved", "2", "大枝9-9")]
    again.close()


async def test_only_a_full_extract_has_a_baseline(make):
    city = make(shared=True)
    with pytest.raises(UsageError, match=r"juki\.sabun"):
        await city.hub.baseline("juki", "sabun")


async def test_what_was_taken_before_a_crash_and_not_put_away_is_no_empty_extract(make, monkeypatch):
    city = make()
    monkeypatch.setattr(FileSource, "acknowledge", crash)
    counts = await city.take("ZENKEN_1.csv", TARO, HANA)
    assert "crashed" in str(counts.faults["juki.zenken"])
    monkeypatch.undo()
    counts = await city.drain()
    assert (counts.held, len(city.topic.events), city.known) == ({}, 2, 2)
    assert not (city.folder / "in/ZENKEN_1.csv").exists()
