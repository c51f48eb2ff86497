"""Every code that an error of the hub has is said in Japanese, and none that no error has."""

import json
from pathlib import Path

import pytest

import hub
from hub import errors
from hub.adapters.http_answers import NAMED
from hub.cli.codes import CODES, in_words, meaning
from hub.errors import HubError
from hub.ledger import quarantine
from hub.ledger.quarantine import Entry
from hub.routing.expressions import CONVERSIONS
from hub.routing.functions import functions_of
from tests.unit.cli.coded import codes_in

ROOM = Path(hub.__file__).parent
COMPUTED = {"http", "mail", "layout-count", "layout-total", "layout-header", "layout-trailer", "kinds", "shape", *NAMED}
ON_THE_COMMAND_LINE = {"usage", "not-yet", "unexpected"}


def _of_classes() -> set[str]:
    named = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, HubError)]
    return {errors._CAPITAL.sub("-", each.__name__).lower() for each in named if each is not HubError}


def _of_functions() -> set[str]:
    return set(functions_of({}, None, None, None).callables)


def test_every_code_is_said_in_japanese_and_no_other():
    used = (
        codes_in([ROOM])
        | _of_classes()
        | _of_functions()
        | {code for code, _ in CONVERSIONS.values()}
        | COMPUTED
        | ON_THE_COMMAND_LINE
    )
    assert sorted(used - set(CODES)) == []
    assert sorted(set(CODES) - used) == []


@pytest.mark.parametrize("code", CODES)
def test_what_a_code_means_is_japanese_and_ends_open(code):
    assert not CODES[code].isascii()
    assert CODES[code][-1] not in "。.:"


def test_an_error_is_told_in_the_persons_language(monkeypatch):
    assert in_words("wareki", "no date") == "no date"
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert in_words("wareki", "no date") == "日付として読めません: no date"
    assert in_words("", "no date") == "no date"


def test_a_numbered_or_unknown_code_is_said_too():
    assert meaning("http-503") == CODES["http"]
    assert meaning("rails-loose") == "rails-loose"


def test_check_speaks_japanese_and_its_document_does_not_change(hub, city, japanese, monkeypatch):
    path = city / "systems" / "kokuho.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("on: resident.moved", "on: resident.mooved"), "utf-8")
    assert f"{CODES['type-unknown']}: there is no event type `resident.mooved`" in hub("check", "--city", city).stdout
    told = hub("check", "--city", city, "--json").stdout
    monkeypatch.setenv("LANG", "C")
    assert hub("check", "--city", city, "--json").stdout == told


def test_quarantine_and_the_morning_say_why_in_japanese(hub, city, ledger, japanese):
    quarantine.add(ledger, [Entry("intake", "juki", "main", "in/a.csv:2", "wareki", "no such date", b"x")])
    for words in (("quarantine", "list"), ("quarantine", "show", 1)):
        assert "日付として読めません: no such date" in hub(*words, "--city", city).stdout
    assert "日付として読めません" in hub("morning", "--city", city).stdout


def test_the_doctor_speaks_japanese_and_its_document_does_not_change(hub, city, japanese, monkeypatch):
    shown = hub("doctor", "--city", city).stdout
    assert "台帳" in shown
    assert "まだありません（最初のコマンドが作ります）" in shown
    told = [each["found"] for each in json.loads(hub("doctor", "--city", city, "--json").stdout)["items"]]
    assert "not made yet: the first command makes it" in told


def test_an_error_says_first_in_japanese_of_what_kind_it_is(hub, city, japanese):
    assert hub("jobs", "show", 9, "--city", city).stderr.startswith("見つかりません: ")
