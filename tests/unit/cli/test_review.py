"""`hub review`: a difference of a full extract can be judged, and several items are decided with one command."""

import json
from collections import Counter

import pytest

from hub.cli.words import WORDS
from hub.ledger import batches, reviews
from hub.ledger.batches import Arrival
from hub.ledger.reviews import Draft

AT = 1_760_000_000_000


def difference(number, change="missing", *, batch="Z.csv@1", source="zenken", **payload):
    held = {
        "change": change,
        "changed": [],
        "row": None,
        "was": {"宛名番号": str(number)},
        "place": "Z.csv:2",
        **payload,
    }
    changed = f": {', '.join(held['changed'])}" if held["changed"] else ""
    return Draft(f"snapshot:{number}", "snapshot", "juki", source, str(number), change + changed, held, (), batch)


@pytest.fixture
def put(ledger):
    def into(*drafts):
        with ledger.write() as connection:
            batches.record(connection, [Arrival("juki", "zenken", "Z.csv@1", rows=1, whole=True)], AT)
            reviews.put(connection, drafts, AT)

    return into


def statuses(ledger):
    items, _ = reviews.listing(ledger, statuses=())
    return {item.no: item.status for item in items}


def test_a_changed_row_is_shown_beside_what_was_as_far_as_it_is_kept(hub, city, put, japanese):
    row = {"宛名番号": "1", "氏名": "守口 太郎", "住所": "金田町2-2"}
    put(difference(1, "changed", changed=["氏名", "住所"], row=row, was={"宛名番号": "1", "氏名": "門真 太郎"}))
    lines = hub("review", "show", 1, "--city", city).stdout.splitlines()
    assert "内容: 変わりました: 氏名, 住所" in lines
    at = next(n for n, line in enumerate(lines) if line.split() == ["列", "前", "全件データ"])
    table = {line.split()[0]: line.split()[1:] for line in lines[at + 1 : at + 4]}
    assert table == {
        "宛名番号": ["1", "1"],
        "氏名": ["門真", "太郎", "守口", "太郎", "変わった"],
        "住所": ["（控えていません）", "金田町2-2", "変わった"],
    }
    assert WORDS["review.unheard"][0] in lines
    assert f"  {WORDS['step.review-accept-row'][0]}: hub review accept 1" in lines
    assert f"次にすること: {WORDS['review.quiet'][0]}" in lines


def test_accepting_what_has_no_event_does_not_speak_of_one_to_come(hub, city, ledger, put, japanese):
    put(difference(1))
    said = hub("review", "reject", 1, "--reason", "x", "--dry-run", "--city", city).stdout
    assert said.endswith("（まだ何もしていません）\n")
    assert ("全件データからなくなりました" in said, "hub review accept" in said) == (True, False)
    assert statuses(ledger) == {1: "waiting"}
    with ledger.write() as connection:  # as an item of a kind that only asks people to take note
        connection.exec_driver_sql("UPDATE review SET kind = 'note'")
    assert hub("review", "accept", 1, "--city", city).stdout.strip() == WORDS["review.accepted-known"][0].format(no=1)


def test_several_are_accepted_as_several_are_rejected(hub, city, ledger, put):
    put(*map(difference, range(1, 4)))
    with ledger.write() as connection:
        connection.exec_driver_sql("UPDATE review SET kind = 'note' WHERE no < 3")
    done = hub("review", "accept", "1-2", "7", "--by", "甲", "--city", city)
    assert (done.exit_code, "2 items are accepted (0 events)" in done.stdout) == (1, True)
    assert "7 could not be decided: there is no review 7" in done.stdout
    assert statuses(ledger) == {1: "accepted", 2: "accepted", 3: "waiting"}


def test_several_are_decided_each_by_itself_and_what_cannot_be_is_named(hub, city, ledger, put):
    put(*map(difference, range(1, 8)))
    assert hub("review", "reject", 2, "--reason", "x", "--city", city).exit_code == 0
    assert hub("review", "reject", 2, "--reason", "x", "--city", city).exit_code == 2, "a single one is as it was"
    words = ("review", "reject", "1-3", "2", "6", "99", "--reason", "誤りの全件", "--by", "甲", "--city", city)
    tried = json.loads(hub(*words, "--dry-run", "--json").stdout)
    assert (tried["count"], [each["no"] for each in tried["items"]]) == (3, [1, 3, 6])
    assert Counter(statuses(ledger).values()) == {"waiting": 6, "rejected": 1}
    done = hub(*words, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["count"]) == (1, 3)
    assert [(each["no"], each["code"]) for each in found["refused"]] == [(2, "usage-error"), (99, "not-found")]
    assert {no for no, status in statuses(ledger).items() if status == "waiting"} == {4, 5, 7}
    assert {(reviews.show(ledger, no).decided_by, reviews.show(ledger, no).note) for no in (1, 3, 6)} == {
        ("甲", "誤りの全件")
    }


def test_a_batch_is_decided_whole_and_nothing_beside_it(hub, city, ledger, put):
    put(*map(difference, (1, 2)), difference(3, batch="Y.csv@1"), difference(4, source="other"))
    listed = json.loads(hub("review", "list", "--batch", "juki/Z.csv@1", "--json", "--city", city).stdout)
    assert [item["no"] for item in listed["items"]] == [2, 1]
    words = ("review", "reject", "--batch", "juki.zenken/Z.csv@1", "--reason", "誤りの全件", "--city", city)
    assert "2 items would be rejected" in hub(*words, "--dry-run").stdout
    done = hub(*words)
    assert (done.exit_code, "2 items are rejected" in done.stdout) == (0, True)
    assert statuses(ledger) == {1: "rejected", 2: "rejected", 3: "waiting", 4: "waiting"}
    assert hub(*words).exit_code == 0, "there is nothing left"
    assert hub("review", "reject", "--batch", "Q.csv@1", "--reason", "x", "--city", city).exit_code == 1


def test_more_than_a_page_is_decided(hub, city, ledger, put, monkeypatch):
    monkeypatch.setattr("hub.cli.review._PAGE", 2)
    put(*map(difference, range(1, 8)))
    assert hub("review", "reject", "2-6", "--reason", "x", "--city", city).exit_code == 0
    assert {no for no, status in statuses(ledger).items() if status == "waiting"} == {1, 7}


@pytest.mark.parametrize("words", [(), ("1", "--batch", "Z.csv@1"), ("1-x",), ("x",), ("-", "2")])
def test_what_is_not_said_rightly_decides_nothing(hub, city, ledger, put, words):
    put(difference(1))
    assert hub("review", "reject", *words, "--reason", "x", "--city", city).exit_code == 2
    assert statuses(ledger) == {1: "waiting"}
