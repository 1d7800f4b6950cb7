"""What an agent orders of the call they are in: hold, hand on, ask a colleague, hang up; and who hears it.

Every order goes by the live picture, one order of an agent at a time: the next one waits until the picture shows what
became of the one before, so that a button pressed twice does nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from callcenter.ami.commands import Commands
from callcenter.ami.facts import Line
from callcenter.ami.live import LiveView
from callcenter.ami.picture import TRUNK_CHANNEL
from callcenter.errors import Refused, RuleBroken, Unavailable
from callcenter.pbx.render import ECHO_CODE
from callcenter.routing.book import Book, Queue
from callcenter.words import ProviderId, UniqueId

Mode = Literal["listen", "whisper", "join"]
RING_FOR = timedelta(seconds=30)
SHOWN_WITHIN_S = 3.0
"""So long we wait for the picture to show what was ordered; Asterisk takes some milliseconds."""
ANSWERED_WITHIN_S = 3.0
GONE = frozenset({"unavailable", "invalid", "unknown"})
"""Phone states of a phone that cannot be rung."""
AGENTS = "from-agent"
PAGE_RINGS_FOR = timedelta(seconds=10)
KEY_EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Waiting:
    """A talk whose page has gone, as Asterisk names its two channels: the agent's leg, and who waits."""

    leg: str
    other: str


class TalkOrders:
    """Orders in a call. What came of one the live facts tell; nothing is repeated where nobody knows."""

    def __init__(self, book: Callable[[], Book], commands: Commands, view: LiveView) -> None:
        self._book = book
        self._commands = commands
        self._view = view
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def hold(self, extension: str) -> None:
        """Whom the agent talks with hears music, and the agent nothing; ten minutes at most."""
        async with self._in_turn(extension) as line:
            if line.held:
                if line.asked:
                    raise RuleBroken(f"you are asking {line.asked} already", "refusal.asks", agent=line.asked)
                raise RuleBroken("they are on hold already", "refusal.is_held")
            if not line.other.channel.startswith(TRUNK_CHANNEL):
                raise RuleBroken("a colleague is not put on hold", "refusal.holds_colleague")
            own, other = line.leg.channel, line.other.channel
            await self._commands.set_variable(other, "HOLD_OTHER", own)
            await self._commands.set_variable(own, "HOLD_OTHER", other)
            await self._commands.redirect(other, "caller", context="hold", other=(own, "agent"))
            await self._until(extension, lambda now: now is not None and now.held)

    async def unhold(self, extension: str) -> None:
        """The agent and who was on hold hear each other again."""
        async with self._in_turn(extension) as line:
            if not line.held:
                raise RuleBroken("nobody is on hold", "refusal.nobody_held")
            if line.asked:
                raise RuleBroken("take the caller back from asking your colleague", "refusal.take_back")
            await self._talk_on(extension, line)

    async def wait_for_page(self, extension: str) -> Waiting | None:
        """The page that is the agent's phone has gone: whom they talk with hears music until it is back.

        ``None`` where nobody waits; a phone that only rings is silent again.
        """
        async with self._turns[extension]:
            line = self._view.line_of(extension)
            if line is not None and line.asked:
                await self._commands.cancel_transfer(line.leg.channel)
                await self._until(extension, lambda now: now is None or not now.held)
                line = self._view.line_of(extension)
            if line is None:
                for leg in self._view.legs_of(extension):
                    await self._commands.hangup(leg)
                return None
            own, other = line.leg.channel, line.other.channel
            if not other.startswith(TRUNK_CHANNEL):
                return None
            await self._commands.set_variable(other, "HOLD_OTHER", own)
            try:
                await self._commands.redirect(other, "away", context="hold", other=(own, "agent-away"))
            except Refused:  # the old leg has just ended: whom it talked with is still there, or the talk is over
                await self._commands.redirect(other, "away", context="hold")
            await self._until(extension, lambda _: self._view.is_alone(other))
            return Waiting(own, other)

    async def resume(self, extension: str, waiting: Waiting) -> None:
        """The page is back: it is rung, answers by itself and talks on with whom ``wait_for_page`` has named."""
        async with self._turns[extension]:
            await self._commands.originate(
                interface_of(extension),
                context="hold",
                exten="resume",
                caller_id=extension,
                channels={"HOLD_OTHER": waiting.other, "HOLD_OLD": waiting.leg},
                ring_for=PAGE_RINGS_FOR,
                answers_itself=True,
            )

    async def back_from_away(self, extension: str) -> None:
        """The page was gone and its sound is not: agent and caller, who heard music, talk on by the same legs."""
        async with self._in_turn(extension) as line:
            if line.held and not line.asked:
                await self._commands.set_variable(line.leg.channel, "HOLD_OTHER", line.other.channel)
                await self._talk_on(extension, line)

    async def echo(self, extension: str) -> None:
        """Rings the agent's phone; it hears itself then, as others hear it."""
        self._must_have_a_free_phone(extension)
        await self._commands.originate(
            interface_of(extension), context=AGENTS, exten=ECHO_CODE, caller_id=ECHO_CODE, ring_for=RING_FOR,
            answers_itself=self._answers_itself(extension),
        )  # fmt: skip

    async def dtmf(self, extension: str, digits: str) -> None:
        """Whom the agent talks with hears these keys, one after another."""
        async with self._in_turn(extension) as line:
            if line.held:
                raise RuleBroken("nobody hears it: they are on hold", "refusal.is_held")
            for digit in digits:
                await self._commands.dtmf(line.other.channel, digit)
                await asyncio.sleep(KEY_EVERY_S)

    async def mute(self, extension: str, muted: bool) -> None:
        """Nobody hears the agent, or they are heard again; what the phone's own button does is another thing."""
        async with self._in_turn(extension) as line:
            await self._commands.mute(line.leg.channel, muted)

    async def answer(self, extension: str) -> None:
        """The phone on the desk that rings is told to answer.

        ``RuleBroken`` when nothing rings, and when the phone does not do it: not every phone knows how.
        """
        async with self._turns[extension]:
            agent = self._book().agent(extension)
            if agent is not None and agent.phone == "browser":
                raise RuleBroken("a phone in the page is answered there", "refusal.answer_there")
            legs = [] if self._view.line_of(extension) is not None else self._view.legs_of(extension)
            if not legs:
                raise RuleBroken(f"the phone of agent {extension} does not ring", "refusal.nothing_rings")
            for leg in legs:
                await self._commands.ask_to_answer(leg)
            if not await self._picked_up(extension):
                raise RuleBroken("this phone does not answer by a button of the page", "refusal.phone_deaf")

    async def _picked_up(self, extension: str) -> bool:
        """Whether the phone is seen to be answered, or its caller to be gone, within some seconds."""

        def over() -> bool:
            is_answered = self._view.phones().get(extension) == "inuse" or self._view.line_of(extension) is not None
            return is_answered or not self._view.legs_of(extension)

        return await self._seen(over, ANSWERED_WITHIN_S)

    async def hang_up(self, extension: str) -> None:
        """The agent's part ends; a caller on hold goes back to the head of the provider's queue.

        A phone that only rings or dials is hung up too.
        """
        line = self._view.line_of(extension)
        legs = [line.leg.channel] if line is not None else self._view.legs_of(extension)
        if not legs:
            raise RuleBroken(f"agent {extension} is in no call", "refusal.no_call", agent=extension)
        for leg in legs:
            await self._commands.hangup(leg)

    async def transfer(self, extension: str, to: str) -> None:
        """Hands whom the agent talks with on, without asking: to a colleague's extension or a queue of the provider."""
        async with self._in_turn(extension) as line:
            self._must_talk_with_a_subscriber(line)
            queue = self._book().queue_named(to)
            if queue is not None:
                self._must_be_of_the_calls_provider(line, queue)
            else:
                self._must_be_reachable(extension, to)
            if line.held:
                line = await self._talk_on(extension, line)
            await self._commands.blind_transfer(line.leg.channel, to, context=AGENTS)

    async def consult(self, extension: str, to: str) -> None:
        """Asks a colleague first: the caller hears music meanwhile, and is back when the colleague does not answer."""
        async with self._in_turn(extension) as line:
            self._must_talk_with_a_subscriber(line)
            self._must_be_reachable(extension, to)
            if line.held:
                line = await self._talk_on(extension, line)
            await self._commands.attended_transfer(line.leg.channel, to, context=AGENTS)
            await self._until(extension, lambda now: now is None or bool(now.asked))

    async def complete(self, extension: str) -> None:
        """The caller and the colleague who was asked talk on without the agent."""
        async with self._in_turn(extension) as line:
            if not line.asked:
                raise RuleBroken("no colleague is asked", "refusal.nobody_asked")
            if not line.asked_talks:
                raise RuleBroken(f"{line.asked} has not answered yet", "refusal.not_yet", agent=line.asked)
            await self._commands.hangup(line.leg.channel)

    async def take_back(self, extension: str) -> None:
        """The colleague who was asked is let go, and the agent talks with the caller again."""
        async with self._in_turn(extension) as line:
            if not line.asked:
                raise RuleBroken("no colleague is asked", "refusal.nobody_asked")
            await self._commands.cancel_transfer(line.leg.channel)
            await self._until(extension, lambda now: now is None or not now.held)

    async def listen(self, extension: str, agent: str, mode: Mode, *, call: UniqueId) -> None:
        """Rings the supervisor's phone; it hears what ``agent`` says and hears in this one call, till its end."""
        if extension == agent:
            raise RuleBroken("this is your own phone", "refusal.own_phone")
        line = self._view.line_of(agent)
        if line is None or call not in {line.call, line.leg.uniqueid}:
            raise RuleBroken(f"agent {agent} is in that call no more", "refusal.call_over", agent=agent)
        self._must_have_a_free_phone(extension)
        await self._commands.originate(
            interface_of(extension),
            context="listen",
            exten=mode,
            caller_id=agent,
            variables={"HEARD": line.leg.uniqueid},
            ring_for=RING_FOR,
            answers_itself=self._answers_itself(extension),
        )

    # ---- what must be so

    def _must_talk_with_a_subscriber(self, line: Line) -> None:
        if not line.other.channel.startswith(TRUNK_CHANNEL):
            raise RuleBroken("only a subscriber is handed on", "refusal.no_subscriber")
        if line.asked:
            raise RuleBroken(f"you are asking {line.asked} already", "refusal.asks", agent=line.asked)

    def _must_be_of_the_calls_provider(self, line: Line, queue: Queue) -> None:
        owner = self._provider_of(line)
        if owner is None:
            raise RuleBroken("whom you called yourself is handed to a colleague only", "refusal.no_queue")
        if queue.provider != owner:
            raise RuleBroken(f"{queue.name} is another provider's queue", "refusal.other_queue", queue=queue.name)

    def _provider_of(self, line: Line) -> ProviderId | None:
        """Whose call it is; ``None`` for one of the agent's own making, which no queue knows."""
        slug = line.provider if line.call == line.other.uniqueid else ""
        found = self._book().by_slug(slug)
        return None if found is None else found.id

    def _must_be_reachable(self, extension: str, to: str) -> None:
        if to == extension:
            raise RuleBroken("this is your own phone", "refusal.own_phone")
        if self._book().agent(to) is None:
            raise RuleBroken(f"there is no colleague or queue {to}", "refusal.nobody", agent=to)
        if to in self._view.agents_on_a_line():
            raise RuleBroken(f"the phone of agent {to} is in a call", "refusal.busy", agent=to)
        if self._view.phones().get(to) in GONE:
            raise RuleBroken(f"the phone of agent {to} is not connected", "refusal.unreachable", agent=to)

    def _must_have_a_free_phone(self, extension: str) -> None:
        if self._book().agent(extension) is None:
            raise RuleBroken(f"there is no agent {extension}", "refusal.nobody", agent=extension)
        if extension in self._view.agents_on_a_line():
            raise RuleBroken(f"the phone of agent {extension} is in a call", "refusal.busy", agent=extension)

    def _answers_itself(self, extension: str) -> bool:
        """Whether a phone that its agent orders to ring need not be picked up: the page is under their eyes."""
        agent = self._book().agent(extension)
        return agent is not None and (agent.phone == "browser" or agent.auto_answer)

    # ---- how it is done

    @asynccontextmanager
    async def _in_turn(self, extension: str) -> AsyncIterator[Line]:
        """The agent's part in a call, once the order before has been seen; ``RuleBroken`` when they are in none."""
        async with self._turns[extension]:
            line = self._view.line_of(extension)
            if line is None:
                raise RuleBroken(f"agent {extension} talks with nobody now", "refusal.no_call", agent=extension)
            yield line

    async def _talk_on(self, extension: str, line: Line) -> Line:
        await self._commands.redirect(line.leg.channel, "talk", context="hold")
        await self._until(extension, lambda now: now is None or not now.held)
        now = self._view.line_of(extension)
        if now is None or now.held:
            raise Unavailable("Asterisk", f"agent {extension} does not talk with {line.other.channel} again")
        return now

    async def _until(self, extension: str, seen: Callable[[Line | None], bool]) -> None:
        """Waits a little for the picture; an order whose end is not seen in time is told by the facts later."""
        await self._seen(lambda: seen(self._view.line_of(extension)), SHOWN_WITHIN_S)

    async def _seen(self, what: Callable[[], bool], within_s: float) -> bool:
        """Whether the picture comes to show it in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    if what():
                        return True
                    await asyncio.sleep(0.02)
        return False


def interface_of(extension: str) -> str:
    """The SIP endpoint of an agent's phone, as Asterisk names it."""
    return f"PJSIP/agent-{extension}"
