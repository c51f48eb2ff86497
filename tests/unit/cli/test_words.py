import ast
import string
from dataclasses import fields
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from typer._click import exceptions

import hub.cli
from hub.cli import output
from hub.cli.jobs import STEPS
from hub.cli.language import lang
from hub.cli.main import COMMANDS
from hub.cli.session import Session
from hub.cli.words import WORDS, word
from hub.ledger import batches, identities, jobs, quarantine, reviews
from hub.ledger.status import DELIVERY, EVENT, REASONS
from hub.settings.starter import init_city
from hub.stages.morning import KINDS

ROOM = Path(hub.cli.__file__).parent
QUEUES = {"quarantine": quarantine, "identity": identities, "batch": batches, "job": jobs, "review": reviews}
STORED = [
    "action",
    "attempt",
    "deed",
    "field",
    "identity",
    "job-kind",
    "left",
    "rest",
    "result",
    "review-kind",
    "stage",
    "what",
]


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


def _texts(room=ROOM):
    """Every literal text of a room but those of the catalogue itself."""
    for path in room.rglob("*.py"):
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


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        (
            "40",
            [
                "いつから: 2026-11-24 07:00:00+09:00",
                "  件数: 3",
                "  次にすること: hub quarantine list --system kokuho",
                "どこ: juki.rireki  件数: 12",
                "  次にすること: hub status",
            ],
        ),
        (
            "120",
            [
                "いつから                   どこ         件数  次にすること",
                "2026-11-24 07:00:00+09:00               3     hub quarantine list --system kokuho",
                "                           juki.rireki  12    hub status",
            ],
        ),
    ],
)
def test_a_command_stays_whole_however_narrow_the_terminal_is(monkeypatch, capsys, room, expected):
    monkeypatch.setenv("COLUMNS", room)
    rows = [
        ("2026-11-23T22:00:00.000Z", "", 3, "hub quarantine list --system kokuho"),
        (None, "juki.rireki", 12, "hub status"),
    ]
    with output.clock(ZoneInfo("Asia/Tokyo")):
        output.table(["いつから", "どこ", "件数", "次にすること"], rows)
    assert capsys.readouterr().out.splitlines() == expected


def test_how_a_start_of_kafka_goes_is_told_in_the_persons_language(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    monkeypatch.delenv("HUB_KAFKA", raising=False)
    init_city(tmp_path)
    with Session(tmp_path).hub() as hub:
        hub._say("Apache Kafka: starting")
    output.progress("another thing")
    assert capsys.readouterr().err == "Kafka を起動しています\nanother thing\n"


def test_no_word_is_left_over():
    texts, everywhere = set(_texts()), set(_texts(ROOM.parent))
    asked = texts | _states() | {f"help.{path}" for path in COMMANDS} | {f"help.{path.split()[0]}" for path in COMMANDS}
    asked |= {f"{kind}.{text}" for kind in ("column", "field", "look") for text in texts}
    asked |= {f"{kind}-state.{status}" for kind, room in QUEUES.items() for status in room.STATUSES}
    asked |= {f"field.{each.name}" for room in QUEUES.values() if hasattr(room, "Item") for each in fields(room.Item)}
    asked |= {f"{kind}.{text}" for kind in STORED for text in everywhere}
    asked |= {f"step.job-{what}" for named in STEPS.values() for what in named}
    asked |= {f"typed.{name}" for name in vars(exceptions)} | {f"morning.{kind}" for kind in KINDS}
    assert not {key for key in WORDS if key not in asked}


def test_a_word_in_japanese(monkeypatch):
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")
    assert word("check.clean") == "問題はありません"
