"""What a report on paper is set from: paragraphs, tables, figures."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.figure import Figure
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Image, Paragraph, Table, TableStyle

from btc_ai.pages.plots import to_png
from btc_ai.reports.contents import Verdict

WIDTH: Final = A4[0] - 32 * mm
TONES: Final = {"good": "#1c7a4a", "bad": "#b23a36", "plain": "#b8b4ac"}
INK, SOFT, LINE = HexColor("#24272b"), HexColor("#62676e"), HexColor("#dcd9d3")
FONTS: Final = {"Report": "DejaVuSans.ttf", "Report-Bold": "DejaVuSans-Bold.ttf"}
"""Those of matplotlib: PDF's own lack signs that reports have."""

_BASE = ParagraphStyle("text", fontName="Report", fontSize=8.5, leading=12, textColor=INK)
_STYLES = {
    "title": ParagraphStyle("title", _BASE, fontName="Report-Bold", fontSize=18, leading=24),
    "head": ParagraphStyle(
        "head", _BASE, fontName="Report-Bold", fontSize=12, leading=16, spaceBefore=14,
        spaceAfter=4, keepWithNext=1,
    ),
    "sub": ParagraphStyle(
        "sub", _BASE, fontName="Report-Bold", fontSize=9, spaceBefore=6, keepWithNext=1
    ),
    "text": _BASE,
    "soft": ParagraphStyle("soft", _BASE, textColor=SOFT, keepWithNext=1),
    "cell": ParagraphStyle("cell", _BASE, fontSize=7, leading=9),
}  # fmt: skip


def register_fonts() -> None:
    """Have the fonts of the styles at hand."""
    for name, file in FONTS.items():
        path = Path(matplotlib.get_data_path(), "fonts", "ttf", file)
        pdfmetrics.registerFont(TTFont(name, str(path)))


def text(words: str, kind: str = "text") -> Paragraph:
    """A paragraph; kinds are those of the styles."""
    return Paragraph(escape(words).replace("\n", "<br/>"), _STYLES[kind])


def said(verdict: Verdict) -> Table:
    """A sentence with a rule beside it, in the colour of its tone."""
    made = Table([[text(verdict.text)]], colWidths=[WIDTH])
    rule = ("LINEBEFORE", (0, 0), (0, -1), 2, HexColor(TONES[verdict.tone]))
    made.setStyle(TableStyle([rule, ("TOPPADDING", (0, 0), (-1, -1), 1)]))
    return made


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[float]) -> Table:
    """A table whose head is repeated on each page. widths: points."""
    cells = [[text(cell, "cell") for cell in row] for row in (columns, *rows)]
    made = Table(cells, colWidths=list(widths), repeatRows=1, hAlign="LEFT")
    made.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, SOFT),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 2),
                ("RIGHTPADDING", (0, 0), (-1, -1), 4),
                ("TOPPADDING", (0, 0), (-1, -1), 2),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ]
        )
    )
    return made


def image(figure: Figure, share: float) -> Image:
    """A figure in a share of the width of the page."""
    width, height = figure.get_size_inches()
    image = Image(io.BytesIO(to_png(figure)), share * WIDTH, share * WIDTH * height / width)
    image.hAlign = "LEFT"
    return image


def grid(figures: Sequence[tuple[str, Figure]]) -> Table:
    """Two figures a row, each under its title."""
    cells: list[Any] = [[text(title, "sub"), image(figure, 0.47)] for title, figure in figures]
    rows = [cells[at : at + 2] for at in range(0, len(cells), 2)]
    rows[-1] += [""] * (2 - len(rows[-1]))
    made = Table(rows, colWidths=[WIDTH / 2] * 2, hAlign="LEFT")
    made.setStyle(
        TableStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    )
    return made
