"""What every request passes: errors in our words, who asks, no forged orders, headers that keep a page to itself.

A path that is not in ``PUBLIC`` is closed to strangers, so a new page is closed until somebody opens it on purpose.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from aiohttp import hdrs, web
from multidict import CIMultiDict

from callcenter.desk.pages import PAGES, PORTS, SESSIONS, VISITOR, catalogue_of
from callcenter.desk.sessions import Visitor
from callcenter.errors import CallCenterError, Refused, RuleBroken, Unavailable

log = logging.getLogger("callcenter.desk")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PUBLIC = frozenset(
    {
        "/sign-in",
        "/language",
        "/healthz",
        "/metrics",
        "/brands.css",
        "/api/docs",
        "/api/v1/openapi.json",
        "/favicon.ico",
    }
)
SAFE = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Not no-referrer: with it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer carries them, streamed ones too."""
    if phone := request.app[PORTS].phone.address:
        policy = f"{HEADERS['Content-Security-Policy']}; connect-src 'self' {_socket_origin(phone)}"
        response.headers.setdefault("Content-Security-Policy", policy)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.app[PORTS].web.public_url.startswith("https:"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers[hdrs.SERVER] = "callcenter"


def _socket_origin(address: str) -> str:
    """Scheme, host and port of where pages' phones connect to: the one other place a page may speak with."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def session_cookie(public_url: str) -> str:
    """Under https the name itself makes browsers refuse a cookie that another host or a plain page has set."""
    return "__Host-callcenter" if public_url.startswith("https:") else "callcenter"


def cookie_name(request: web.Request) -> str:
    return session_cookie(request.app[PORTS].web.public_url)


def address_of(request: web.Request) -> str:
    """Who knocks: the last address our own reverse proxy added, when there is one."""
    if request.app[PORTS].web.trust_forwarded:
        last = request.headers.getall(hdrs.X_FORWARDED_FOR, [""])[-1].rpartition(",")[2].strip()
        try:
            return str(ipaddress.ip_address(last))
        except ValueError:
            return "unknown"
    return request.remote or "unknown"


def is_local(request: web.Request) -> bool:
    """Asked from this machine itself, and not for somebody else by a proxy on it."""
    if any(name in request.headers for name in (hdrs.X_FORWARDED_FOR, hdrs.FORWARDED, "X-Real-IP")):
        return False
    try:
        return ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False


def is_api(request: web.Request) -> bool:
    return request.path.startswith("/api/v1")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Whatever goes wrong is said in the reader's language or as a problem document, without our insides."""
    started = time.perf_counter()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as exc:
        status = exc.status
        if status < 400:
            raise
        return _answer(request, status, exc.headers, (exc.text or "") if isinstance(exc, Explained) else "")
    except RuleBroken as exc:
        status = 409
        return _answer(request, status, detail=said(request, exc))
    except Unavailable as exc:
        status = 503
        log.warning("%s: %s", exc.system, exc.why)
        return _answer(request, status, {hdrs.RETRY_AFTER: "5"}, exc.system)
    except Refused as exc:
        status = 502
        log.warning("%s: %s", exc.system, exc.why)
        return _answer(request, status, detail=exc.system)
    except ConnectionError:
        raise  # the browser has gone: nobody to tell
    except Exception:
        log.exception("%s %s failed", request.method, pattern_of(request))
        return _answer(request, status)
    finally:
        _note(request, status, time.perf_counter() - started)


class Explained(web.HTTPException):
    """An answer whose text is meant for the reader."""

    status_code = 400

    def __init__(self, status: int, text: str, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        super().__init__(text=text, headers=headers)


def said(request: web.Request, broken: RuleBroken) -> str:
    """Why not, in the words of who reads it; a program is told in English."""
    visitor: Visitor | None = request.get(VISITOR)
    words = catalogue_of(request)
    if not broken.key or not words.knows(broken.key) or (visitor is not None and visitor.token is not None):
        return str(broken)
    return words.text(broken.key, **broken.values)


def why(request: web.Request, exc: CallCenterError) -> str:
    """Why something was not done, for the page where it was asked."""
    return said(request, exc) if isinstance(exc, RuleBroken) else str(exc)


def _answer(
    request: web.Request, status: int, headers: CIMultiDict[str] | dict[str, str] | None = None, detail: str = ""
) -> web.Response:
    kept = {k: v for k, v in (headers or {}).items() if k in {hdrs.RETRY_AFTER, hdrs.ALLOW, hdrs.WWW_AUTHENTICATE}}
    if is_api(request):
        return problem(status, detail, kept)
    words = catalogue_of(request)
    key = f"error.{status}" if words.knows(f"error.{status}") else "error.other"
    page = request.app[PAGES].page(
        request, "error.html", status=status, said=words.text(key), detail=detail, error_status=status
    )
    page.headers.update(kept)
    return page


def problem(
    status: int, detail: str = "", headers: dict[str, str] | None = None, mistakes: list[dict[str, str]] | None = None
) -> web.Response:
    """RFC 9457 problem details."""
    body: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    if detail:
        body["detail"] = detail
    if mistakes:
        body["errors"] = mistakes
    return web.json_response(
        body,
        status=status,
        content_type="application/problem+json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def pattern_of(request: web.Request) -> str:
    """The path as it is written in the route: ids and numbers of callers stay out of the log."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(no such path)"


def _note(request: web.Request, status: int, seconds: float) -> None:
    visitor = request.get(VISITOR)
    log.info(
        "%s %s %d %.1f ms %s %s",
        request.method, pattern_of(request), status, seconds * 1000,
        visitor.who if visitor else "-", address_of(request),
    )  # fmt: skip


@web.middleware
async def known_visitor(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A page is for who is signed in, the API also for who holds a token; a stranger is asked to sign in."""
    ports, sessions = request.app[PORTS], request.app[SESSIONS]
    if request.headers.get(hdrs.CONTENT_ENCODING):
        raise web.HTTPUnsupportedMediaType
    if request.path.startswith("/static/"):
        return await handler(request)
    visitor: Visitor | None = None
    bearer = request.headers.get(hdrs.AUTHORIZATION, "")
    if bearer.startswith("Bearer "):
        visitor = await sessions.find_token(bearer.removeprefix("Bearer ").strip(), ports.book())
        if visitor is None:
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'})
    elif key := request.cookies.get(cookie_name(request)):
        visitor = await sessions.find(key, ports.book())
    if visitor is not None:
        request[VISITOR] = visitor
    elif request.path not in PUBLIC:
        if is_api(request) or request.method not in SAFE or _is_socket(request):
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        raise web.HTTPSeeOther(f"/sign-in?next={quote(request.path, safe='/')}")
    return await handler(request)


def _is_socket(request: web.Request) -> bool:
    return request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"


@web.middleware
async def no_forgery(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An order counts only if it was given on a page of ours: its origin is ours and it carries the session's token."""
    visitor = request.get(VISITOR)
    if request.method in SAFE and not _is_socket(request):
        return await handler(request)
    if visitor is not None and visitor.token is not None:
        return await handler(request)  # a browser never adds a bearer token by itself
    if request.headers.get(hdrs.ORIGIN) != origin_of(request.app[PORTS].web.public_url):
        raise Explained(403, catalogue_of(request).text("error.origin", url=request.app[PORTS].web.public_url))
    if visitor is None or _is_socket(request) or request.path == "/sign-in":
        return await handler(request)
    given = request.headers.get("X-CSRF-Token", "")
    if not given and request.content_type == "application/x-www-form-urlencoded":
        field = (await request.post()).get("csrf", "")
        given = field if isinstance(field, str) else ""
    if not hmac.compare_digest(given.encode("utf-8", "replace"), visitor.csrf.encode()):
        raise Explained(403, catalogue_of(request).text("error.csrf"))
    return await handler(request)


def origin_of(url: str) -> str:
    """``https://desk.example`` of any address on it, as browsers write it: without the scheme's own port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port not in {None, usual} else "")


def must_supervise(request: web.Request) -> Visitor:
    """The visitor, who is a supervisor; an agent is told that this is not theirs."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is None or visitor.role != "supervisor":
        raise web.HTTPForbidden
    return visitor


def must_lead(request: web.Request) -> Visitor:
    """The visitor, who may lead a shift; an agent is told that this is not theirs."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is None or not visitor.leads:
        raise web.HTTPForbidden
    return visitor
