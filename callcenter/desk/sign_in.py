"""The door: the sign-in page, signing out, and which language the interface speaks."""

from __future__ import annotations

import contextlib
import math
import re

from aiohttp import hdrs, web

from callcenter.desk.guard import Explained, address_of, cookie_name
from callcenter.desk.pages import PAGES, PORTS, SESSIONS, VISITOR, catalogue_of, visitor_of
from callcenter.errors import CallCenterError
from callcenter.words import LANGUAGES

_LOCAL = re.compile(r"/(?![/\\])[A-Za-z0-9/_.~-]{0,200}", re.ASCII)


def safe_next(wanted: str) -> str:
    """After sign-in one lands where one wanted to go, and never on somebody else's site."""
    return wanted if _LOCAL.fullmatch(wanted) and not wanted.startswith("/sign-") else "/"


async def form(request: web.Request) -> web.StreamResponse:
    if request.get(VISITOR) is not None:
        raise web.HTTPSeeOther("/")
    return request.app[PAGES].page(
        request, "sign_in.html", wrong=False, wait_s=0, login="", ended="ended" in request.query,
        next=safe_next(request.query.get("next", "/")),
    )  # fmt: skip


async def sign_in(request: web.Request) -> web.StreamResponse:
    fields = await request.post()
    login, password, wanted = (_text(fields.get(name)) for name in ("login", "password", "next"))
    sessions, address = request.app[SESSIONS], address_of(request)
    wait = sessions.addresses.locked_for(address)
    if wait:
        seconds = math.ceil(wait.total_seconds())
        page = request.app[PAGES].page(
            request, "sign_in.html", status=429, wrong=False, ended=False, wait_s=seconds, login=login,
            next=safe_next(wanted),
        )  # fmt: skip
        page.headers[hdrs.RETRY_AFTER] = str(seconds)
        return page
    opened = await sessions.sign_in(login.strip().lower(), password, address)
    if opened is None:
        return request.app[PAGES].page(
            request, "sign_in.html", status=401, wrong=True, ended=False, wait_s=0, login=login, next=safe_next(wanted)
        )
    if (before := request.get(VISITOR)) is not None:
        await sessions.end(before.session)
    settings = request.app[PORTS].web
    arrived = web.HTTPSeeOther(safe_next(wanted))
    arrived.set_cookie(
        cookie_name(request),
        opened.key,
        max_age=settings.session_hours * 3600,
        httponly=True,
        secure=settings.public_url.startswith("https:"),
        samesite="Lax",
    )
    raise arrived


async def sign_out(request: web.Request) -> web.StreamResponse:
    visitor = visitor_of(request)
    await request.app[SESSIONS].end(visitor.session)
    with contextlib.suppress(CallCenterError):  # it is withdrawn within seconds all the same
        await request.app[PORTS].phones.session_ended(visitor.session)
    left = web.HTTPSeeOther("/sign-in")
    left.del_cookie(
        cookie_name(request),
        httponly=True,
        secure=request.app[PORTS].web.public_url.startswith("https:"),
        samesite="Lax",
    )
    raise left


async def choose_language(request: web.Request) -> web.StreamResponse:
    """A user's choice is kept with the account, a stranger's in the browser."""
    fields = await request.post()
    wanted = next((language for language in LANGUAGES if language == fields.get("language")), None)
    if wanted is None:
        raise Explained(400, catalogue_of(request).text("error.language"))
    visitor = request.get(VISITOR)
    if visitor is not None and visitor.user is not None:
        await request.app[SESSIONS].speak(visitor.user, wanted)
    back = web.HTTPSeeOther(safe_back(_text(fields.get("next"))))
    back.set_cookie(
        "language", wanted, max_age=365 * 24 * 3600, samesite="Lax", httponly=True,
        secure=request.app[PORTS].web.public_url.startswith("https:"),
    )  # fmt: skip
    raise back


def safe_back(wanted: str) -> str:
    return wanted if _LOCAL.fullmatch(wanted) else "/"


def _text(field: object) -> str:
    """A form's field as text PostgreSQL can look for; whatever else was sent is nothing."""
    if not isinstance(field, str) or "\0" in field:
        return ""
    return field[:300].encode("utf-8", "replace").decode()


async def home(request: web.Request) -> web.StreamResponse:
    """An agent starts at their screen, a supervisor at what is owed."""
    visitor = visitor_of(request)
    raise web.HTTPSeeOther("/agent" if visitor.role == "agent" else "/callbacks")


ROUTES = (
    web.get("/", home),
    web.get("/sign-in", form),
    web.post("/sign-in", sign_in),
    web.post("/sign-out", sign_out),
    web.post("/language", choose_language),
)
