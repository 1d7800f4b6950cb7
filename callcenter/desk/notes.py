"""What agents write of a call: the reason it was made for, and a note. Saved as it is typed, under the agent's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field

from callcenter.calls.notes import LONGEST_NOTE, CallNote, of_calls, provider_of_call, save
from callcenter.desk.api import Ask, CallId, Gives, Route, Takes, not_found
from callcenter.desk.pages import catalogue_of
from callcenter.errors import RuleBroken
from callcenter.routing.reasons import call_reasons
from callcenter.words import UniqueId


def _written(value: str) -> str:
    if any(ord(c) < 32 and c not in "\n\t" for c in value.replace("\r\n", "\n")) or "\x7f" in value:
        raise ValueError("control characters are not text")
    return value.replace("\r\n", "\n").strip()


Words = Annotated[str, Field(max_length=LONGEST_NOTE), AfterValidator(_written)]


class NotesWanted(Takes):
    call: CallId


class NoteWanted(NotesWanted):
    reason: Annotated[str, Field(pattern=r"^([a-z][a-z0-9-]{0,29})?$")] = ""
    """A code of the provider's list, or nothing."""
    note: Words = ""


class NoteGiven(Gives):
    agent: str
    """Extension of who wrote it."""
    reason: str
    note: str
    at: datetime


class NotesGiven(Gives):
    items: list[NoteGiven]


async def notes(ask: Ask, wanted: NotesWanted) -> NotesGiven:
    """What was written of a call, by each agent the latest."""
    call = UniqueId(wanted.call)
    async with ask.ports.db.scoped(ask.scope) as conn:
        if await provider_of_call(conn, call) is None:
            raise not_found()
        found = await of_calls(conn, [call])
    return NotesGiven(items=[NoteGiven.model_validate(note) for note in found.get(call, ())])


async def write(ask: Ask, wanted: NoteWanted) -> None:
    """The agent's own words, the latest over the earlier. 404 too while the ledger does not know the call yet."""
    extension, words, call = ask.visitor.extension, catalogue_of(ask.request), UniqueId(wanted.call)
    async with ask.ports.db.scoped(ask.scope) as conn:
        owner = await provider_of_call(conn, call)
        provider = None if owner is None else ask.ports.book().provider(owner)
        if provider is None:
            raise not_found()
        if extension is None:
            raise RuleBroken(words.text("note.no_phone"))
        note = CallNote(call, extension, wanted.reason, wanted.note, ask.ports.clock())
        if note.reason and note.reason not in {reason.code for reason in call_reasons(provider)}:
            raise RuleBroken(words.text("note.no_such_reason"))
        await save(conn, note)
    ask.ports.noted(note)


API = (
    Route("GET", "/calls/{call}/notes", "list_notes", "What agents wrote of a call", NotesWanted, NotesGiven, notes),
    Route("POST", "/calls/{call}/note", "write_note", "Write your own note of a call", NoteWanted, None, write),
)
