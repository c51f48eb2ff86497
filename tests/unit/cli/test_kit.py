"""`hub adapters new` and `check`: what is written works at once, and what breaks its promise is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hub.adapters import loose, registry


@pytest.fixture(autouse=True)
def as_before(monkeypatch):
    """Adapters that a test adds are forgotten after it."""
    monkeypatch.setattr(loose, "_added", [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    registry._entries.cache_clear()
    for name in [name for name in sys.modules if name.startswith("hub_desk")]:
        del sys.modules[name]


@pytest.fixture
def desk(hub, tmp_path):
    made = hub("adapters", "new", "desk", "--dir", tmp_path / "desk", "--json")
    assert made.exit_code == 0
    assert {"pyproject.toml", "hub_desk/adapter.py", "tests/test_adapter.py"} <= set(json.loads(made.stdout)["files"])
    return tmp_path / "desk"


def test_what_is_written_keeps_its_promises_at_once(hub, desk):
    shown = hub("adapters", "check", desk, "--json")
    found = json.loads(shown.stdout)
    assert (shown.exit_code, found["failed"], found["untried"]) == (0, 0, [])
    assert {each["check"] for each in found["items"]} >= {"secrets_are_hidden", "a_repeat_has_the_declared_effect"}
    assert all(each["means"] for each in found["items"])


def test_the_smallest_adapter_is_under_thirty_lines(desk):
    assert len((desk / "hub_desk/adapter.py").read_text("utf-8").splitlines()) < 30


def test_a_promise_that_is_not_kept_is_named_with_what_it_means(hub, desk):
    path = desk / "hub_desk" / "adapter.py"
    text = path.read_text("utf-8").replace("from urllib.parse import quote", "import time")
    path.write_text(text.replace("{quote(delivery.key, safe='')}", "{time.time_ns()}"), "utf-8")
    shown = hub("adapters", "check", desk)
    assert shown.exit_code == 1
    assert "✗ desk 1.DeskCase a_repeat_has_the_declared_effect" in shown.stdout
    assert "`idempotent` is declared wrongly" in shown.stdout


def test_an_adapter_that_was_tried_on_nothing_is_no_success(hub, desk):
    path = desk / "pyproject.toml"
    head, _, rest = path.read_text("utf-8").partition('[project.entry-points."hub.conformance"]')
    path.write_text(head + rest.partition("\n\n")[2], "utf-8")
    shown = hub("adapters", "check", desk, "--json")
    assert shown.exit_code == 1
    assert json.loads(shown.stdout)["untried"] == ["desk"]


def test_the_hubs_own_adapters_are_checked_by_name(hub):
    found = json.loads(hub("adapters", "check", "kafka", "--json").stdout)
    assert found["failed"] == 0
    assert hub("adapters", "check", "kafak").exit_code == 2


def test_the_written_test_passes_under_pytest_and_the_environment_names_the_folder(desk, tmp_path):
    environ = {**os.environ, "HUB_ADAPTERS": str(desk), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=desk, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "13 passed" in done.stdout or "14 passed" in done.stdout


def test_a_package_is_found_where_the_environment_says_and_writes_in_a_city(hub, desk, city, monkeypatch):
    monkeypatch.setenv("HUB_ADAPTERS", str(desk))
    registry._entries.cache_clear()
    path = city / "systems" / "kokuho.yaml"
    path.write_text(path.read_text("utf-8").replace("receives: {adapter: csv", "receives: {adapter: desk"), "utf-8")
    shown = hub("check", "--city", city)
    assert "`desk` has no setting `encoding`" in shown.stdout
    assert "# `desk`" in hub("adapters", "show", "desk").stdout


def test_a_folder_that_is_no_package_is_refused_by_name(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HUB_ADAPTERS", str(tmp_path))
    registry._entries.cache_clear()
    shown = hub("adapters", "list")
    assert shown.exit_code == 2
    assert str(tmp_path / "pyproject.toml") in shown.stderr


@pytest.mark.parametrize("name", ["csv", "Desk", "my desk", "1st", "class", "../x"])
def test_a_name_that_cannot_be_is_refused_and_nothing_written(hub, name, tmp_path):
    assert hub("adapters", "new", name, "--dir", tmp_path / "x").exit_code == 2
    assert not (tmp_path / "x").exists()


def test_nothing_is_overwritten(hub, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert hub("adapters", "new", "desk", "--dir", tmp_path).exit_code == 2
    assert [path.name for path in Path(tmp_path).iterdir()] == ["mine.txt"]
