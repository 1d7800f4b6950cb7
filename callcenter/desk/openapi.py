"""The OpenAPI 3.1 document, made from the table of routes; and the page that shows it to people."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from callcenter.desk.api import PREFIX, AnyRoute
from callcenter.desk.guard import session_cookie

_REF = "#/components/schemas/{model}"
ABOUT = (
    "Calls, callbacks, recordings and the live state of the call centre. "
    "A request carries `Authorization: Bearer <token>` (made with `callcenter token add`) "
    "or the session cookie of a signed-in browser with its `X-CSRF-Token`. "
    "A token sees its providers only: what belongs to another answers 404. "
    "Times are RFC 3339 in UTC, lengths are seconds, phone numbers are E.164. "
    "Lists are newest first and go on at `next`."
)


class Problem(BaseModel):
    """RFC 9457 problem details: every error answers with it."""

    type: str
    title: str
    status: int
    detail: str = ""
    errors: list[dict[str, str]] = []


def document(routes: Sequence[AnyRoute], public_url: str) -> dict[str, Any]:
    """The whole document; every model of the routes becomes a schema."""
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [(Problem, "serialization")]
    for route in routes:
        models.append((route.takes, "validation"))
        if route.gives is not None:
            models.append((route.gives, "serialization"))
    unique = list(dict.fromkeys(models))
    names, defined = models_json_schema(unique, ref_template=_REF)
    schemas: dict[str, Any] = defined.get("$defs", {})
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        takes = _resolved(names[(route.takes, "validation")], schemas)
        gives = names[(route.gives, "serialization")] if route.gives is not None else None
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, takes, gives)
    paths |= _by_hand()
    for route in routes:  # inputs are spelled out in place
        schemas.pop(route.takes.__name__, None)
    made = {
        "openapi": "3.1.0",
        "info": {"title": "callcenter", "version": _version(), "description": ABOUT, "license": _LICENCE},
        "servers": [{"url": public_url.rstrip("/")}],
        "security": [{"token": []}, {"session": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": session_cookie(public_url)},
            },
        },
    }
    named: dict[str, Any] = _renamed(made)
    return named


def _renamed(part: Any) -> Any:
    """In the document ``CallGiven`` is plainly a ``Call``."""
    if isinstance(part, dict):
        return {name.removesuffix("Given"): _renamed(value) for name, value in part.items()}
    if isinstance(part, list):
        return [_renamed(value) for value in part]
    return part.removesuffix("Given") if isinstance(part, str) else part


def _version() -> str:
    try:
        return version("callcenter")
    except PackageNotFoundError:
        return "0"


_LICENCE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return schemas[reference.rpartition("/")[2]] if reference else schema


def _operation(route: AnyRoute, takes: dict[str, Any], gives: dict[str, Any] | None) -> dict[str, Any]:
    properties: dict[str, Any] = takes.get("properties", {})
    required = set(takes.get("required", ()))
    in_path = set(route.in_path)
    parameters = [
        {
            "name": name,
            "in": "path" if name in in_path else "query",
            "required": name in in_path or name in required,
            "schema": {k: v for k, v in schema.items() if k != "title"},
            **({"description": schema["description"]} if "description" in schema else {}),
        }
        for name, schema in properties.items()
        if name in in_path or not route.has_body
    ]
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "responses": _responses(gives),
    }
    if route.role != "agent":
        operation["description"] = "For supervisors." if route.role == "supervisor" else "For leads and supervisors."
    if parameters:
        operation["parameters"] = parameters
    if route.has_body:
        body = {name: schema for name, schema in properties.items() if name not in in_path}
        if body:
            schema = {"type": "object", "properties": body, "additionalProperties": False}
            if must := sorted(required - in_path):
                schema["required"] = must
            operation["requestBody"] = {"required": bool(must), "content": {"application/json": {"schema": schema}}}
    return operation


def _responses(gives: dict[str, Any] | None) -> dict[str, Any]:
    wrong = {"description": "A problem", "content": {"application/problem+json": {"schema": {"$ref": _problem()}}}}
    if gives is None:
        return {"204": {"description": "Done"}, "default": wrong}
    return {"200": {"description": "OK", "content": {"application/json": {"schema": gives}}}, "default": wrong}


def _problem() -> str:
    return _REF.format(model="Problem")


def _by_hand() -> dict[str, Any]:
    """The one operation that answers with sound instead of JSON."""
    recording = {"name": "recording", "in": "path", "required": True, "schema": {"type": "string", "format": "uuid"}}
    span = {"name": "Range", "in": "header", "required": False, "schema": {"type": "string"}}
    sound = {"content": {"audio/ogg": {"schema": {"type": "string", "format": "binary"}}}}
    described: dict[str, Any] = {
        "summary": "Play a recording: Ogg Opus, the caller left, the agent right",
        "description": "Every listening is written down before the first byte leaves.",
        "tags": ["recordings"],
        "parameters": [recording, span],
        "responses": {
            "200": {"description": "The whole recording", **sound},
            "206": {"description": "The part asked for by Range", **sound},
            "416": {"description": "The recording has no such part"},
            "default": _responses(None)["default"],
        },
    }
    return {f"{PREFIX}/recordings/{{recording}}/audio": {"get": {"operationId": "play_recording", **described}}}
