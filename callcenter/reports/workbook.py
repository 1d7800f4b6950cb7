"""A report as an XLSX file. The only place that knows XlsxWriter."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import IO, Final

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from callcenter.reports.sheets import Kind, Sheet, Value

_SHOWN: Final[Mapping[Kind, str]] = {
    "count": "0", "share": "0.0%", "seconds": "0.0", "day": "yyyy-mm-dd", "moment": "yyyy-mm-dd hh:mm", "clock": "00",
    "text": "@", "weekday": "@",
}  # fmt: skip
_LARGEST_IN_MEMORY: Final = 2_000_000


def write_workbook(sheet: Sheet, titles: Sequence[str], weekdays: Sequence[str], name: str, note: str) -> IO[bytes]:
    """The file, at its beginning; the caller closes it. Takes long for a long sheet: call it in a thread.

    ``titles`` are those of the columns; whatever is text is written as text, so that no name becomes a formula or a
    link. Times are those of the provider's wall clock, for a spreadsheet knows no zones.
    """
    file: IO[bytes] = tempfile.SpooledTemporaryFile(_LARGEST_IN_MEMORY)  # noqa: SIM115 - it outlives this function
    book = xlsxwriter.Workbook(file, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": note, "comments": "callcenter"})
    page = book.add_worksheet(name[:31])
    head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    bold = {kind: book.add_format({"num_format": shown, "bold": True, "top": 1}) for kind, shown in _SHOWN.items()}
    plain = {kind: book.add_format({"num_format": shown}) for kind, shown in _SHOWN.items()}
    page.freeze_panes(1, len(sheet.titles))
    page.set_column(0, max(0, len(sheet.titles) - 1), 18)
    page.set_column(len(sheet.titles), len(sheet.columns), 12)
    for column, title in enumerate(titles):
        page.write_string(0, column, title, head)
    for line, row in enumerate(sheet.rows, start=1):
        _write(page, line, sheet, (*row.title, *row.values), plain, weekdays)
    if sheet.total is not None:
        _write(page, len(sheet.rows) + 1, sheet, (*sheet.total.title, *sheet.total.values), bold, weekdays)
    page.autofilter(0, 0, max(1, len(sheet.rows)), max(0, len(sheet.columns) - 1))
    book.close()
    file.seek(0)
    return file


def _write(
    page: Worksheet, line: int, sheet: Sheet, values: Sequence[Value], formats: Mapping[Kind, Format],
    weekdays: Sequence[str],
) -> None:  # fmt: skip
    for place, (column, value) in enumerate(zip(sheet.columns, values, strict=True)):
        shown = formats[column.kind]
        if value is None:
            page.write_blank(line, place, None, shown)
        elif column.kind == "weekday" and isinstance(value, int):
            page.write_string(line, place, weekdays[value], shown)
        elif isinstance(value, str):
            page.write_string(line, place, value, shown)
        elif isinstance(value, datetime):
            page.write_datetime(line, place, value.replace(tzinfo=None), shown)
        elif isinstance(value, int | float):
            page.write_number(line, place, value, shown)
        else:
            page.write_datetime(line, place, datetime.combine(value, time.min), shown)
