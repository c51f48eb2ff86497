from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.adapters import registry
from hub.adapters.contract import PreparedSink, Sink, Source
from hub.errors import ConfigurationError, Problem
from hub.settings.models import RESERVED_ADAPTERS
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


@pytest.mark.parametrize("name", sorted(RESERVED_ADAPTERS))
def test_a_reserved_name_is_not_there_yet(name: str) -> None:
    (problem,) = problems(lambda: registry.find(name))
    assert "not there yet" in problem.message


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
    assert (
        problem.message
        == "`on_cancel`: Input should be 'restore', 'delete' or 'call'; or: Input should be a valid dictionary"
    )


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
