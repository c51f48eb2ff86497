"""What is read of a city's files before they are loaded."""

import pytest

from hub.moriguchi.sample import install_sample
from hub.settings.front import titles
from hub.settings.load import load_city


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("title: {ja: 国民健康保険, en: Health insurance}", "国民健康保険"),
        ("title: {en: Health insurance, ja: '国保'}  # short", "国保"),
        ('title:\n  en: Health insurance\n  ja: "国保"', "国保"),
        ("title: {en: Health insurance}\nowner: 'ja: 課'", None),
        ("owner: 保険課", None),
    ],
)
def test_a_systems_title_is_read_off_its_file(tmp_path, written, expected):
    (tmp_path / "systems").mkdir()
    (tmp_path / "systems" / "kokuho.yaml").write_text(f"system: kokuho\n{written}\nreceives: {{}}\n", encoding="utf-8")
    assert titles(tmp_path).get("kokuho") == expected


def test_the_titles_of_the_sample_city_are_those_its_files_give(tmp_path):
    install_sample(tmp_path)
    assert titles(tmp_path) == {each.system: each.title["ja"] for each in load_city(tmp_path).systems.values()}


def test_a_city_without_systems_has_none(tmp_path):
    assert titles(tmp_path) == {}
