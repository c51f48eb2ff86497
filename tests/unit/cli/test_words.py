import ast
import string
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import hub.cli
from hub.cli import output
from hub.cli.language import lang
from hub.cli.main import COMMANDS
from hub.cli.words import WORDS, word
from hub.ledger.status import DELIVERY, EVENT, REASONS

ROOM = Path(hub.cli.__file__).parent


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ja_JP.eucJP"}, "ja"),
        ({"LANG": "C", "LC_ALL": ""}, "en"),
    ],
)
def test_the_language_follows_the_locale(environ, expected):
    assert lang(environ) == expected


def _fields(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", WORDS)
def test_both_languages_say_the_same_things(key):
    ja, en = WORDS[key]
    assert ja
    assert en
    assert _fields(ja) == _fields(en)


def _texts():
    """Every literal text of the room but those of the catalogue itself."""
    for path in ROOM.glob("*.py"):
        if path.name != "words.py":
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def _states():
    reasons = {f"reason.{reason}" for reasons in REASONS.values() for reason in reasons}
    return {f"state.{status}" for status in (*EVENT, *DELIVERY)} | reasons


def test_every_status_and_reason_has_its_word():
    assert _states() <= set(WORDS)


def test_a_status_is_in_the_persons_language_and_a_time_in_the_citys(monkeypatch, capsys):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    with output.clock(ZoneInfo("Asia/Tokyo")):
        output.table(["a", "b"], [(output.waiting("held:window"), "2026-11-23T22:00:00.000Z")])
    assert "保留: 受付時間外  2026-11-24 07:00:00+09:00" in capsys.readouterr().out


def test_no_word_is_left_over():
    texts = set(_texts())
    helps = {f"help.{path}" for path in COMMANDS} | {f"help.{path.split()[0]}" for path in COMMANDS}
    made = {f"{kind}.{text}" for kind in ("column", "look") for text in texts}
    asked = texts | helps | _states() | made
    assert not {key for key in WORDS if key not in asked}


def test_a_word_in_japanese(monkeypatch):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert word("check.clean") == "問題はありません"
