"""The web server: which paths there are and what every request passes on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import hdrs, web

from callcenter.desk import (
    alarms,
    audits,
    callback_orders,
    callbacks,
    calls,
    circuits,
    diagnoses,
    docs,
    guard,
    health,
    lines,
    live_state,
    messages,
    notes,
    page_phone,
    people,
    phone,
    quality,
    recordings,
    reports,
    shift_pages,
    shifts,
    sign_in,
    subscribers,
    supervise,
    wallboard,
)
from callcenter.desk.api import AnyRoute, mounted
from callcenter.desk.languages import load_catalogues
from callcenter.desk.openapi import document
from callcenter.desk.pages import (
    PAGES,
    PORTS,
    SESSIONS,
    STATIC,
    VISITOR,
    Pages,
    brands_css,
    brands_version,
    visible_providers,
)
from callcenter.desk.ports import DeskPorts
from callcenter.desk.sessions import Sessions

API: tuple[AnyRoute, ...] = (
    *live_state.API,
    *supervise.API,
    *wallboard.API,
    *messages.API,
    *calls.API,
    *notes.API,
    *people.API,
    *phone.API,
    *page_phone.API,
    *quality.API,
    *callbacks.API,
    *callback_orders.API,
    *shifts.API,
    *audits.API,
    *reports.API,
    *recordings.API,
    *subscribers.API,
    *diagnoses.API,
    *lines.API,
    *circuits.API,
    *alarms.API,
)
PAGE_ROUTES = (
    *sign_in.ROUTES,
    *calls.ROUTES,
    *people.ROUTES,
    *callbacks.ROUTES,
    *callback_orders.ROUTES,
    *shift_pages.ROUTES,
    *audits.ROUTES,
    *reports.ROUTES,
    *recordings.ROUTES,
    *supervise.ROUTES,
    *lines.ROUTES,
    *circuits.ROUTES,
    *quality.ROUTES,
    *alarms.ROUTES,
    *docs.ROUTES,
    *health.ROUTES,
)

LARGEST_BODY = 64 * 1024
"""No form or JSON of ours is longer."""


def make_app(ports: DeskPorts, routes: Iterable[web.AbstractRouteDef] = ()) -> web.Application:
    """The whole web; ``routes`` are the agent's live page, which ``app.py`` builds with its screens."""
    app = web.Application(
        client_max_size=LARGEST_BODY,
        middlewares=(health.counted, guard.errors, guard.known_visitor, guard.no_forgery, alarms.told, callbacks.told),
    )
    app[PORTS] = ports
    app[SESSIONS] = Sessions(ports.db, ports.clock, ports.web.session_hours)
    app[PAGES] = Pages(load_catalogues())
    app[health.METRICS] = health.Metrics(ports)
    app[docs.DOCUMENT] = document(API, ports.web.public_url)
    app.on_response_prepare.append(guard.add_headers)
    app.on_response_prepare.append(_keep_static)
    app.router.add_static("/static/", STATIC, follow_symlinks=False)
    app.router.add_get("/brands.css", brands)
    app.add_routes(PAGE_ROUTES)
    app.add_routes(mounted(route) for route in API)
    app.add_routes(routes)
    return app


async def _keep_static(request: web.Request, response: web.StreamResponse) -> None:
    """A file asked for by its hash never changes; any other may."""
    if request.path.startswith("/static/") and response.status in {200, 206, 304}:
        lasting = "v" in request.query
        response.headers[hdrs.CACHE_CONTROL] = "public, max-age=31536000, immutable" if lasting else "no-cache"


async def brands(request: web.Request) -> web.StreamResponse:
    """The colours of the providers this visitor may see."""
    providers = visible_providers(request.app[PORTS].book(), request.get(VISITOR))
    response = web.Response(text=brands_css(providers), content_type="text/css")
    response.headers[hdrs.CACHE_CONTROL] = "private, max-age=86400"
    response.etag = brands_version(providers)
    return response


@asynccontextmanager
async def served(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Listens while the block runs and gives the port, the system's choice for 0; raises ``OSError`` if taken."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, reuse_address=True).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
