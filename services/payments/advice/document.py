"""A paper rendered as PDF. Pure: no database, no framework.

Khmer needs text shaping (marks stand before and below their consonants), so a plain font and a plain PDF writer print
it wrong: fpdf2 shapes through HarfBuzz, with a font that holds both scripts (Noto Sans Khmer, from its PyPI package).
"""

from __future__ import annotations

import atexit
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Final

import fontpkg
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont
from fpdf import FPDF
from fpdf.enums import Align, WrapMode, XPos, YPos

from services.payments.advice.paper import FontMissing, Grid, Paper, Row
from services.payments.advice.words import Words

FAMILY: Final = "Noto Sans Khmer"
WEIGHTS: Final = (400, 700)
MARGIN_MM: Final = 18
LINE_MM: Final = 6.4
LABEL_SHARE: Final = 0.42


@lru_cache(maxsize=1)
def font_files() -> tuple[Path, Path]:
    """Regular and bold. Cut once a process from the package's variable font: half a second each.

    Raises:
        FontMissing: its package is not installed.
    """
    try:
        variable = fontpkg.path(FAMILY)
    except fontpkg.FontpkgError as error:
        raise FontMissing(FontMissing.__doc__) from error
    folder = tempfile.TemporaryDirectory(prefix="samaki-font-")
    atexit.register(folder.cleanup)
    regular, bold = (Path(folder.name) / f"{weight}.ttf" for weight in WEIGHTS)
    for weight, file in zip(WEIGHTS, (regular, bold), strict=True):
        instantiateVariableFont(TTFont(variable), {"wght": weight, "wdth": 100}).save(file)
    return regular, bold


def render(paper: Paper) -> bytes:
    """The paper as PDF (A4). Takes tens of milliseconds of CPU: call it in a thread.

    Raises:
        FontMissing: no font to print Khmer with.
    """
    pdf = FPDF(format="A4")
    pdf.set_margin(MARGIN_MM)
    pdf.set_auto_page_break(True, MARGIN_MM)
    regular, bold = font_files()
    pdf.add_font("paper", "", regular)
    pdf.add_font("paper", "B", bold)
    pdf.set_text_shaping(True)
    pdf.set_lang("km")
    pdf.set_title(paper.title.en)
    pdf.add_page()
    _heading(pdf, paper.title)
    _rows(pdf, paper.rows)
    if paper.grid is not None:
        _grid(pdf, paper.grid)
    for note in paper.notes:
        pdf.ln(2)
        _paragraph(pdf, note.km, 9)
        _paragraph(pdf, note.en, 9)
    return bytes(pdf.output())


def _heading(pdf: FPDF, title: Words) -> None:
    pdf.set_font("paper", "B", 17)
    pdf.multi_cell(0, 10, title.km, align=Align.C, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.set_font("paper", "", 12)
    pdf.multi_cell(0, 8, title.en, align=Align.C, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    pdf.ln(4)


def _rows(pdf: FPDF, rows: tuple[Row, ...]) -> None:
    pdf.set_font("paper", "", 10)
    share = LABEL_SHARE * 100
    with pdf.table(
        col_widths=(share, 100 - share), borders_layout="NONE", line_height=LINE_MM, first_row_as_headings=False
    ) as table:
        for row in rows:
            cells = table.row()
            cells.cell(row.label.both)
            cells.cell(row.value)
    pdf.ln(4)


def _grid(pdf: FPDF, grid: Grid) -> None:
    pdf.set_font("paper", "", 9)
    aligned = tuple("RIGHT" if index in grid.right else "LEFT" for index in range(len(grid.columns)))
    with pdf.table(
        col_widths=grid.widths,
        text_align=aligned,
        line_height=LINE_MM,
        repeat_headings=1,
        wrapmode=WrapMode.WORD,
    ) as table:
        heading = table.row()
        for column in grid.columns:
            heading.cell(f"{column.km}\n{column.en}")
        for index, values in enumerate(grid.rows):
            last = grid.total and index == len(grid.rows) - 1
            pdf.set_font(style="B" if last else "")
            cells = table.row()
            for value in values:
                cells.cell(value)
    pdf.set_font(style="")
    pdf.ln(3)


def _paragraph(pdf: FPDF, text: str, size: int) -> None:
    pdf.set_font("paper", "", size)
    pdf.multi_cell(0, 5.2, text, align=Align.L, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
