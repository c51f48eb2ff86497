"""Lays out what is printed: pages of labels and values, or one table. Needs reportlab."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from reportlab.lib import colors, pagesizes
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import LongTable, PageBreak, Paragraph, SimpleDocTemplate, Spacer, Table

MARGIN = 18 * mm
SIZES = {
    "A4": pagesizes.A4,
    "A4-landscape": pagesizes.landscape(pagesizes.A4),
    "A3-landscape": pagesizes.landscape(pagesizes.A3),
}
LINES = [
    ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
]
Entry = tuple[str, list[tuple[str, str]]]  # title; labels and values, all as markup


@dataclass(frozen=True, slots=True)
class Paper:
    """The sheet: its format, the letters' size in points, the font's name, and what stands at its foot."""

    format: str
    size: float
    font: str
    foot: str

    def style(self, factor: float = 1.0) -> ParagraphStyle:
        """Return how text is set: Japanese lines break between any characters."""
        size = self.size * factor
        return ParagraphStyle("hub", fontName=self.font, fontSize=size, leading=size * 1.4, wordWrap="CJK")


def pages(stream: BinaryIO, paper: Paper, entries: Sequence[Entry], *, as_list: bool) -> None:
    """Write a PDF: the same entries always give the same bytes."""
    size = SIZES[paper.format]
    margins = dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), MARGIN)
    document = SimpleDocTemplate(stream, pagesize=size, invariant=1, title=paper.foot, **margins)
    width = size[0] - 2 * MARGIN
    story = list(_listed(paper, entries, width) if as_list else _paged(paper, entries, width))
    foot = partial(_foot, paper)
    document.build(story or [Spacer(1, 1)], onFirstPage=foot, onLaterPages=foot)


def _paged(paper: Paper, entries: Sequence[Entry], width: float) -> Iterator[Any]:
    for index, (title, rows) in enumerate(entries):
        if index:
            yield PageBreak()
        yield Paragraph(title, paper.style(1.6))
        yield Spacer(1, 6 * mm)
        cells = [[Paragraph(text, paper.style()) for text in row] for row in rows]
        yield Table(cells, colWidths=[width * 0.28, width * 0.72], style=LINES, splitInRow=1)


def _listed(paper: Paper, entries: Sequence[Entry], width: float) -> Iterator[Any]:
    names = list(dict.fromkeys(name for _, rows in entries for name, _ in rows))
    if not names:
        return
    yield Paragraph(entries[0][0], paper.style(1.6))
    yield Spacer(1, 4 * mm)
    lines = [names, *([dict(rows).get(name, "") for name in names] for _, rows in entries)]
    cells = [[Paragraph(text, paper.style()) for text in line] for line in lines]
    head = ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke)
    share = [width / len(names)] * len(names)
    yield LongTable(cells, colWidths=share, repeatRows=1, style=[*LINES, head], splitInRow=1)


def _foot(paper: Paper, canvas: Any, document: Any) -> None:
    canvas.setFont(paper.font, 8)
    canvas.drawString(MARGIN, 10 * mm, paper.foot)
    canvas.drawRightString(document.pagesize[0] - MARGIN, 10 * mm, str(document.page))
