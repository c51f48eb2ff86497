"""Print: what a reader of the file finds on its pages."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from pypdf import PdfReader

from hub.adapters import print_fonts, registry
from hub.adapters.conformance import batch, deliveries
from hub.adapters.contract import Site
from hub.errors import ConfigurationError
from hub.settings.models import Characters
from tests.conformance.helpers import site, with_data
from tests.unit.adapters.expressions import REAL

COLUMNS = {"氏名": "data.name", "新しい住所": "data.new_address"}


def printed(
    folder: Path, content: list[Any], *, where: Site | None = None, **options: Any
) -> tuple[PdfReader, list[Any]]:
    async def send() -> list[Any]:
        sink = registry.open_sink("print", {"path": "out/", **options}, where or site(folder), REAL)
        made = batch(content)
        outcomes = await sink.commit(made, await sink.prepare(made))
        await sink.close()
        return list(outcomes)

    outcomes = asyncio.run(send())
    files = sorted((folder / "out").glob("*.pdf"))
    return PdfReader(io.BytesIO(files[-1].read_bytes())) if files else None, outcomes


def people(*names: str) -> list[Any]:
    address = {"text": "大阪府守口市京阪本通二丁目5番5号", "postal_code": "570-8666"}
    found = zip(deliveries(len(names)), names, strict=True)
    return [with_data(one, {"name": name, "new_address": address}) for one, name in found]


def test_a_page_for_each_delivery(tmp_path: Path) -> None:
    reader, outcomes = printed(
        tmp_path, people("守口 太郎", "髙橋 花子", "𠮷野 五郎"), columns=COLUMNS, title="転居 {event.id}"
    )
    assert [outcome.error for outcome in outcomes] == [None] * 3
    texts = [page.extract_text() for page in reader.pages]
    assert len(texts) == 3
    for number, (text, name) in enumerate(zip(texts, ["守口 太郎", "髙橋 花子", "〓(U+20BB7)野 五郎"], strict=True)):
        assert f"転居 e{number:04d}" in text
        assert name in text
        assert "〒570-8666 大阪府守口市京阪本通二丁目5番5号" in text
        assert f"kokuho.main  1\n{number + 1}" in text or str(number + 1) in text.split()


def test_the_full_width_space_between_the_parts_of_a_name_lacks_in_no_font(tmp_path: Path) -> None:
    reader, (outcome,) = printed(tmp_path, people("守口\u3000太郎"), columns=COLUMNS)
    text = reader.pages[0].extract_text()
    assert (outcome.error, outcome.detail) == (None, "")
    assert "守口\u3000太郎" in text
    assert "〓" not in text


def test_a_list_has_a_row_for_each_delivery_and_its_header_on_every_page(tmp_path: Path) -> None:
    names = [f"守口{number}郎" for number in range(150)]
    reader, _ = printed(tmp_path, people(*names), layout="list", columns=COLUMNS)
    texts = [page.extract_text() for page in reader.pages]
    assert len(texts) > 3
    assert all("新しい住所" in text for text in texts)
    whole = "".join(texts)
    assert [whole.count(name) for name in names] == [1] * 150


def test_the_font_is_embedded_and_only_what_is_used(tmp_path: Path) -> None:
    reader, _ = printed(tmp_path, people("守口 太郎"), columns=COLUMNS)
    fonts = [each.get_object() for each in reader.pages[0]["/Resources"]["/Font"].values()]
    embedded = [each for each in fonts if "/FontDescriptor" in each]
    assert embedded
    assert all("/FontFile2" in each["/FontDescriptor"].get_object() for each in embedded)
    (file,) = (tmp_path / "out").glob("*.pdf")
    assert file.stat().st_size < 100_000


def test_what_the_font_lacks_is_shown_and_said(tmp_path: Path) -> None:
    sound, strange, variant = people("守口 太郎", "守\ue000 太郎", "葛\U000e0100城")
    reader, outcomes = printed(tmp_path, [sound, strange, variant], columns=COLUMNS)
    assert "守〓(U+E000) 太郎" in reader.pages[1].extract_text()
    assert "葛城" in reader.pages[2].extract_text()
    assert [outcome.detail for outcome in outcomes] == ["", "not in the font: U+E000", "not in the font: U+E0100"]


def test_a_font_of_the_citys_own_characters_shows_them(tmp_path: Path) -> None:
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 500), (500, 500), (500, 0)):
        pen.lineTo(point)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "own"])
    builder.setupCharacterMap({0xE000: "own"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "own": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "own": (1000, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Gaiji", "styleName": "Regular", "psName": "Gaiji"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "gaiji.ttf")
    reader, outcomes = printed(tmp_path, people("守\ue000 太郎"), columns=COLUMNS, gaiji_font="gaiji.ttf")
    assert outcomes[0].detail == ""
    assert "守\ue000 太郎" in reader.pages[0].extract_text()


def test_markup_in_a_value_is_text(tmp_path: Path) -> None:
    reader, _ = printed(tmp_path, people("<b>太郎</b> & <font>\x01"), columns=COLUMNS)
    assert "<b>太郎</b> & <font>〓(U+0001)" in reader.pages[0].extract_text()


def test_a_value_longer_than_a_page_is_whole(tmp_path: Path) -> None:
    reader, outcomes = printed(tmp_path, people("森" * 3000 + "終"), columns=COLUMNS)
    text = "".join(page.extract_text() for page in reader.pages)
    assert (outcomes[0].error, text.count("森"), text.count("終")) == (None, 3000, 1)


def test_what_cannot_be_computed_is_refused_alone(tmp_path: Path) -> None:
    content = people("太郎", "花子")
    content[1] = with_data(content[1], {"name": 5})
    reader, outcomes = printed(tmp_path, content, columns={"氏名": 'data.name + ""'})
    assert [outcome.error is None for outcome in outcomes] == [True, False]
    assert len(reader.pages) == 1


def test_without_a_font_the_mend_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"fonts/none\.ttf"):
        printed(tmp_path, people("太郎"), font="fonts/none.ttf")
    monkeypatch.setattr(print_fonts, "PACKAGES", ("no-such-package",))
    monkeypatch.setattr(print_fonts, "PLACES", ())
    with pytest.raises(ConfigurationError, match="fonts-ipaexfont"):
        printed(tmp_path, people("太郎"))
    (tmp_path / "x.ttf").write_bytes(b"no font")
    with pytest.raises(ConfigurationError, match="TrueType"):
        printed(tmp_path, people("太郎"), font="x.ttf")


def test_without_columns_a_part_of_a_field_has_a_row_of_its_own(tmp_path: Path) -> None:
    where = replace(site(tmp_path), fields=("name", "new_address.town"))
    one = with_data(deliveries(1)[0], {"name": "守口 太郎", "new_address": {"town": "京阪本通"}, "kana": "モリグチ"})
    reader, _ = printed(tmp_path, [one], where=where)
    text = "".join(reader.pages[0].extract_text().split())
    assert "name守口太郎new_address.town京阪本通kanaモリグチ" in text


def test_a_system_with_characters_of_its_own_may_print(tmp_path: Path) -> None:
    where = replace(site(tmp_path), text=Characters(encoding="cp932"))
    reader, (outcome,) = printed(tmp_path, people("守口 太郎"), where=where, columns=COLUMNS)
    assert outcome.error is None
    assert "守口 太郎" in reader.pages[0].extract_text()
