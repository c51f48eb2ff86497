import ast
import string
from pathlib import Path

import pytest

import hub.cli
from hub.cli.language import lang
from hub.cli.main import COMMANDS
from hub.cli.words import WORDS, word

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


def test_no_word_is_left_over():
    texts = set(_texts())
    helps = {f"help.{path}" for path in COMMANDS} | {f"help.{path.split()[0]}" for path in COMMANDS}
    asked = texts | helps | {f"column.{text}" for text in texts}
    assert not {key for key in WORDS if key not in asked}


def test_a_word_in_japanese(monkeypatch):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert word("check.clean") == "問題はありません"
