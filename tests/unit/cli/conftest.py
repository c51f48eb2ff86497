import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli.main import command_line
from hub.settings.starter import init_city
from tests.services.blank import blank_ledger


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    """An English person without settings of their own; logging is put back afterwards."""
    for name in ("HUB_CITY", "HUB_KAFKA", "HUB_LEDGER", "HUB_DEBUG", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C")
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def japanese(monkeypatch, plain_environment):
    """A person who reads Japanese."""
    monkeypatch.setenv("LANG", "ja_JP.UTF-8")


@pytest.fixture
def hub():
    """Run a command in this process: `hub("status", "--city", folder)`."""
    runner = CliRunner()

    def call(*words, stdin=None):
        typed = [str(word) for word in words]
        piped = {"COLUMNS": None}  # whatever the terminal the tests run in
        return runner.invoke(command_line(typed), typed, input=stdin, prog_name="hub", env=piped)

    return call


@pytest.fixture
def city(tmp_path) -> Path:
    """A folder with the starter city."""
    init_city(tmp_path / "city")
    return tmp_path / "city"


@pytest.fixture
def ledger(city):
    """The starter city's ledger."""
    (city / "var").mkdir(exist_ok=True)
    ledger = blank_ledger(city / "var")
    yield ledger
    ledger.close()
