"""How the service is: ``/healthz`` for people and monitors, ``/metrics`` for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric

from callcenter.desk.guard import Handler, is_local, pattern_of
from callcenter.desk.pages import PORTS, VISITOR
from callcenter.desk.ports import DeskPorts, Measure, Part, PartState
from callcenter.desk.sessions import Visitor
from callcenter.errors import Unavailable

PING_S = 2.0


async def parts_of(ports: DeskPorts) -> dict[str, Part]:
    """Every part of the service with its state and, when it is not well, the reason."""
    return {"database": await _database(ports), **ports.parts()}


async def _database(ports: DeskPorts) -> Part:
    try:
        async with asyncio.timeout(PING_S):
            await ports.db.ping()
    except Unavailable as exc:
        return Part(PartState.DOWN, exc.why)
    except TimeoutError:
        return Part(PartState.DOWN, f"no answer in {PING_S:.0f} s")
    return Part(PartState.OK)


def whole(parts: Mapping[str, Part]) -> PartState:
    """The service is as well as its worst part."""
    order = (PartState.OK, PartState.DEGRADED, PartState.DOWN)
    return max((part.state for part in parts.values()), key=order.index, default=PartState.OK)


async def healthz(request: web.Request) -> web.StreamResponse:
    """200 while every part works at least in part, else 503. Strangers learn which part, not why."""
    parts = await parts_of(request.app[PORTS])
    told = is_told_why(request)
    state = whole(parts)
    body = {
        "state": state,
        "parts": {name: _shown(part) if told else {"state": part.state} for name, part in sorted(parts.items())},
    }
    return web.json_response(
        body, status=503 if state is PartState.DOWN else 200, headers={hdrs.CACHE_CONTROL: "no-store"}
    )


def is_told_why(request: web.Request) -> bool:
    """Reasons name hosts and files: they are for whom we know and for this machine itself."""
    return request.get(VISITOR) is not None or is_local(request)


def _shown(part: Part) -> dict[str, Any]:
    shown = asdict(part)
    shown["since"] = part.since.isoformat() if part.since else None
    return {name: value for name, value in shown.items() if value not in (None, "", {})}


class Metrics:
    """The counters of the web itself, and whatever the other parts measure when Prometheus asks."""

    def __init__(self, ports: DeskPorts) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "callcenter_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "callcenter_http_request_seconds", "Time to answer a request.", ("route",), registry=self._registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )  # fmt: skip
        self._registry.register(_Ports(ports))

    def answered(self, request: web.Request, status: int, seconds: float) -> None:
        route = pattern_of(request)
        self._requests.labels(request.method if request.method in _METHODS else "other", route, str(status)).inc()
        if request.headers.get(hdrs.UPGRADE) is None:
            self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self._registry)


METRICS = web.AppKey("metrics", Metrics)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Ports:
    """Reads the ports' measures at the moment of the scrape."""

    def __init__(self, ports: DeskPorts) -> None:
        self._ports = ports

    def collect(self) -> Iterator[Metric]:
        for measure in (*self._ports.measures(), _states(self._ports.parts())):
            yield _family(measure)

    def describe(self) -> Iterable[Metric]:
        return ()


def _states(parts: Mapping[str, Part]) -> Measure:
    samples = [({"part": name}, 0.0 if part.state is PartState.DOWN else 1.0) for name, part in parts.items()]
    return Measure("callcenter_part_up", "1 while the part works at least in part.", "gauge", samples)


def _family(measure: Measure) -> Metric:
    labels = tuple(measure.samples[0][0]) if measure.samples else ()
    kind = CounterMetricFamily if measure.kind == "counter" else GaugeMetricFamily
    family = kind(measure.name, measure.help, labels=labels)
    for values, number in measure.samples:
        family.add_metric([values[label] for label in labels], number)
    return family


async def metrics(request: web.Request) -> web.StreamResponse:
    """For this machine's Prometheus, a token or a supervisor, who sees every provider; strangers get 401."""
    visitor: Visitor | None = request.get(VISITOR)
    if not is_local(request):
        if visitor is None:
            raise web.HTTPUnauthorized(headers={hdrs.WWW_AUTHENTICATE: "Bearer"})
        if not visitor.supervises_all:
            raise web.HTTPForbidden
    return web.Response(body=request.app[METRICS].text(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST})


@web.middleware
async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every request is counted, whatever becomes of it."""
    clock = asyncio.get_running_loop().time
    started, status = clock(), 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as exc:
        status = exc.status
        raise
    finally:
        request.app[METRICS].answered(request, status, clock() - started)


ROUTES = (web.get("/healthz", healthz), web.get("/metrics", metrics))
