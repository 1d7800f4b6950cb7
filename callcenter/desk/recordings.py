"""Recordings in the web: the list, and the sound itself in whole or in parts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, get_args
from uuid import UUID

from aiohttp import hdrs, web
from pydantic import Field

from callcenter.desk.api import (
    PREFIX,
    Ask,
    CallId,
    Cursor,
    Gives,
    Id,
    Limit,
    Route,
    Takes,
    filters_of,
    not_found,
    query_of,
)
from callcenter.desk.guard import address_of
from callcenter.desk.pages import PAGES, PORTS, visible_providers, visitor_of
from callcenter.recordings.store import (
    Listener,
    Recording,
    RecordingState,
    list_recordings,
    log_listening,
    one_recording,
    open_recording,
)
from callcenter.words import ProviderId

AUDIO = PREFIX + "/recordings/{recording}/audio"
CURSOR = Cursor(UUID)


class RecordingsWanted(Takes):
    provider: Id | None = None
    state: RecordingState | None = None
    limit: Limit = 50
    cursor: Annotated[str, Field(max_length=200)] | None = None


class RecordingWanted(Takes):
    recording: UUID


class RecordingGiven(Gives):
    """``missing`` and ``damaged`` are alarms; ``talked_s`` is what the ledger says the conversation lasted."""

    id: UUID
    call: CallId
    provider: Id
    state: RecordingState
    bytes: int | None
    duration_s: float | None
    talked_s: float
    expected_at: datetime
    stored_at: datetime | None
    note: str
    audio: str | None
    """Where to play it; nothing while there is no file."""


class RecordingsGiven(Gives):
    items: list[RecordingGiven]
    next: str | None
    """The cursor of the next page."""


def _given(recording: Recording) -> RecordingGiven:
    return RecordingGiven(
        id=recording.id,
        call=recording.call,
        provider=recording.provider,
        state=recording.state,
        bytes=recording.bytes,
        duration_s=recording.duration_s,
        talked_s=recording.talked_s,
        expected_at=recording.expected_at,
        stored_at=recording.stored_at,
        note=recording.note,
        audio=audio_path(recording.id) if recording.playable else None,
    )


def audio_path(recording: UUID) -> str:
    return f"{PREFIX}/recordings/{recording}/audio"


async def _page(ask: Ask, wanted: RecordingsWanted) -> tuple[list[Recording], str | None]:
    provider = None if wanted.provider is None else ProviderId(wanted.provider)
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await list_recordings(
            conn, provider=provider, state=wanted.state, before=CURSOR.read(wanted.cursor), limit=wanted.limit + 1
        )
    shown = found[: wanted.limit]
    further = CURSOR.write(shown[-1].expected_at, shown[-1].id) if len(found) > wanted.limit else None
    return shown, further


async def api_list(ask: Ask, wanted: RecordingsWanted) -> RecordingsGiven:
    shown, further = await _page(ask, wanted)
    return RecordingsGiven(items=[_given(recording) for recording in shown], next=further)


async def api_one(ask: Ask, wanted: RecordingWanted) -> RecordingGiven:
    async with ask.ports.db.scoped(ask.scope) as conn:
        found = await one_recording(conn, wanted.recording)
    if found is None:
        raise not_found()
    return _given(found)


async def play(request: web.Request) -> web.StreamResponse:
    """A recording can be heard by whom it concerns, and who heard it is written down before the first byte leaves.

    Answers Range with 206 or 416; HEAD tells the size and is no listening.
    """
    ports, visitor = request.app[PORTS], visitor_of(request)
    try:
        wanted = UUID(request.match_info["recording"])
    except ValueError:
        raise not_found() from None
    async with ports.db.scoped(visitor.scope) as conn:
        found = await open_recording(conn, wanted, ports.recordings_dir)
        if found is None:
            raise not_found()
        if request.method != hdrs.METH_HEAD:
            listener = Listener(visitor.who, address_of(request), visitor.user, visitor.token)
            await log_listening(conn, found, listener, ports.clock(), request.headers.get(hdrs.RANGE, ""))
    return web.FileResponse(
        found.path,
        headers={
            hdrs.CONTENT_TYPE: found.media_type,
            hdrs.CACHE_CONTROL: "private, no-store",
            hdrs.CONTENT_DISPOSITION: f'inline; filename="{found.recording}.opus"',
        },
    )


async def page(request: web.Request) -> web.StreamResponse:
    """All recordings, the newest first; what is missing or damaged says why."""
    ports, visitor = request.app[PORTS], visitor_of(request)
    wanted = query_of(request, RecordingsWanted)
    shown, further = await _page(Ask(request, ports, visitor), wanted)
    return request.app[PAGES].page(
        request,
        "recordings.html",
        recordings=shown,
        providers={provider.id: provider for provider in visible_providers(ports.book(), visitor)},
        audio=audio_path,
        states=get_args(RecordingState),
        wanted=wanted,
        query=filters_of(wanted),
        next=further,
    )


API = (
    Route("GET", "/recordings", "list_recordings", "Recordings, newest first", RecordingsWanted, RecordingsGiven,
          api_list, tag="recordings"),
    Route("GET", "/recordings/{recording}", "get_recording", "One recording", RecordingWanted, RecordingGiven,
          api_one, tag="recordings"),
)  # fmt: skip
ROUTES = (web.get("/recordings", page), web.get(AUDIO, play))
