"""An agent calls a subscriber back: what is dialled, through which trunk, under whose number. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.callbacks.queue import Callback, one_callback
from callcenter.errors import RuleBroken
from callcenter.routing.book import Book
from callcenter.routing.numbers import to_e164
from callcenter.words import E164, Did, ProviderId


@dataclass(frozen=True, slots=True)
class CallOrder:
    """What Asterisk is asked for: the agent's phone first, then the number, under the provider's own DID."""

    callback: int | None
    """The callback it is for; ``None`` for a number that was just dialled and is owed nothing."""
    agent: str
    """Extension; the channel is ``PJSIP/agent-<extension>``."""
    number: E164
    caller_id: Did
    provider_slug: str
    trunk: str

    @property
    def variables(self) -> dict[str, str]:
        """Channel variables of the originated call; the context is ``outbound``, the extension the number's digits."""
        return {
            "CALLBACK": "" if self.callback is None else str(self.callback), "PROVIDER": self.provider_slug,
            "DIALFROM": self.caller_id, "TRUNK": self.trunk,
        }  # fmt: skip

    def paying(self, callback: int | None) -> CallOrder:
        """The same call, as an attempt of the callback that this number is owed, if it is owed one."""
        return replace(self, callback=callback)


async def start_call_back(
    connection: AsyncConnection, book: Book, callback: int, agent: str, *, allow: Iterable[str], trunk: str | None
) -> CallOrder:
    """Raises ``RuleBroken`` when there is nothing to call back, or it may not be called by this agent."""
    found = await one_callback(connection, callback)
    if found is None or found.closed_at is not None:
        raise RuleBroken(f"callback {callback} is not open")
    return order_for(found, book, agent, allow=allow, trunk=trunk)


def order_for(found: Callback, book: Book, agent: str, *, allow: Iterable[str], trunk: str | None) -> CallOrder:
    """An agent calls back a number that is allowed, for a provider they work for, through that provider's own trunk."""
    if book.provider(found.provider) is None or found.provider not in book.providers_of(agent):
        raise RuleBroken(f"agent {agent} does not work for the provider of callback {found.id}")
    if not found.callable:
        raise RuleBroken(f"callback {found.id} has no number that can be called")
    return order_of(found.provider, found.number, book, agent, allow=allow, trunk=trunk, callback=found.id)


def order_of(
    owner: ProviderId, dialled: str, book: Book, agent: str, *, allow: Iterable[str], trunk: str | None,
    callback: int | None = None,
) -> CallOrder:  # fmt: skip
    """A number that is allowed is called for a provider through that provider's own trunk, under its own DID.

    Raises ``RuleBroken`` for no such provider, for what is no number, for one that may not be called, for no way out.
    """
    provider = book.provider(owner)
    if provider is None:
        raise RuleBroken(f"there is no provider {owner}")
    number = to_e164(dialled, book.country)
    if not any(number.startswith(prefix) for prefix in allow):
        message = f"{number} may not be called from here: its prefix is not in outbound.allow"
        raise RuleBroken(message, "refusal.not_allowed", number=number)
    caller_id = book.first_did(owner)
    own = next((each.name for each in book.trunks if each.provider == owner and each.outbound_uri), trunk)
    if caller_id is None or own is None:
        missing = "DID" if caller_id is None else "trunk"
        message = f"provider {provider.slug} has no {missing} to call through"
        raise RuleBroken(message, "refusal.no_way_out", provider=provider.brand)
    return CallOrder(callback, agent, number, caller_id, provider.slug, own)
