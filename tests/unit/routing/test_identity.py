"""Search keys forgive how a thing is written, and nothing else; a record is held against what is known."""

from __future__ import annotations

import pytest

from hub.routing.identity import checked, is_provisional, search_key

SAME = [
    ("kana", "モリグチ　タロウ", "もりぐち たろう"),
    ("kana", "モリグチ　タロウ", "ﾓﾘｸﾞﾁ ﾀﾛｳ"),
    ("kana", "リョウヘイ", "リヨウヘイ"),
    ("kana", "ショーコ", "ｼﾖ-ｺ"),
    ("kana", "メアリー・アン", "メアリ－アン"),
    ("name", "守口　太郎", "守口太郎"),
    ("name", "葛\U000e0100城", "葛城"),
    ("name", "Ｊｏｈｎ　Ｓｍｉｔｈ", "JOHN SMITH"),
    ("birth_date", "1950-01-02", "昭和25年1月2日"),
    ("birth_date", "1950-01-02", "3250102"),
    ("address", {"text": "大日町一丁目2番3号"}, "大日町一-2-3"),
    ("sex", "男", " 男 "),
]
OTHERS = [
    ("kana", "モリグチ　タロウ", "モリグチ　ジロウ"),
    ("kana", "オオタ", "オタ"),
    ("kana", "ハナコ", "ハナゴ"),
    ("name", "高橋", "髙橋"),
    ("birth_date", "1950-01-02", "1950-01-03"),
    ("address", "大日町1-2", "大日町1-2-3"),
]


@pytest.mark.parametrize(("name", "one", "other"), SAME)
def test_what_is_only_written_otherwise_is_the_same(name, one, other):
    assert search_key(name, one) == search_key(name, other) != ""


@pytest.mark.parametrize(("name", "one", "other"), OTHERS)
def test_what_differs_differs(name, one, other):
    assert search_key(name, one) != search_key(name, other)


@pytest.mark.parametrize(
    ("name", "value"), [("kana", None), ("kana", "　・"), ("birth_date", "不詳"), ("birth_date", "")]
)
def test_nothing_to_compare_is_nothing(name, value):
    assert search_key(name, value) == ""


def test_what_is_not_there_never_agrees():
    known = {"kana": "モリグチ　タロウ", "name": ""}
    given = {"kana": "", "birth_date": "1950-01-02", "name": "", "sex": "男"}
    assert checked(given, known) == {
        "kana": "not-given", "birth_date": "not-known", "name": "not-given", "sex": "not-known",
    }  # fmt: skip


def test_the_subject_of_somebody_unknown():
    assert is_provisional("~shinsei:12")
    assert not is_provisional("1000001")
