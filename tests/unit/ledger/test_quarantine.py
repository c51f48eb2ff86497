"""Quarantine keeps the raw bytes, counts repeats and is walked by cursor; tokens are kept as hashes."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from hub.errors import NotFound, UsageError
from hub.ledger import quarantine, tokens
from hub.ledger.quarantine import RAW_LIMIT, Entry
from hub.ledger.tables import token as token_table


def entry(raw=b"x", code="json", place="a.csv:1", message="wrong"):
    return Entry("intake", "juki", "sabun", place, code, message, raw)


def test_a_repeat_is_counted_within_a_call_and_over_calls(ledger):
    assert quarantine.add(ledger, [entry(), entry(place="a.csv:9"), entry(b"y")]) == [1, 1, 2]
    assert quarantine.add(ledger, [entry(place="b.csv:1")]) == [1]
    first = quarantine.show(ledger, 1)
    assert (first.seen, first.place, first.raw) == (3, "a.csv:1", b"x")


def test_what_tells_entries_apart_cannot_be_confused(ledger):
    assert quarantine.add(ledger, [entry(b"ab", "c"), entry(b"b", "ca")]) == [1, 2]


def test_a_very_long_input_is_cut_with_a_note_but_known_by_all_of_it(ledger):
    long = b"a" * (RAW_LIMIT + 1)
    assert quarantine.add(ledger, [entry(long), entry(long + b"b")]) == [1, 2]
    kept = quarantine.show(ledger, 1)
    assert len(kept.raw) == RAW_LIMIT
    assert "1,048,577 bytes" in kept.message


def test_text_no_database_takes_is_kept_readable(ledger):
    quarantine.add(ledger, [entry(message="a\x00b \ud800")])
    assert quarantine.show(ledger, 1).message == "a\\u0000b \\ud800"


def test_the_list_is_walked_by_cursor(ledger):
    quarantine.add(ledger, [entry(b"%d" % n) for n in range(700)])
    numbers, cursor = [], None
    while True:
        items, cursor = quarantine.listing(ledger, limit=300, cursor=cursor)
        numbers += [item.no for item in items]
        if cursor is None:
            break
    assert numbers == list(range(700, 0, -1))
    with pytest.raises(UsageError):
        quarantine.listing(ledger, cursor="x")


def test_what_a_person_closed_stays_closed_when_it_comes_again(ledger):
    quarantine.add(ledger, [entry()])
    quarantine.resolve(ledger, 1, "discarded", "a test file")
    quarantine.add(ledger, [entry()])
    assert quarantine.listing(ledger) == ([], None)
    shown = quarantine.show(ledger, 1)
    assert (shown.status, shown.note, shown.seen) == ("discarded", "a test file", 2)
    assert shown.resolved_at


@pytest.mark.parametrize(
    ("stage", "note", "after"),
    [
        ("dispatch", '{"events": ["1"], "as_it_was": true}', "open"),
        ("dispatch", '{"events": ["1"], "replacement": "{}"}', "resubmitted"),
        ("dispatch", '{"events": ["\\"as_it_was\\": true"]}', "resubmitted"),
        ("dispatch", "", "resubmitted"),
        ("intake", '{"events": ["1"], "as_it_was": true}', "resubmitted"),
    ],
)
def test_what_was_resubmitted_as_it_was_and_dispatch_refuses_again_is_open(ledger, stage, note, after):
    refused = replace(entry(), stage=stage)
    quarantine.add(ledger, [refused])
    quarantine.resolve(ledger, 1, "resubmitted", note)
    quarantine.add(ledger, [refused])
    shown = quarantine.show(ledger, 1)
    assert (shown.status, shown.seen, shown.resolved_at is None) == (after, 2, after == "open")


def test_what_is_not_there_is_said(ledger):
    for call in (lambda: quarantine.show(ledger, 5), lambda: quarantine.resolve(ledger, 5, "discarded")):
        with pytest.raises(NotFound):
            call()


def test_a_token_is_known_by_its_hash_until_revoked(ledger):
    text = tokens.new(ledger, "juki")
    with ledger.read() as connection:
        stored = connection.execute(sa.select(token_table.c.hash)).scalar_one()
    assert text not in stored
    assert tokens.system_of(ledger, text) == "juki"
    assert tokens.system_of(ledger, text + "x") is None
    (listed,) = tokens.listing(ledger)
    tokens.revoke(ledger, listed.name)
    assert tokens.system_of(ledger, text) is None
    with pytest.raises(NotFound):
        tokens.revoke(ledger, listed.name)


def test_an_entry_that_came_again_meanwhile_is_not_closed(ledger):
    quarantine.add(ledger, [entry()])
    quarantine.add(ledger, [entry()])
    assert not quarantine.resolve(ledger, 1, "resubmitted", "{}", seen=1)
    assert quarantine.show(ledger, 1).status == "open"
    assert quarantine.resolve(ledger, 1, "resubmitted", "{}", seen=2)
    assert quarantine.show(ledger, 1).status == "resubmitted"
    with pytest.raises(NotFound):
        quarantine.resolve(ledger, 9, "resubmitted", seen=1)


def test_a_discard_is_taken_back_and_both_decisions_are_kept(ledger):
    quarantine.add(ledger, [entry()])
    quarantine.discard(ledger, 1, who="甲", why="済み")
    quarantine.add(ledger, [entry()])  # it comes again meanwhile
    quarantine.reopen(ledger, 1, who="乙", why="番号の誤り")
    item = quarantine.show(ledger, 1)
    assert (item.status, item.seen, item.resolved_at, quarantine.count(ledger)) == ("open", 2, None, 1)
    quarantine.discard(ledger, 1, who="甲", why="やはり済み")
    item = quarantine.show(ledger, 1)
    assert (item.kept["by"], item.kept["reason"]) == ("甲", "やはり済み")
    assert [(each["what"], each["by"], each["reason"]) for each in item.before] == [
        ("discard", "甲", "済み"),
        ("reopen", "乙", "番号の誤り"),
    ]
    assert all(each["at"] for each in item.before)


def test_the_reason_an_older_hub_kept_in_words_is_kept_on(ledger):
    quarantine.add(ledger, [entry()])
    quarantine.resolve(ledger, 1, "discarded", "a test file")
    quarantine.reopen(ledger, 1, who="乙", why="番号の誤り")
    assert quarantine.show(ledger, 1).before[0]["reason"] == "a test file"


def test_of_two_people_who_decide_at_once_one_does(ledger, monkeypatch):
    quarantine.add(ledger, [entry()])
    seen = quarantine.show(ledger, 1)
    quarantine.resolve(ledger, 1, "resubmitted")
    answers = iter([seen])
    now = quarantine.show
    monkeypatch.setattr(quarantine, "show", lambda *given: next(answers, None) or now(*given))
    with pytest.raises(UsageError, match="resubmitted already"):
        quarantine.discard(ledger, 1, who="甲", why="済み")
    assert now(ledger, 1).status == "resubmitted"
