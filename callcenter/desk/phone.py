"""What an agent orders of their own phone, as routes: hold, hand on, ask a colleague, hang up, dial."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from callcenter.desk.api import Ask, Id, Route, not_found
from callcenter.desk.live_state import AgentWanted, Extension, may_order
from callcenter.routing.numbers import caller_number
from callcenter.words import ProviderId

Aim = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
"""A colleague's extension, or a queue of the provider whose call it is."""


class ToWanted(AgentWanted):
    to: Aim


class DialWanted(AgentWanted):
    provider: Id
    """On whose behalf: the number they see is this provider's."""
    number: Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")]


class CallWanted(AgentWanted):
    other: Extension


def _own(ask: Ask, wanted: AgentWanted) -> str:
    may_order(ask.visitor, wanted.extension, ask.ports.book())
    return wanted.extension


async def hold(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.hold(_own(ask, wanted))


async def unhold(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.unhold(_own(ask, wanted))


async def answer(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.answer(_own(ask, wanted))


async def hang_up(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.hang_up(_own(ask, wanted))


async def transfer(ask: Ask, wanted: ToWanted) -> None:
    await ask.ports.telephony.transfer(_own(ask, wanted), wanted.to)


async def consult(ask: Ask, wanted: ToWanted) -> None:
    await ask.ports.telephony.consult(_own(ask, wanted), wanted.to)


async def complete(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.complete(_own(ask, wanted))


async def take_back(ask: Ask, wanted: AgentWanted) -> None:
    await ask.ports.telephony.take_back(_own(ask, wanted))


async def dial(ask: Ask, wanted: DialWanted) -> None:
    """Rings the agent's phone first, then the number; the card of whom they call is shown. Foreign provider: 404."""
    extension, provider = _own(ask, wanted), ProviderId(wanted.provider)
    if not ask.scope.holds(provider) or ask.ports.book().provider(provider) is None:
        raise not_found()
    number = caller_number(wanted.number, ask.ports.country).number
    await ask.ports.telephony.dial(extension, provider, number, ask.visitor.who)
    ask.ports.dialling(provider, number, extension)


async def call(ask: Ask, wanted: CallWanted) -> None:
    await ask.ports.telephony.call_colleague(_own(ask, wanted), wanted.other)


API = (
    Route("POST", "/agents/{extension}/hold", "hold", "Put whom you talk with on hold", AgentWanted, None, hold,
          tag="phone"),
    Route("POST", "/agents/{extension}/unhold", "unhold", "Talk on", AgentWanted, None, unhold, tag="phone"),
    Route("POST", "/agents/{extension}/answer", "answer", "Have the phone on your desk answered", AgentWanted, None,
          answer, tag="phone"),
    Route("POST", "/agents/{extension}/hang-up", "hang_up", "End your part of the call", AgentWanted, None, hang_up,
          tag="phone"),
    Route("POST", "/agents/{extension}/transfer", "transfer", "Hand the caller on, without asking", ToWanted, None,
          transfer, tag="phone"),
    Route("POST", "/agents/{extension}/consult", "consult", "Ask a colleague first; the caller waits", ToWanted, None,
          consult, tag="phone"),
    Route("POST", "/agents/{extension}/complete", "complete", "Connect the caller to whom you asked", AgentWanted,
          None, complete, tag="phone"),
    Route("POST", "/agents/{extension}/take-back", "take_back", "Talk with the caller again", AgentWanted, None,
          take_back, tag="phone"),
    Route("POST", "/agents/{extension}/dial", "dial", "Ring your phone, then a number on a provider's behalf",
          DialWanted, None, dial, tag="phone"),
    Route("POST", "/agents/{extension}/call-colleague", "call_colleague", "Ring your phone, then a colleague's",
          CallWanted, None, call, tag="phone"),
)  # fmt: skip
