"""A system's own characters: to the city's when read, back when told, and what is named when that cannot be."""

from __future__ import annotations

import pytest

from hub.adapters.characters import Characters, changed
from hub.adapters.text import writing
from hub.errors import Malformed
from hub.settings.gaiji import Glyphs, character, glyphs, private_use
from hub.settings.models import Characters as Said
from hub.settings.models import City, System, TableRow


def tables(**named: dict[str, str]) -> dict[str, tuple[TableRow, ...]]:
    return {name: tuple(TableRow(code=c, value=v, place=name) for c, v in rows.items()) for name, rows in named.items()}


def made(encoding: str | None = "cp932", show: str | None = "〓", **named: dict[str, str]) -> Characters:
    said = Said(**{key: key for key in named})
    return Characters(glyphs(said, tables(**named)), encoding, show)


def codes() -> list[bytes]:
    """Return every two-byte code of cp932."""
    found = []
    for lead in (*range(0x81, 0xA0), *range(0xE0, 0xFD)):
        for trail in (*range(0x40, 0x7F), *range(0x80, 0xFD)):
            raw = bytes([lead, trail])
            try:
                raw.decode("cp932")
            except UnicodeDecodeError:
                continue
            found.append(raw)
    return found


def test_each_of_the_1880_codes_is_the_character_that_the_codec_makes_of_it():
    own = [raw for raw in codes() if 0xF0 <= raw[0] <= 0xF9]
    assert len(own) == 1880
    assert [private_use(raw.hex()) for raw in own] == [raw.decode("cp932") for raw in own]
    assert (private_use("F040"), private_use("f9fc"), private_use("U+E000")) == ("\ue000", "\ue757", "\ue000")


@pytest.mark.parametrize("code", ["", "E000", "F03F", "F07F", "FA40", "F0FD", "U+9AD9", "外"])
def test_what_is_no_code_of_the_systems_own_is_refused(code):
    with pytest.raises(ValueError, match="is n"):
        private_use(code)


@pytest.mark.parametrize(
    ("value", "meant"),
    [("髙", "髙"), ("U+9AD9", "髙"), ("U+845B U+E0100", "葛\U000e0100"), ("MJ006800", "𠮷"), ("u+20BB7", "𠮷")],
)
def test_a_character_is_written_in_each_of_these_ways(value, meant):
    assert character(value, {"MJ006800": "U+20BB7"}) == meant


@pytest.mark.parametrize("value", ["", " ", "U+E000", "U+110000", "MJ999999", "\t"])
def test_what_others_do_not_know_is_no_character_of_the_city(value):
    with pytest.raises(ValueError, match=r"is no|beyond|not in the table"):
        character(value, {})


def test_inward_and_outward_are_one_another_back():
    characters = made(gaiji={"F040": "𠮷", "F041": "U+845B U+E0100"})
    assert characters.inward("\ue000野\ue001") == "𠮷野葛\U000e0100"
    assert characters.outward("𠮷野葛\U000e0100") == ("\ue000野\ue001", [])


def test_a_code_that_no_table_names_is_refused_with_its_bytes():
    with pytest.raises(Malformed, match=r"U\+E002 \(F042\)") as caught:
        made(gaiji={"F040": "𠮷"}).inward("\ue000\ue002")
    assert caught.value.code == "gaiji"


def test_every_character_of_cp932_comes_back():
    characters = made()
    for raw in codes():
        sign = raw.decode("cp932")
        if not "\ue000" <= sign <= "\uf8ff":
            assert characters.outward(sign) == (sign, [])


def test_one_place_in_jis_is_written_whichever_of_its_two_characters_came():
    assert made().outward("〜−‖¢£¬—¥‾") == ("～－∥￠￡￢―￥￣", [])
    assert made("euc_jp").outward("～－") == ("〜−", [])


def test_what_a_system_lacks_is_shown_and_named_never_a_question_mark():
    assert made().outward("𠮷野家") == ("〓野家", ["𠮷"])
    assert made().outward("葛\U000e0100城") == ("葛城", ["葛\U000e0100"])  # the character is there, its form is not
    assert made(show=None).outward("𠮷野家") == ("𠮷野家", ["𠮷"])


def test_a_private_use_character_is_nobodys_even_where_an_encoding_has_it():
    assert made().outward("\ue000") == ("〓", ["\ue000"])


def test_a_table_of_shrinking_says_what_stands_for_a_character():
    characters = made(shrink={"𠮷": "吉", "U+845B U+E0100": "葛", "𡈽": "𠮷"})
    assert characters.outward("𠮷野葛\U000e0100𡈽") == ("吉野葛吉", [])


def test_where_the_system_writes_unicode_its_own_code_goes_first():
    assert made("utf-8", gaiji={"U+E000": "髙"}).outward("髙橋") == ("\ue000橋", [])
    assert made("cp932", gaiji={"U+E000": "髙"}).outward("髙橋") == ("髙橋", [])


def test_of_two_codes_for_one_character_the_first_is_written():
    characters = made(gaiji={"F040": "𠮷", "F041": "𠮷"})
    assert characters.inward("\ue001") == "𠮷"
    assert characters.outward("𠮷") == ("\ue000", [])


def test_wrong_lines_are_listed_and_the_others_hold():
    found = glyphs(Said(gaiji="gaiji"), tables(gaiji={"E000": "𠮷", "F041": "U+E000", "F042": "𡈽"}))
    assert found.inward == {"\ue002": "𡈽"}
    assert [row.code for row, _, _ in found.wrong] == ["E000", "F041"]
    assert Glyphs() == glyphs(Said(gaiji="absent"), {})


def test_names_are_never_normalised():
    name = "\ufa19谷 ﾀﾛｳ　Ⅲ"
    assert made(None).inward(name) == name
    assert made("cp932").outward(name) == (name, [])


def test_texts_are_changed_wherever_they_stand():
    value = {"a": ["x", {"b": "y"}], "n": 1, "none": None}
    assert changed(value, str.upper) == {"a": ["X", {"b": "Y"}], "n": 1, "none": None}


def test_a_feed_is_written_in_the_systems_own_characters_and_of_no_other():
    own = System(system="poor", text=Said(encoding="cp932", gaiji="gaiji"))
    city = City(city="m", systems={"poor": own, "rich": System(system="rich")}, tables=tables(gaiji={"F040": "𠮷"}))
    written = writing(city)
    assert written("poor", {"name": "𠮷野", "at": [{"text": "髙"}]}) == {"name": "\ue000野", "at": [{"text": "髙"}]}
    assert written("rich", {"name": "𠮷野"}) == {"name": "𠮷野"}
