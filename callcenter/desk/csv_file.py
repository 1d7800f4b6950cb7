"""A table for a spreadsheet, as an answer of the web."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from aiohttp import web


def csv_file(name: str, rows: Iterable[Iterable[object]]) -> web.Response:
    """CSV (RFC 4180) with the mark by which spreadsheets know UTF-8; what a formula is the caller keeps out."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return web.Response(
        body=out.getvalue().encode("utf-8-sig"),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
