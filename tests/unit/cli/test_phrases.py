"""The particulars of errors in Japanese: each of them is one that the hub says, word for word."""

from pathlib import Path

import pytest

import hub as package
from hub.cli.codes import in_words
from hub.cli.naming import common_name, field_name, short_of, type_name
from hub.cli.phrases import PHRASES, phrase
from hub.errors import Malformed
from hub.events.envelope import event_from

ROOM = Path(package.__file__).parent
# What is said, what of it stands in the program, and what it is in Japanese.
SAID = [line.split("\t") for line in Path(__file__).with_name("phrases.tsv").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def program() -> str:
    rooms = [path for path in ROOM.rglob("*.py") if path.name != "phrases.py"]
    return "".join(path.read_text(encoding="utf-8") for path in rooms)


@pytest.mark.parametrize(("said", "kept", "expected"), SAID)
def test_what_the_program_says_is_said_in_japanese(japanese, program, said, kept, expected):
    assert kept in program, "the words have changed: let hub/cli/phrases.py follow"
    assert phrase(said) == expected


def test_every_phrase_is_tried():
    tried = {expected for _, _, expected in SAID}
    assert len(SAID) >= len(PHRASES)
    assert len(tried) == len(SAID)


def test_an_unknown_one_stays_as_it_is(japanese):
    assert phrase("the flux is low (ask for more)") == "the flux is low (ask for more)"
    assert phrase("25000 rows, more than 20000; the flux is low") == "25000 rows, more than 20000; the flux is low"


def test_several_are_said_together(japanese):
    assert phrase("3 rows, fewer than 5; 2 resident.died, more than 1") == (
        "3 行しかありません（ふつうは 5 行以上）、resident.died が 2 件あります（ふつうは 1 件まで）"
    )


def test_what_says_no_more_than_the_code_is_said_once(japanese):
    assert in_words("csv-empty", "the file is empty: not even a header") == "空のファイルで、見出しもありません"
    assert (
        in_words("wareki", "wareki(): 'x' is a date that does not exist") == "日付として読めません: 'x' はない日付です"
    )


def test_elsewhere_the_words_are_the_errors_own():
    assert in_words("csv-empty", "the file is empty: not even a header") == "the file is empty: not even a header"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "甲", "effective_on": "2026-11-20"}, "死亡日 (died_on)がありません"),
        ({"name": "甲", "effective_on": "2026-11-20", "died_on": "2026-13-40"}, "死亡日 (died_on)はない日付です"),
        ({"name": 1, "effective_on": "2026-11-20", "died_on": "2026-11-20"}, "氏名 (name)は文字で書きます"),
        ({"name": "甲", "effective_on": "x", "died_on": "2026-11-20", "wrong": 1},
         "異動日 (effective_on)は YYYY-MM-DD の形の日付で書きます、wrongという項目はありません"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_event_is_said_by_its_fields_names(japanese, data, expected):
    document = {"specversion": "1.0", "id": "1", "source": "/systems/juki", "type": "resident.died", "subject": "1"}
    with pytest.raises(Malformed) as caught:
        event_from({**document, "data": data}, city="example", now="2026-11-20T00:00:00Z")
    assert phrase(str(caught.value)) == expected


def test_types_and_fields_have_the_catalogues_names(japanese, monkeypatch):
    assert type_name("resident.died") == "死亡 (resident.died)"
    assert field_name("resident.moved", "new_address.text") == "住所 (new_address.text)"
    assert (short_of("死亡"), short_of("resident.died")) == ("resident.died", "resident.died")
    assert (type_name("future.kind"), field_name("future.kind", "x"), field_name("resident.died", "x.y")) == (
        "future.kind", "x", "x.y",
    )  # fmt: skip
    assert (common_name("died_on"), common_name("nosuch")) == ("死亡日 (died_on)", "nosuch")
    monkeypatch.setenv("LANG", "C")
    assert common_name("died_on") == "died_on"
    assert (type_name("resident.died"), field_name("resident.died", "died_on")) == ("resident.died", "died_on")
