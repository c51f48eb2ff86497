from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from hub.adapters import registry
from hub.adapters.contract import AdapterSettings, PreparedSink, Sink, Source
from hub.adapters.reference import DURATION
from hub.errors import ConfigurationError, Problem
from hub.settings.secret import Secret
from tests.conformance.helpers import EXPRESSIONS, Publisher, site


def problems(call: Any) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        call()
    return caught.value.problems


def test_the_transports_are_found() -> None:
    assert set(registry.names()) >= {"csv", "database", "excel", "fixed_width", "http", "jsonl", "kafka"}
    for name in registry.names():
        adapter = registry.find(name)
        assert adapter.name == name
        assert set(adapter.title) == {"ja", "en"}


def test_an_unknown_name_is_refused_with_a_guess(tmp_path: Path) -> None:
    (problem,) = problems(lambda: registry.find("databse", place="systems/a.yaml:3:9"))
    assert str(problem) == "systems/a.yaml:3:9: there is no adapter `databse` (did you mean `database`?)"


def test_every_wrong_setting_is_listed_at_its_place(tmp_path: Path) -> None:
    options = {"pth": "x", "encoding": "utf-16", "delimiter": ";;"}
    found = problems(
        lambda: registry.settings("csv", "source", options, place=lambda *path: f"a.yaml:{'.'.join(path)}")
    )
    assert {problem.place for problem in found} == {"a.yaml:path", "a.yaml:encoding", "a.yaml:delimiter", "a.yaml:pth"}
    assert next(problem.mend for problem in found if problem.place == "a.yaml:pth") == "did you mean `path`?"


def test_a_value_that_fits_no_form_is_one_problem() -> None:
    options = {"url": "sqlite:///x.db", "table": "t", "key": {"a": "x"}, "on_cancel": "x"}
    (problem,) = problems(lambda: registry.settings("database", "sink", options))
    assert problem.message == "`on_cancel`: cannot be `x`"
    assert problem.mend == "write one of: restore, delete, call; or write `name: value` lines, or {name: value}"


PDF = {"host": "x", "from": "a@b", "to": ["c@d"]}
WRONG: list[tuple[str, str, dict[str, Any], str, str]] = [
    ("csv", "source", {"path": "x", "settle": "abc"}, "`settle`: `abc` is not a duration", "write a number and s, m"),
    ("http", "sink", {"url": "http://x", "timeout": "abc"}, "`timeout`: `abc` is not a duration", "30 for seconds"),
    ("http", "sink", {"url": "http://x", "timeout": -1}, "`timeout`: cannot be `-1.0`", "it is greater than 0"),
    ("http", "sink", {"url": "http://x", "idempotent": "perhaps"}, "must be true or false", "write true or false"),
    ("http", "sink", {"url": "http://x", "shows": "x"}, "`shows`: must be a list", "brackets"),
    ("http", "sink", {"url": "http://x", "method": 1}, "`method`: must be text", 'put it in quotes: "1"'),
    ("http", "sink", {"url": "ftp://hub:geheim@x"}, "`url`: cannot be that", "https://…"),
    ("http", "sink", {"url": "http://x", "proxy": "abc"}, "`proxy`: cannot be `abc`", "http://proxy.example:8080"),
    ("http", "sink", {"url": "http://x", "headers": {"a": 1}}, "a header's value is a text", "quote it"),
    ("http", "source", {}, "`http`: is not written right", "give either `url` or `webhook`"),
    ("mail", "sink", {**PDF, "port": "abc"}, "`port`: must be a whole number", "digits"),
    ("mail", "sink", {**PDF, "port": 99999}, "`port`: cannot be `99999`", "it is less than or equal to 65535"),
    ("mail", "sink", {**PDF, "to": []}, "`to`: is empty", "write one"),
    ("chat", "sink", {}, "`chat`: `webhook` needs `url`", "write `url`"),
    ("chat", "sink", {"service": "line-works"}, "needs `bot`, `channel`, `login`", "write `bot`, `channel`, `login`"),
    ("fixed_width", "sink", {"path": "x", "layout": "layouts/nix.yaml"}, "there is no `layouts/nix.yaml`", "write it"),
    ("csv", "sink", {"path": "x", "delimiter": "ab"}, "`delimiter`: cannot be `ab`", "write at most 1"),
    ("csv", "sink", {"path": "x", "columns": ["a"]}, "`columns`: must be a mapping", "write `name: value`"),
    ("csv", "sink", {"path": "x", "encoding": "foo"}, "there is no encoding `foo`", "hub adapters show csv"),
    ("csv", "source", {"path": "x", "after": "mve"}, "`after`: cannot be `mve`", "write one of: move, keep, delete"),
]


@pytest.mark.parametrize(("name", "side", "options", "message", "mend"), WRONG)
def test_a_wrong_setting_is_told_in_our_own_words_with_a_mend(
    name: str, side: str, options: dict[str, Any], message: str, mend: str
) -> None:
    (problem,) = problems(lambda: registry.settings(name, side, options, layouts={}))
    assert message in problem.message
    assert mend in problem.mend
    assert not {"Input", "should", "geheim", "unable"} & set(str(problem).replace(":", " ").split())


def test_a_secret_that_is_refused_is_not_repeated() -> None:
    options = {"url": "http://x", "webhook": {"secret": Secret("geheim")}}
    found = problems(lambda: registry.settings("http", "source", options))
    assert "geheim" not in str(found)


DURATIONS = [
    ("csv", "source", {"path": "in/*.csv"}, "settle"),
    ("database", "source", {"url": "sqlite:///x.db", "table": "t", "cursor": "n"}, "overlap"),
    ("http", "source", {"url": "https://a.example", "since": {"column": "n", "parameter": "n"}}, "timeout"),
    ("http", "source", {"url": "https://a.example", "since": {"column": "n", "parameter": "n"}}, "since.overlap"),
    ("http", "source", {"webhook": {"secret": "0123456789abcdef"}}, "webhook.window"),
    ("http", "sink", {"url": "https://a.example"}, "timeout"),
    ("chat", "sink", {"service": "slack", "url": "https://a.example"}, "timeout"),
    ("mail", "sink", {"host": "a.example", "from": "a@example.jp", "to": ["b@example.jp"]}, "timeout"),
    ("rpa", "sink", {}, "lease"),
    ("uipath", "source", {"url": "https://a.example", "folder": 1, "queue": "q"}, "lag"),
    (
        "csv",
        "sink",
        {"path": "sftp://a@b/c/", "sftp": {"password": "x", "host_key": "ssh-ed25519 AAAA"}},
        "sftp.timeout",
    ),
    ("csv", "sink", {"path": "s3://bucket/c/", "s3": {"access_key": "x", "secret_key": "x"}}, "s3.timeout"),
]


@pytest.mark.parametrize(("name", "side", "options", "setting"), DURATIONS, ids=[f"{d[0]}-{d[3]}" for d in DURATIONS])
def test_every_time_is_a_number_of_seconds_or_a_duration(
    name: str, side: str, options: dict[str, Any], setting: str
) -> None:
    *within, key = setting.split(".")

    def given(value: Any) -> Any:
        inner = {**(options[within[0]] if within else options), key: value}
        return registry.settings(name, side, {**options, within[0]: inner} if within else inner)

    for value, seconds in ((90, 90), (1.5e2, 150), ("90s", 90), ("2m", 120), (Secret("45"), 45)):
        model = given(value)
        assert getattr(getattr(model, within[0]) if within else model, key) == seconds
    for value, shown in (
        ("3 weeks", "`3 weeks`"),
        (True, "`True`"),
        ([3], "`[3]`"),
        (Secret("s3cret"), "what it stands"),
    ):
        (problem,) = problems(lambda value=value: given(value))
        assert problem.message.startswith(f"`{setting}`: {shown}")
        assert problem.message.endswith("is not a duration")
        assert problem.mend == "write a number and s, m, h or d: 30s, 10m, 26h, 14d, or 30 for seconds"
        assert "s3cret" not in problem.message


def test_a_number_that_is_no_duration_is_no_time() -> None:
    for name in registry.names():
        registry.find(name)
    numbers = {
        key
        for model in models_below(AdapterSettings)
        for key, field in model.model_fields.items()
        if float in (field.annotation, *get_args(field.annotation)) and DURATION not in field.metadata
    }
    assert numbers == {"per_second", "size", "threshold", "thresholds"}, "a time is a `Duration` of adapters.contract"


def models_below(model: type[AdapterSettings]) -> Iterator[type[AdapterSettings]]:
    for below in model.__subclasses__():
        if below.__module__.startswith("hub."):
            yield below
            yield from models_below(below)


def test_a_side_that_a_transport_lacks_is_refused(tmp_path: Path) -> None:
    (problem,) = problems(lambda: registry.open_source("pull", {}, site(tmp_path)))
    assert problem.message == "the adapter `pull` has no source"
    assert problem.place == "kokuho.main"


def test_after_move_means_nothing_to_a_source_that_moves_nothing(tmp_path: Path) -> None:
    options = {"url": "sqlite:///x.db", "table": "t", "cursor": "n"}
    assert isinstance(registry.open_source("database", {**options, "after": "move"}, site(tmp_path)), Source)
    (problem,) = problems(lambda: registry.open_source("database", {**options, "after": "delete"}, site(tmp_path)))
    assert "`after`" in problem.message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "sqlite:///x.db", "table": "t", "columns": {"a": "x"}}, "`key` is needed"),
        ({"url": "sqlite:///x.db", "table": "t", "mode": "insert"}, "`columns` says what to write"),
        ({"url": "no url", "table": "t", "key": {"a": "x"}}, "no SQLAlchemy URL"),
        ({"url": "oracle9://x/y", "table": "t", "key": {"a": "x"}}, "cannot be opened"),
    ],
)
def test_a_database_sink_needs_what_it_needs(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    found = problems(lambda: registry.open_sink("database", options, site(tmp_path), EXPRESSIONS))
    assert message in str(found[0])


def test_a_wrong_url_is_not_repeated_with_its_password() -> None:
    options = {"url": "oracle9://hub:secret@db/x", "table": "t", "key": {"a": "x"}}
    found = problems(lambda: registry.settings("database", "sink", options))
    assert "secret" not in str(found)


def test_sinks_have_the_shape_they_declare(tmp_path: Path) -> None:
    cases: dict[str, tuple[dict[str, Any], Any]] = {
        "csv": ({"path": "out"}, None),
        "jsonl": ({"path": "out.jsonl"}, None),
        "database": ({"url": "sqlite:///x.db", "table": "t", "key": {"a": "subject"}}, EXPRESSIONS),
        "http": ({"url": "http://127.0.0.1/"}, EXPRESSIONS),
        "kafka": ({}, Publisher()),
    }
    for name, (options, port) in cases.items():
        sink = registry.open_sink(name, options, site(tmp_path), port)
        assert isinstance(sink, PreparedSink if registry.find(name).features.prepared else Sink)
