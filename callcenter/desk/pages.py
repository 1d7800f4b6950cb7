"""From a template to a page: one Jinja2 environment a language, and what every page knows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket

from callcenter.desk.languages import Catalogue, language_asked
from callcenter.desk.ports import DeskPorts
from callcenter.desk.sessions import Sessions, Visitor
from callcenter.routing.book import Book, Provider
from callcenter.words import LANGUAGES, Language

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

PORTS = web.AppKey("ports", DeskPorts)
SESSIONS = web.AppKey("sessions", Sessions)
VISITOR = web.RequestKey("visitor", Visitor)
"""Set on a request whose sender is known."""
ALARMS_OPEN = web.RequestKey("alarms_open", int)
"""How many alarms a supervisor's page tells of in its bar."""
CALLBACKS_PRESSING = web.RequestKey("callbacks_pressing", int)
"""How many callbacks are overdue or wait for a decision, in the bar of who leads a shift."""


class Pages:
    """Renders templates; every value is escaped, an undefined one is an error."""

    def __init__(self, catalogues: Mapping[Language, Catalogue], templates: Path = TEMPLATES) -> None:
        self.catalogues = catalogues
        self._environments = {
            language: _environment(catalogue, templates) for language, catalogue in catalogues.items()
        }

    def fragment(self, language: Language, template: str, /, **values: Any) -> str:
        """A piece of HTML for a live page."""
        return self._environments[language].get_template(template).render(values)

    def page(self, request: web.Request, template: str, /, *, status: int = 200, **values: Any) -> web.Response:
        """A whole page in the reader's language; never kept by a cache, for it shows people."""
        language = language_of(request)
        ports, visitor = request.app[PORTS], request.get(VISITOR)
        known: dict[str, Any] = {
            "visitor": visitor,
            "csrf": visitor.csrf if visitor else "",
            "path": request.path if request.method == "GET" else "/",
            "now": ports.clock(),
            "languages": LANGUAGES,
            "alarms_open": request.get(ALARMS_OPEN, 0),
            "callbacks_pressing": request.get(CALLBACKS_PRESSING, 0),
            "brands_version": brands_version(visible_providers(ports.book(), visitor)),
        }
        body = self.fragment(language, template, **(known | values))
        return web.Response(
            text=body,
            status=status,
            content_type="text/html",
            headers={"Cache-Control": "no-store", "Content-Language": language},
        )


PAGES = web.AppKey("pages", Pages)


class _Compiled(BytecodeCache):
    """Every template is compiled once a process, whatever the language it is rendered in."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, Any]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        checksum, code = self._kept.get(bucket.key, ("", None))
        if checksum == bucket.checksum:
            bucket.code = code

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._kept[bucket.key] = bucket.checksum, bucket.code


_COMPILED = _Compiled()


def _environment(catalogue: Catalogue, templates: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_COMPILED,
    )
    install: Any = environment  # the extension adds this method at run time
    install.install_gettext_callables(catalogue.raw, catalogue.raw_plural, newstyle=True)
    environment.globals.update(fmt=catalogue, lang=catalogue.language, static=static_url)
    for name in environment.list_templates(extensions=["html"]):
        environment.get_template(name)  # compiled now: the first card of the day is not the one that waits for it
    return environment


@cache
def static_url(name: str) -> str:
    """A file of ``static/`` with its hash, so that browsers may keep it for ever."""
    file = STATIC / name
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={version}"


def language_of(request: web.Request) -> Language:
    """What the user chose, else what this browser chose, else what it asks for, else Ukrainian."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is not None and visitor.user is not None:
        return visitor.language
    chosen = request.cookies.get("language")
    for language in LANGUAGES:
        if chosen == language:
            return language
    return language_asked(request.headers.get("Accept-Language", ""))


def visitor_of(request: web.Request) -> Visitor:
    """Who sends this request; 401 when nobody is known, which the guard has already seen to."""
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is None:
        raise web.HTTPUnauthorized
    return visitor


def catalogue_of(request: web.Request) -> Catalogue:
    return request.app[PAGES].catalogues[language_of(request)]


def visible_providers(book: Book, visitor: Visitor | None) -> tuple[Provider, ...]:
    """The providers this visitor may know of at all, by name."""
    if visitor is None:
        return ()
    seen = (provider for provider in book.providers if visitor.scope.holds(provider.id))
    return tuple(sorted(seen, key=lambda provider: (provider.brand.casefold(), provider.id)))


def zone_of(providers: Iterable[Provider]) -> ZoneInfo:
    """The wall clock of what belongs to several providers: that of the first one."""
    return next((provider.timezone for provider in providers), ZoneInfo("Europe/Kyiv"))


def ink_on(colour: str) -> str:
    """Black or white, whichever is easier to read on this colour (WCAG 2 contrast)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#ffffff" if 1.05 / (luminance + 0.05) >= (luminance + 0.05) / 0.05 else "#000000"


def brands_css(providers: Iterable[Provider]) -> str:
    """The colours of the brands as a stylesheet, for the pages may hold no inline style."""
    return "".join(
        f".brand-{provider.id}{{--brand:{provider.colour};--on-brand:{ink_on(provider.colour)}}}\n"
        for provider in providers
    )


def brands_version(providers: Iterable[Provider]) -> str:
    return hashlib.sha256(brands_css(providers).encode()).hexdigest()[:12]
