"""Asterisk's one question about a call: how urgent is it, and in which language. Half a second, then the default.

The dialplan gives up by itself after ``ivr.limit_s``: a late or a missing answer costs a caller at most that second.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web
from pydantic import SecretStr

from callcenter.errors import CallCenterError
from callcenter.routing.book import Provider
from callcenter.routing.numbers import caller_number
from callcenter.words import Did, Language, ProviderId

log = logging.getLogger(__name__)

PATH = "/ivr/v1/arrival"
DEADLINE_S = 0.5
PLAIN = 0
TRIED_BEFORE = 5
"""Priorities of app_queue: the higher is served first."""


def priority(*, owed_a_callback: bool) -> int:
    """A caller whom we already owe a call is served before those who call for the first time."""
    return TRIED_BEFORE if owed_a_callback else PLAIN


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the dialplan is told about a call."""

    priority: int
    language: Language

    def __str__(self) -> str:
        return f"{self.priority}|{self.language}"


@dataclass(frozen=True, slots=True)
class QuestionPorts:
    """What the answer is made of; numbers are as ``routing.numbers`` writes them."""

    provider_of: Callable[[str], tuple[Did, Provider] | None]
    owes_callback: Callable[[ProviderId, str], Awaitable[bool]]
    language_of: Callable[[ProviderId, str], Awaitable[Language | None]]
    """The subscriber's own language; ``None`` when nobody or several are known by the number."""


def make_app(
    ports: QuestionPorts, token: SecretStr, *, country: str = "UA", deadline_s: float = DEADLINE_S
) -> web.Application:
    """The little server that Asterisk asks, ``GET /ivr/v1/arrival?call=&did=&caller=``: one line, ``5|uk``.

    The token comes as the password of HTTP's basic authentication: an address would end in Asterisk's log.
    """

    async def arrival(request: web.Request) -> web.Response:
        if not _is_asterisk(request, token):
            raise web.HTTPForbidden(text="")
        found = ports.provider_of(request.query.get("did", ""))
        if found is None:
            raise web.HTTPNotFound(text="")
        caller = caller_number(request.query.get("caller", ""), country)
        answer = await _answer(ports, found[1], caller.number, deadline_s)
        return web.Response(text=str(answer), headers={"Cache-Control": "no-store"})

    app = web.Application(client_max_size=1024)
    app.router.add_get(PATH, arrival)
    return app


def _is_asterisk(request: web.Request, token: SecretStr) -> bool:
    kind, _, proof = request.headers.get("Authorization", "").partition(" ")
    try:
        _, _, given = base64.b64decode(proof, validate=True).partition(b":")
    except ValueError:
        return False
    return kind == "Basic" and hmac.compare_digest(given, token.get_secret_value().encode())


async def _answer(ports: QuestionPorts, provider: Provider, number: str, deadline_s: float) -> Arrival:
    """What is known within the deadline; a database that is slow or away changes neither the queue nor the greeting."""
    if not number:
        return Arrival(PLAIN, provider.language)
    owed: bool = False
    language: Language | None = None
    try:
        async with asyncio.timeout(deadline_s):
            owed = await ports.owes_callback(provider.id, number)
            language = await ports.language_of(provider.id, number)
    except TimeoutError:
        log.warning("the dialplan's question was not answered within %.1f s: defaults", deadline_s)
    except CallCenterError as exc:
        log.warning("the dialplan's question: %s: defaults", exc)
    return Arrival(priority(owed_a_callback=owed), language or provider.language)
