"""Phones in agents' pages: a password for one sign-in and one tab, and a talk that outlives the page.

The password is Asterisk's from the moment it is made (over AMI, in Asterisk's own database) and nobody else's: we keep
only whose it is. It is taken away at sign-out, when the session is ended by others, when another tab takes the phone,
and when its time is over. A talk in progress goes on: whose session ends by itself or by others stays registered until
it is over, else the talk could not be told from one whose page is gone.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ami.commands import Commands
from callcenter.ami.facts import LiveFact, PhoneContact
from callcenter.ami.live import LiveView
from callcenter.ami.picture import AGENT_ENDPOINT
from callcenter.errors import CallCenterError, Refused, RuleBroken
from callcenter.floor.talking import GONE, TalkOrders, Waiting
from callcenter.pbx.render import AWAY_S
from callcenter.routing.book import Agent, Book
from callcenter.store import Database, Scope
from callcenter.words import Clock

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
"""Seconds between two looks for logins whose session has ended."""
AWAY = timedelta(seconds=AWAY_S)
"""As long as the dialplan lets a caller wait for a page."""
GONE_FOR_S = 5.0
"""Seconds for which a registration may be gone before whom the agent talks with hears music: sound has its own way."""
COMING = timedelta(seconds=4)
"""For so long a tab that was given a password may take to register: until then it is the phone all the same."""
BACK_FOR_S = 4.0
"""Seconds after a registration is back in which its page asks for the talk anew, if its sound is lost."""


@dataclass(frozen=True, slots=True)
class PhoneLogin:
    """What a page registers with."""

    user: str
    password: str = field(repr=False)
    expires_at: datetime


class PagePhones:
    """One for the service. ``on_fact`` waits for nothing; what follows is done by ``run``."""

    def __init__(
        self,
        database: Database,
        book: Callable[[], Book],
        commands: Commands,
        view: LiveView,
        orders: TalkOrders,
        clock: Clock,
        *,
        good_for: timedelta,
        leads: Callable[[], bool],
    ) -> None:
        self._database = database
        self._book = book
        self._commands = commands
        self._view = view
        self._orders = orders
        self._clock = clock
        self._good_for = good_for
        self._leads = leads
        self._waiting: dict[str, tuple[Waiting, datetime]] = {}
        self._changed: dict[str, tuple[bool, float]] = {}
        """By agent: whether the phone is there, and when by the event loop's clock something is to be done of it."""
        self._left: dict[str, datetime] = {}
        """By agent: when the last registration of their phone had ended."""
        self._stirred = asyncio.Event()

    # --- what pages ask

    async def login(self, extension: str, session: bytes, tab: str, *, take_over: bool) -> PhoneLogin:
        """A fresh password for this tab. Raises ``RuleBroken`` while another tab holds the phone and is alive.

        Raises ``Unavailable`` when Asterisk cannot be told: then the password before is still the one.
        """
        agent = self._page_of(extension)
        now = self._clock()
        async with self._database.scoped(Scope.only(())) as connection:
            await connection.execute(_ONE_BY_ONE, {"agent": agent.id})
            held = (await connection.execute(_HELD, {"agent": agent.id})).one_or_none()
            if held is not None and not take_over and self._is_anothers(extension, held, tab, now):
                raise RuleBroken("another tab or another browser is your phone now", "refusal.phone_elsewhere")
            password = secrets.token_urlsafe(24)
            expires = now + self._good_for
            await connection.execute(
                _HOLD,
                {
                    "agent": agent.id,
                    "extension": extension,
                    "session": session,
                    "tab": tab,
                    "now": now,
                    "until": expires,
                },
            )
            await self._commands.put_password(_user(extension), password)
        return PhoneLogin(_user(extension), password, expires)

    async def logout(self, extension: str, tab: str) -> None:
        """This tab is no phone any more; another one's phone is left alone."""
        agent = self._page_of(extension)
        async with self._database.scoped(Scope.only(())) as connection:
            gone = (await connection.execute(_LET_GO, {"agent": agent.id, "tab": tab})).one_or_none()
            if gone is not None:
                await self._withdraw(extension)

    async def session_ended(self, session: bytes) -> None:
        """Whoever signed in with it is no phone any more. Where Asterisk cannot be told now, ``run`` tells it."""
        async with self._database.scoped(Scope.only(())) as connection:
            await self._withdraw_each(connection, (await connection.execute(_OF_SESSION, {"session": session})).all())

    async def leaving(self, extension: str, tab: str) -> None:
        """This tab goes away in the middle of a talk: whom the agent talks with hears music until it is back."""
        if await self._holds(extension, tab):
            await self._wait_for(extension)

    async def back(self, extension: str, tab: str) -> bool:
        """This tab is registered and talks with nobody: whoever waits for it, or still hears its old leg, is resumed.

        Gives whether its phone is rung for that.
        """
        if not await self._holds(extension, tab):
            return False
        found = self._waiting.get(extension)
        if self._view.line_of(extension) is not None and not (found and self._view.is_alone(found[0].other)):
            await self._wait_for(extension)
        found = self._waiting.pop(extension, None)
        self._changed.pop(extension, None)
        if found is None or not self._view.is_alone(found[0].other):
            return False
        await self._orders.resume(extension, found[0])
        return True

    # --- what happens

    def on_fact(self, fact: LiveFact) -> None:
        """A registration that is gone or back in the middle of a talk."""
        if not isinstance(fact, PhoneContact):
            return
        if not fact.there:
            self._left[fact.agent] = self._clock()
        agent = self._book().agent(fact.agent)
        if agent is None or agent.phone != "browser" or self._view.line_of(fact.agent) is None:
            self._changed.pop(fact.agent, None)
            return
        wait = BACK_FOR_S if fact.there else GONE_FOR_S
        self._changed[fact.agent] = (fact.there, asyncio.get_running_loop().time() + wait)
        self._stirred.set()

    async def run(self) -> None:
        """Does what is due, for ever; what fails is logged and looked at again."""
        loop = asyncio.get_running_loop()
        look_at = loop.time()
        while True:
            self._stirred.clear()
            try:
                await self._follow_contacts(loop.time())
                if loop.time() >= look_at:
                    look_at = loop.time() + LOOK_EVERY_S
                    self._forget_the_late()
                    if self._leads():
                        await self._withdraw_ended()
            except CallCenterError as exc:
                log.warning("phones in pages: tried again soon: %s", exc)
            due = min([look_at, *(at for _, at in self._changed.values())])
            try:
                async with asyncio.timeout_at(max(due, loop.time() + 0.1)):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def _follow_contacts(self, now: float) -> None:
        for extension, (there, at) in list(self._changed.items()):
            if at > now:
                continue
            del self._changed[extension]
            if not there:
                log.info(
                    "the page of agent %s has been gone for %g s: whom they talk with waits", extension, GONE_FOR_S
                )
                await self._quietly(self._wait_for(extension))
            elif extension in self._waiting:
                del self._waiting[extension]
                await self._quietly(self._orders.back_from_away(extension))

    async def _quietly(self, order: Awaitable[None]) -> None:
        try:
            await order
        except (RuleBroken, Refused) as exc:  # the talk ended meanwhile
            log.info("phones in pages: %s", exc)

    async def _wait_for(self, extension: str) -> None:
        waiting = await self._orders.wait_for_page(extension)
        if waiting is not None:
            self._waiting[extension] = (waiting, self._clock())

    def _forget_the_late(self) -> None:
        now = self._clock()
        for extension, (_, since) in list(self._waiting.items()):
            if now - since > AWAY:
                del self._waiting[extension]

    async def _withdraw_ended(self) -> None:
        async with self._database.scoped(Scope.only(())) as connection:
            ended = (await connection.execute(_ENDED, {"now": self._clock()})).all()
            await self._withdraw_each(
                connection, [row for row in ended if row.is_signed_in or self._view.line_of(row.extension) is None]
            )

    async def _withdraw_each(self, connection: AsyncConnection, logins: Iterable[Row[Any]]) -> None:
        for row in logins:
            await self._withdraw(row.extension)
            await connection.execute(_FORGET, {"agent": row.agent_id})
            log.info("the phone in the page of agent %s was withdrawn: its sign-in has ended", row.extension)

    async def _withdraw(self, extension: str) -> None:
        """A password that nobody was told takes its place: Asterisk then says that the old one is wrong."""
        await self._commands.put_password(_user(extension), secrets.token_urlsafe(24))

    async def _holds(self, extension: str, tab: str) -> bool:
        agent = self._page_of(extension)
        async with self._database.scoped(Scope.only(())) as connection:
            held = (await connection.execute(_HELD, {"agent": agent.id})).one_or_none()
        return held is not None and held.tab == tab

    def _page_of(self, extension: str) -> Agent:
        agent = self._book().agent(extension)
        if agent is None or agent.phone != "browser":
            raise RuleBroken(
                f"the phone of agent {extension} is not in the page", "refusal.phone_desk", agent=extension
            )
        return agent

    def _is_anothers(self, extension: str, held: Row[Any], tab: str, now: datetime) -> bool:
        """Whether another tab is the phone, or was given its password so lately that it may still come."""
        if held.tab == tab or held.expires_at <= now:
            return False
        left = self._left.get(extension)
        is_coming = now - held.issued_at < COMING and (left is None or left < held.issued_at)
        return is_coming or self._is_there(extension)

    def _is_there(self, extension: str) -> bool:
        """Whether a page is registered, as far as anything was told."""
        told = self._view.contacts().get(extension)
        if told is not None:
            return told
        return self._view.phones().get(extension, "unknown") not in GONE


def _user(extension: str) -> str:
    return f"{AGENT_ENDPOINT}{extension}"


_ONE_BY_ONE = text("SELECT pg_advisory_xact_lock(hashtext('phone_login'), CAST(:agent AS integer))")
"""There may be no row to lock yet: of two tabs that ask at once one is first."""
_HELD = text("SELECT tab, issued_at, expires_at FROM phone_login WHERE agent_id = :agent FOR UPDATE")
_HOLD = text(
    "INSERT INTO phone_login (agent_id, extension, session, tab, issued_at, expires_at) "
    "VALUES (:agent, :extension, :session, :tab, :now, :until) ON CONFLICT (agent_id) DO UPDATE SET "
    "extension = excluded.extension, session = excluded.session, tab = excluded.tab, "
    "issued_at = excluded.issued_at, expires_at = excluded.expires_at"
)
_LET_GO = text("DELETE FROM phone_login WHERE agent_id = :agent AND tab = :tab RETURNING agent_id")
_OF_SESSION = text("SELECT agent_id, extension FROM phone_login WHERE session = :session FOR UPDATE")
_ENDED = text(
    "SELECT p.agent_id, p.extension, (s.expires_at > :now AND u.disabled_at IS NULL) IS TRUE AS is_signed_in "
    "FROM phone_login p LEFT JOIN session s ON s.key_hash = p.session LEFT JOIN user_account u ON u.id = s.user_id "
    "WHERE p.expires_at <= :now OR (s.expires_at > :now AND u.disabled_at IS NULL) IS NOT TRUE "
    "FOR UPDATE OF p SKIP LOCKED"
)
_FORGET = text("DELETE FROM phone_login WHERE agent_id = :agent")
