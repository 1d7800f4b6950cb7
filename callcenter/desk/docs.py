"""The API's document as a file for programs and as a page for people, both from the same table of routes."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs, web

from callcenter.desk.api import PREFIX
from callcenter.desk.pages import PAGES

DOCUMENT = web.AppKey("document", dict[str, Any])


async def openapi(request: web.Request) -> web.StreamResponse:
    return web.json_response(request.app[DOCUMENT], headers={hdrs.CACHE_CONTROL: "no-cache"})


async def page(request: web.Request) -> web.StreamResponse:
    """Every operation with what it takes and gives, by subject."""
    document = request.app[DOCUMENT]
    tags: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            tags.setdefault(operation["tags"][0], []).append((path, verb, operation))
    return request.app[PAGES].page(request, "api_docs.html", doc=document, tags=dict(sorted(tags.items())))


ROUTES = (web.get(f"{PREFIX}/openapi.json", openapi), web.get("/api/docs", page))
