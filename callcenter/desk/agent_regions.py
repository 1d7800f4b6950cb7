"""The parts of the agent's page, drawn one by one: what a template is given, and what it may show to this reader."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from callcenter.desk.agent_words import AgentWords
from callcenter.desk.card import Stage
from callcenter.desk.greeting import greeting_sentence
from callcenter.desk.lookups import OPEN_CALLBACKS
from callcenter.desk.pages import PAGES, PORTS, visible_providers
from callcenter.desk.screen import Region, Screen
from callcenter.desk.screens import Screens
from callcenter.desk.sessions import Visitor
from callcenter.diag.conclusion import Lamp
from callcenter.routing.book import Book
from callcenter.routing.reasons import call_reasons, pause_reasons
from callcenter.store import Scope
from callcenter.words import Language

IN_A_CALL = frozenset({"talking", "on_hold"})
"""States in which there is something to order of the phone, even without a card: a colleague is on the line."""


class AgentRegions:
    """Draws for every open page; what is the same for many readers is drawn once."""

    def __init__(self, screens: Screens) -> None:
        self._screens = screens
        self._lists: dict[tuple[Language, Scope], tuple[object, str]] = {}

    def draw(self, request: web.Request, visitor: Visitor, screen: Screen, region: Region) -> str:
        """One region as HTML."""
        ports, rail = request.app[PORTS], self._screens.rail
        values: dict[str, Any] = {
            "visitor": visitor,
            "words": AgentWords(request.app[PAGES].catalogues[visitor.language]),
            "csrf": visitor.csrf,
            "now": ports.clock(),
            "providers": {provider.id: provider for provider in visible_providers(ports.book(), visitor)},
        }
        match region:
            case Region.CALLBACKS:
                return self._list_of_callbacks(request, visitor, screen, values)
            case Region.LINK:
                values["lost_since"] = self._screens.lost_since
            case Region.STATUS | Region.IDLE:
                values |= {"status": rail.status(screen), "most": OPEN_CALLBACKS}
                values |= {"reasons": pause_reasons(ports.book()), "agent": ports.book().agent(screen.extension)}
            case Region.CALLS:
                values |= {"calls": rail.calls(screen), "reasons_of": call_reasons}
            case Region.MINE:
                values["mine"] = rail.mine(screen)
            case Region.MESSAGES:
                values["messages"] = rail.messages(screen)
            case Region.PHONE:
                values |= self._phone(screen, ports.book())
            case Region.DIAGNOSIS:
                values |= self._card(request, screen) | {
                    "examined": self._screens.examined(screen.extension),
                    "lamps": tuple(Lamp),
                }
            case Region.CARD | Region.PAST | Region.NOTE:
                values |= self._card(request, screen)
        return request.app[PAGES].fragment(visitor.language, f"agent/{region}.html", **values)

    def _list_of_callbacks(self, request: web.Request, visitor: Visitor, screen: Screen, values: dict[str, Any]) -> str:
        """Pages of the same providers and language show the same promises: they are drawn once for all of them."""
        owed = self._screens.rail.owed(screen)
        drawn = self._lists.get((visitor.language, screen.scope))
        if drawn is None or drawn[0] is not owed:
            names = {agent.extension: agent.name for agent in request.app[PORTS].book().agents}
            html = request.app[PAGES].fragment(
                visitor.language, "agent/callbacks.html", **values, owed=owed, agents=names
            )
            drawn = self._lists[visitor.language, screen.scope] = (owed, html)
        return drawn[1]

    def _phone(self, screen: Screen, book: Book) -> dict[str, Any]:
        """A call that is on the line can be held, handed on and hung up, whoever is at the other end."""
        shown, status = self._screens.shown(screen.extension), self._screens.rail.status(screen)
        state, asked = status.state, book.agent(status.asked)
        talks = shown is not None and shown[1].stage in {Stage.TALKING, Stage.CALLING}
        return {
            "on_the_line": talks or state in IN_A_CALL,
            "asked": status.asked if asked is None else asked.name,
            "held": state == "on_hold" or (shown is not None and talks and shown[1].held),
        }

    def _card(self, request: web.Request, screen: Screen) -> dict[str, Any]:
        """The card on top; one of a provider the agent does not work for shows nothing of it."""
        ports, shown = request.app[PORTS], self._screens.shown(screen.extension)
        if shown is None:
            return {"card": None, "seat": None, "withheld": False}
        card, seat = shown
        agents = {agent.extension: agent.name for agent in ports.book().agents}
        name = agents.get(screen.extension, "")
        return {
            "card": card,
            "seat": seat,
            "withheld": not screen.scope.holds(card.provider.id),
            "greeting": greeting_sentence(
                card.provider, card.language, name, ports.clock(), calls_back=card.own is not None
            ),
            "agents": agents,
            "zone": card.provider.timezone,
            "reasons": call_reasons(card.provider),
            "note": self._screens.note_of(screen.extension),
        }
