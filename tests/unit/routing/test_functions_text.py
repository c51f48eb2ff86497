from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.routing.functions.text import address, count_bytes, digits, hankaku, kana, pad, zenkaku


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("〒570-8666守口市", {"text": "守口市", "postal_code": "570-8666"}),
        ("〒5708666 守口市", {"text": "守口市", "postal_code": "5708666"}),
        ("　〒　５７０－８６６６　守口市", {"text": "守口市", "postal_code": "570-8666"}),
        ("〒570ー8666 守口市", {"text": "守口市", "postal_code": "570-8666"}),
        ("570-8666 守口市", {"text": "570-8666 守口市"}),
        ("〒570-86667 守口市", {"text": "〒570-86667 守口市"}),
        ("守口市京阪本通２－５－５　〒", {"text": "守口市京阪本通２－５－５　〒"}),
        ("〒570-8666", None),
        ("　", None),
    ],
)
def test_address(text: str, read: dict[str, str] | None) -> None:
    assert address(text) == read


@given(st.text(min_size=1))
def test_an_address_without_a_mark_stays_as_received(text: str) -> None:
    if text.strip() and not text.lstrip().startswith("〒"):
        assert address(text) == {"text": text}


@pytest.mark.parametrize(
    ("text", "written"),
    [("ｶﾞｷﾞﾊﾟ ﾀﾛｳ", "ガギパ　タロウ"), ("もりぐち たろう", "モリグチ　タロウ"), ("髙﨑 ﾕﾐ", "髙﨑　ユミ"), ("ヴ", "ヴ")],
)
def test_kana(text: str, written: str) -> None:
    assert kana(text) == written


@given(st.text(alphabet="ｱｶﾞﾊﾟAz09 -/アガパ２Ｂ神守口"))
def test_widths_go_there_and_back(text: str) -> None:
    assert hankaku(zenkaku(text)) == hankaku(text)
    assert zenkaku(hankaku(text)) == zenkaku(text)


def test_names_keep_their_variants() -> None:
    assert zenkaku("神\U000e0100髙") == hankaku("神\U000e0100髙") == "神\U000e0100髙"


def test_digits_and_pad() -> None:
    assert digits("①２ 3-四") == "23"
    assert pad("123", 2) == "123"
    with pytest.raises(ValueError, match="one character"):
        pad("1", 3, "ab")


def test_bytes_names_what_it_cannot_write() -> None:
    assert count_bytes("守口①", "cp932") == 6
    with pytest.raises(ValueError, match="cannot be written in cp932"):
        count_bytes("守𠮷", "cp932")
    with pytest.raises(ValueError, match="no encoding"):
        count_bytes("守", "cp9999")
