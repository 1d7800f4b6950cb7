"""The JSON API as data: a table of routes, each with the model it takes and the model it gives.

From the same table come the handlers, the checks of what is sent and the OpenAPI document, so they cannot drift apart.
A route's fields that stand in its path are taken from there, the others from the query (GET) or from the JSON body.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import quote

from aiohttp import hdrs, web
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from callcenter.desk.guard import Explained, must_lead, must_supervise, problem
from callcenter.desk.pages import PORTS, visitor_of
from callcenter.desk.ports import DeskPorts
from callcenter.desk.sessions import Role, Visitor
from callcenter.store import Scope

PREFIX = "/api/v1"
_IN_PATH = re.compile(r"\{(\w+)\}")


def _plain(value: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise ValueError("control characters are not text")
    return value


def _sane(value: datetime) -> datetime:
    if not 2000 <= value.year < 2100:
        raise ValueError("a year from 2000 to 2099")
    return value


Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Text = Annotated[str, Field(max_length=200), AfterValidator(_plain)]
Moment = Annotated[AwareDatetime, AfterValidator(_sane)]
CallId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{0,40}[0-9]+\.[0-9]+$", max_length=80)]
Limit = Annotated[int, Field(ge=1, le=200)]


class Takes(BaseModel):
    """What a caller of the API sends; a field we do not know is a mistake, not noise."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Gives(BaseModel):
    """What a caller of the API gets. Times are UTC, lengths are seconds."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class Nothing(Takes):
    """No input."""


In = TypeVar("In", bound=Takes)
Out = TypeVar("Out", bound=BaseModel | None)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of somebody known, with what the handler may use."""

    request: web.Request
    ports: DeskPorts
    visitor: Visitor

    @property
    def scope(self) -> Scope:
        return self.visitor.scope


@dataclass(frozen=True)
class Route(Generic[In, Out]):
    """One operation of the API."""

    method: str
    path: str
    name: str
    """The operation's id in the document."""
    summary: str
    takes: type[In]
    gives: type[BaseModel] | None
    """``None`` answers 204 without a body."""
    handler: Callable[[Ask, In], Awaitable[Out]]
    beacon: bool = False
    """A page that goes away may send it as a form too: it can set no header then."""
    role: Role = "agent"
    """``lead`` closes it to agents, ``supervisor`` to leads too."""
    tag: str = "calls"

    @property
    def in_path(self) -> tuple[str, ...]:
        return tuple(_IN_PATH.findall(self.path))

    @property
    def has_body(self) -> bool:
        return self.method in {hdrs.METH_POST, hdrs.METH_PUT, hdrs.METH_PATCH}


AnyRoute = Route[Any, Any]


_ADMITS = {"agent": visitor_of, "lead": must_lead, "supervisor": must_supervise}


def mounted(route: AnyRoute) -> web.RouteDef:
    """The route as aiohttp serves it."""

    async def handle(request: web.Request) -> web.StreamResponse:
        visitor = _ADMITS[route.role](request)
        try:
            given = route.takes.model_validate(await _sent(route, request))
        except ValidationError as exc:
            return _mistaken(route, exc)
        answer = await route.handler(Ask(request, request.app[PORTS], visitor), given)
        if answer is None:
            return web.Response(status=204)
        return web.Response(
            text=answer.model_dump_json(), content_type="application/json", headers={"Cache-Control": "no-store"}
        )

    return web.route(route.method, PREFIX + route.path, handle, name=route.name)


async def _sent(route: AnyRoute, request: web.Request) -> dict[str, Any]:
    inside = {name: request.match_info[name] for name in route.in_path}
    if not route.has_body:
        twice = sorted({key for key in request.query if len(request.query.getall(key)) > 1})
        if twice:
            raise Explained(400, f"given twice: {', '.join(twice)}")
        return {**{k: v for k, v in request.query.items() if v != ""}, **inside}
    raw = await request.read()
    if not raw:
        return inside
    if route.beacon and request.content_type == "application/x-www-form-urlencoded":
        return {**{name: value for name, value in (await request.post()).items() if name != "csrf"}, **inside}
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    body = strict_json(raw)
    if not isinstance(body, dict):
        raise Explained(400, "the body is a JSON object")
    if hidden := set(body) & set(inside):
        raise Explained(400, f"given in the path already: {', '.join(sorted(hidden))}")
    return {**body, **inside}


def strict_json(raw: bytes) -> Any:
    """JSON without what JSON does not have: no NaN, no key twice, no bottomless nesting; else 400."""
    try:
        return json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Explained(400, "nested too deeply") from None
    except (ValueError, UnicodeDecodeError) as exc:
        raise Explained(400, f"not JSON: {exc}"[:200]) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key is given twice")
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def _mistaken(route: AnyRoute, exc: ValidationError) -> web.Response:
    """A name in the path that cannot exist is not found; any other mistake is named."""
    mistakes = exc.errors(include_input=False, include_url=False, include_context=False)
    if any(mistake["loc"][:1] and mistake["loc"][0] in route.in_path for mistake in mistakes):
        return problem(404)
    named = [
        {"field": _clean(".".join(str(part) for part in mistake["loc"])), "message": mistake["msg"]}
        for mistake in mistakes[:20]
    ]
    return problem(422, "some of what was sent cannot be used", mistakes=named)


def _clean(name: str) -> str:
    return name[:80].encode("utf-8", "replace").decode()


def not_found() -> web.HTTPNotFound:
    """What is another provider's and what does not exist look the same."""
    return web.HTTPNotFound()


T = TypeVar("T")


class Cursor(Generic[T]):
    """Where a page of a list ended, in a form that callers hand back unread."""

    def __init__(self, kind: type[T]) -> None:
        self._adapter: TypeAdapter[tuple[datetime, T]] = TypeAdapter(tuple[Moment, kind])  # type: ignore[valid-type]

    def write(self, at: datetime, last: T) -> str:
        return base64.urlsafe_b64encode(self._adapter.dump_json((at, last))).decode().rstrip("=")

    def read(self, cursor: str | None) -> tuple[datetime, T] | None:
        """Raises 400 for what no page of ours ended with."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            return self._adapter.validate_json(raw)
        except ValueError as exc:
            raise Explained(400, "this cursor is not one of ours") from exc


def filters_of(wanted: Takes) -> str:
    """The filters of a page as the beginning of a query, for the link to its next page."""
    given = wanted.model_dump(mode="json", exclude_defaults=True, exclude_none=True, exclude={"cursor"})
    return "".join(f"{name}={quote(str(value), safe='')}&" for name, value in given.items())


def query_of(request: web.Request, model: type[In]) -> In:
    """The filters of a page from its address; whatever cannot be used is left out, for a person mistypes."""
    given: Mapping[str, str] = {k: v for k, v in request.query.items() if k in model.model_fields and v != ""}
    try:
        return model.model_validate(given)
    except ValidationError as exc:
        wrong = {str(mistake["loc"][0]) for mistake in exc.errors(include_url=False) if mistake["loc"]}
        return model.model_validate({k: v for k, v in given.items() if k not in wrong})
