import csv

import pytest

from hub.errors import UsageError
from hub.settings.load import load_city
from hub.settings.starter import init_city, starter_files
from hub.settings.yaml import read_yaml


def test_the_starter_loads(tmp_path):
    written = init_city(tmp_path / "deep" / "city")
    city = load_city(tmp_path / "deep" / "city", environ={})
    assert {"hub.yaml", "README.md"} <= {path.name for path in written}
    assert all(path.is_file() for path in written)
    assert list(city.systems) == ["juki", "kokuho"]
    assert [rule.id for rule in city.subscriptions()] == ["moved", "death"]
    assert [row.value for row in city.tables["jiyu"]] == ["転居", "死亡", "宛名出力"]


def test_its_samples_have_the_columns_its_systems_read(tmp_path):
    init_city(tmp_path)
    for name in ("juki", "kokuho"):
        with (tmp_path / "samples" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            columns = next(csv.reader(file))
        used = (tmp_path / "systems" / f"{name}.yaml").read_text("utf-8")
        assert [column for column in columns if f"row.{column}" not in used] == []


def test_its_rule_tests_are_there(tmp_path):
    init_city(tmp_path)
    assert [set(test) for test in read_yaml(tmp_path / "tests" / "kokuho.yaml").value] == [
        {"test", "given", "event", "expect"},
        {"test", "given", "event", "not"},
    ]


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "juki.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"already holds systems/juki\.yaml") as caught:
        init_city(tmp_path)
    assert caught.value.exit_code == 2
    assert [path.name for path in tmp_path.iterdir()] == ["systems"]
    assert (tmp_path / "systems" / "juki.yaml").read_text() == "mine"


def test_a_folder_with_other_files_is_fine(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    assert len(init_city(tmp_path)) == len(list(starter_files()))


def test_a_place_that_cannot_hold_a_folder_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        init_city(tmp_path / "file" / "city")
