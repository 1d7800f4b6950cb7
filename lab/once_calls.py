"""The calls of ``make demo ONCE=1``: who calls, what they do, and what must have come of it."""

from __future__ import annotations

import asyncio
import io
import time
from contextlib import AsyncExitStack
from typing import TypeVar

import aiohttp
import soundfile

from lab.agent_page import AgentPage, agent_page
from lab.house import House
from lab.olt import Fault
from lab.people import people
from lab.promises import Books, Broken, must
from lab.rtp import RATE, level
from lab.sip import CONTROLLED, Behaviour, Call, CallerId

DID, ONE_LINE, KRAY, FAST, NIGHT = (f"3804412{digit}0001" for digit in "34567")
UNKNOWN = "380449999999"
T = TypeVar("T")
ANSWERS = Behaviour(answer_after=0.2)
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"';DROP TABLE call"


class Scene:
    """Some calls that belong together: they use the same agents, one after the other."""

    def __init__(self, house: House, books: Books) -> None:
        self.house = house
        self.books = books

    def set(self, behaviour: Behaviour, *extensions: str) -> None:
        for extension in extensions:
            self.house.phones[extension].behaviour = behaviour
            self.house.phones[extension].forget()

    async def open_page(self, stack: AsyncExitStack, extension: str) -> AgentPage:
        login = f"agent{extension}"
        return await stack.enter_async_context(agent_page(self.house.url, login, self.house.passwords[login]))


async def _first_ring(house: House, *extensions: str) -> tuple[str, Call, float]:
    """Whose phone rings first, with that call and the moment."""
    tasks = {asyncio.ensure_future(house.phones[each].rings(25)): each for each in extensions}
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    now = time.monotonic()
    for task in waiting:
        task.cancel()
    first = done.pop()
    return tasks[first], first.result(), now


def _had(value: T | None) -> T:
    """What an earlier call left for this one. Raises ``Broken`` when that call failed."""
    if not value:
        raise Broken("the call before this one failed")
    return value


class AnsweredCalls(Scene):
    """СвітлоНет, agents 101 and 102: the card, the conversation, its recording; and an agent who does not answer."""

    async def open_pages(self, stack: AsyncExitStack) -> None:
        both = await asyncio.gather(*(self.open_page(stack, each) for each in ("101", "102")))
        self.pages = dict(zip(("101", "102"), both, strict=True))
        self.answered_call = ""
        self.rung: tuple[str, Call, Call] | None = None
        """Who was rung, their leg, and the caller's."""

    async def run(self) -> None:
        books = self.books
        await books.check("the ringing agent sees whose call, who calls, how their line is", self._pop())
        await books.check("the call is answered and the books say so", self._answered())
        await books.check("the recording can be played: caller left, agent right", self._recording())
        await books.check("ring-no-answer: the next agent gets the call and the card", self._no_answer())

    async def _pop(self) -> str:
        olt, place = self.house.olts["svitlo-epon"], 3
        onu = self.house.plan.onus_of("svitlonet")[place]
        olt.power_back(onu)
        olt.set_level(onu, -28.4)
        person = list(people(0, place + 1, "", []))[place]
        self.set(CONTROLLED, "101", "102")
        self.number = f"+38{person.phone}"
        caller = await self.house.dial(DID, self.number[1:])
        agent, ringing, rang = await _first_ring(self.house, "101", "102")
        self.rung = agent, ringing, caller
        card = await self.pages[agent].shows(lambda card: card.stage == "ringing" and card.is_complete)
        late = (card.at - rang) * 1000
        must(card == next(each for each in self.pages[agent].cards if each.call == card.call), "it came in pieces")
        for wanted in ("СвітлоНет", person.name, "Дуже слабкий сигнал", person.account):
            must(wanted in card.text, f"no {wanted!r} on the card: {card.text}")
        other = next(page for extension, page in self.pages.items() if extension != agent)
        must(not any(each.call == card.call for each in other.cards), "the other agent saw the card too")
        return f"{person.name}, weak line; whole in its first frame, {late:+.0f} ms from the ring"

    async def _answered(self) -> str:
        agent, ringing, caller = _had(self.rung)
        ringing.answer()
        await ringing.answered()
        await self.pages[agent].shows(lambda card: card.stage == "talking")
        await asyncio.sleep(4)
        caller.hangup()
        call = await self.books.over(self.number, "answered")
        must(call["agents"] == [agent], f"agents {call['agents']}")
        must(not await self.books.owed(self.number), "a callback was opened")
        self.answered_call = str(call["id"])
        return f"{agent} talked {call['talked_s']:.1f} s; no callback"

    async def _recording(self) -> str:
        recording = await self.books.recording(_had(self.answered_call))
        must(recording["state"] == "stored", f"the recording is {recording['state']}: {recording['note']}")
        url = self.house.url + recording["audio"]
        headers = {"Authorization": f"Bearer {self.house.api_token}"}
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.get(url, headers={"Range": "bytes=0-3"}) as part:
                must(part.status == 206 and await part.read() == b"OggS", f"Range: {part.status}")
            async with http.get(url) as whole:
                sound = await whole.read()
        must(len(sound) == recording["bytes"], f"{len(sound)} bytes instead of {recording['bytes']}")
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16", always_2d=True)
        must(samples.shape[1] == 2, f"{samples.shape[1]} channels")
        middle = samples[len(samples) // 2 : len(samples) // 2 + rate // 2 : rate // RATE]
        heard = [level(middle[:, side].tolist(), hertz) for side, hertz in ((0, 440), (1, 880))]
        must(min(heard) > 0.8, f"tones of caller and agent: {heard}")
        return f"Ogg Opus, stereo, {recording['duration_s']:.1f} s, HTTP Range 206"

    async def _no_answer(self) -> str:
        number = "+380639100001"
        self.set(CONTROLLED, "101", "102")
        caller = await self.house.dial(DID, number[1:])
        silent, _, _ = await _first_ring(self.house, "101", "102")
        other = "102" if silent == "101" else "101"
        card = await self.pages[silent].shows(lambda card: card.stage == "ringing" and "910 00 01" in card.text)
        second = await self.house.phones[other].rings(25)
        await self.pages[other].shows(lambda each: each.call == card.call and each.stage == "ringing")
        second.answer()
        await self.books.talking(number)
        must(self.pages[silent].card.call != card.call, f"the card still stands with {silent}")
        await asyncio.sleep(1.5)
        caller.hangup()
        call = await self.books.over(number, "answered")
        must(call["agents"] == [other] and set(call["rang"]) == {"101", "102"}, f"{call['rang']} -> {call['agents']}")
        return f"{silent} did not answer, {other} did; the card moved on"


class Showing(Scene):
    """FastFiber, agent 105: what a card must survive."""

    async def open_pages(self, stack: AsyncExitStack) -> None:
        self.page = await self.open_page(stack, "105")

    async def run(self) -> None:
        await self.books.check("a hostile caller name is only a name", self._hostile())
        await self.books.check("a silent OLT delays nothing and is never 'offline'", self._silent_olt())
        await self.books.check("a port without light is not one caller's fault", self._dark_port())

    async def _hostile(self) -> str:
        number = "+380639100002"
        self.set(CONTROLLED, "105")
        caller = await self.house.dial(FAST, CallerId(number[1:], HOSTILE))
        await _first_ring(self.house, "105")
        card = await self.page.shows(lambda card: card.stage == "ringing" and card.is_complete)
        caller.hangup()
        must("alert(1)" in card.text, f"the name is not shown: {card.text}")
        must(not card.tags & {"script", "img"}, f"the name became markup: {card.tags}")
        await self.books.over(number, "left_ringing")
        await self.books.owed_once(number)
        return "shown as text, stored whole, owed a callback"

    async def _silent_olt(self) -> str:
        person = list(people(3, 6, "", []))[5]
        self.house.olts["fast-gpon"].fault = Fault.SILENT
        self.set(CONTROLLED, "105")
        caller = await self.house.dial(FAST, f"38{person.phone}")
        _, ringing, rang = await _first_ring(self.house, "105")
        card = await self.page.shows(lambda card: card.stage == "ringing" and person.name in card.text)
        whole = await self.page.shows(lambda card: card.call != "" and person.name in card.text and card.is_complete)
        self.house.olts["fast-gpon"].fault = None
        line = whole.html.partition('<section class="line')[2].partition(">")[0]
        must("unknown" in line, f"the line is judged: {whole.text}")
        ringing.answer()
        number = f"+38{person.phone}"
        await self.books.talking(number)
        await asyncio.sleep(1.5)
        caller.hangup()
        await self.books.over(number, "answered")
        return f"who calls stood there {(card.at - rang) * 1000:+.0f} ms from the ring, the line as unknown"

    async def _dark_port(self) -> str:
        """Nobody swept the OLT since: the neighbours are read while the phone rings."""
        olt, place = self.house.olts["fast-gpon"], 9
        onu = olt.onu(self.house.plan.onus_of("fastfiber")[place])
        await self.house.callcenter("diag", "sweep", "fastfiber", "fast-gpon")
        olt.cut(onu.address.pon)
        person = list(people(3, place + 1, "", []))[place]
        self.set(CONTROLLED, "105")
        caller = await self.house.dial(FAST, f"38{person.phone}")
        _, ringing, rang = await _first_ring(self.house, "105")
        card = await self.page.shows(lambda card: person.name in card.text and "Не тільки у вас" in card.text)
        olt.splice(onu.address.pon)
        ringing.answer()
        await self.books.talking(f"+38{person.phone}")
        await asyncio.sleep(1.5)
        caller.hangup()
        await self.books.over(f"+38{person.phone}", "answered")
        said = card.text[card.text.index("Не тільки у вас") :][:60]
        return f"«{said}…» {(card.at - rang) * 1000:+.0f} ms from the ring"


class LostCalls(Scene):
    """Край, agent 104: callers who give up, and one who comes back."""

    async def run(self) -> None:
        await self.books.check("who leaves while a phone rings is owed a callback", self._left_ringing())
        await self.books.check("who comes back and gets through pays the debt", self._comes_back())
        await self.books.check("who leaves the queue is owed a callback", self._left_waiting())

    number = "+380639100003"

    async def _left_ringing(self) -> str:
        self.set(CONTROLLED, "104")
        caller = await self.house.dial(KRAY, self.number[1:])
        await _first_ring(self.house, "104")
        began = time.monotonic()
        caller.hangup()
        await self.books.owed_once(self.number)
        took = time.monotonic() - began
        await self.books.over(self.number, "left_ringing")
        return f"open {took:.1f} s after the hang-up"

    async def _comes_back(self) -> str:
        self.set(ANSWERS, "104")
        caller = await self.house.dial(KRAY, self.number[1:])
        call = await self.books.talking(self.number)
        await asyncio.sleep(1.5)
        caller.hangup()
        await self.books.over(self.number, "answered")
        must(not await self.books.owed(self.number), "the callback is still open")
        return f"answered by {call['agents'] or call['rang']}; the callback closed by itself"

    async def _left_waiting(self) -> str:
        first, second = "+380639100004", "+380639100005"
        self.set(ANSWERS, "104")
        talks = await self.house.dial(KRAY, first[1:])
        await self.books.talking(first)
        waits = await self.house.dial(KRAY, second[1:])
        try:
            await self.books.call(second, lambda call: call["queued_at"] is not None, f"{second} waits")
            await asyncio.sleep(1)
            waits.hangup()
            await self.books.owed_once(second)
            call = await self.books.over(second, "left_waiting")
        finally:
            talks.hangup()
        await self.books.over(first, "answered")
        return f"after {call['waited_s']:.0f} s; the one who talked is owed nothing"


class NamedEnds(Scene):
    """Дім.Лінк with one line, a closed provider, a number nobody has, and a caller without a number."""

    async def run(self) -> None:
        await self.books.check("a number nobody has gets an end of its own", self._unknown())
        await self.books.check("a full provider's caller is owed a callback", self._full())
        await self.books.check("who leaves in the greeting is owed a callback", self._left_in_greeting())
        await self.books.check("an anonymous caller is counted, and known to have no number", self._anonymous())
        await self.books.check("who calls out of hours is owed a callback", self._closed())

    number = "+380639100007"
    caller: Call | None = None

    async def _unknown(self) -> str:
        number = "+380639100006"
        end = await (await self.house.dial(UNKNOWN, number[1:])).ended()
        must(end.status == 404, f"SIP {end.status}")
        call = await self.books.over(number, "unknown_did")
        must(call["provider"] is None and not await self.books.owed(number), "it was given to a provider")
        return "SIP 404; no provider's, no callback"

    async def _full(self) -> str:
        refused = "+380639100008"
        self.caller = await self.house.dial(ONE_LINE, self.number[1:])
        await self.caller.answered()
        end = await (await self.house.dial(ONE_LINE, refused[1:])).ended()
        must(end.status == 486, f"SIP {end.status}")
        await self.books.over(refused, "lines_full")
        await self.books.owed_once(refused)
        return "SIP 486, in the books, callback open"

    async def _left_in_greeting(self) -> str:
        began = time.monotonic()
        _had(self.caller).hangup()
        await self.books.owed_once(self.number)
        took = time.monotonic() - began
        await self.books.over(self.number, "left_in_greeting")
        return f"open {took:.1f} s after the hang-up"

    async def _anonymous(self) -> str:
        caller = await self.house.dial(ONE_LINE, CallerId("380639999999", anonymous=True))
        await caller.answered()
        caller.hangup()
        owed = await self.books.owed_once("")
        must(owed["callable"] is False, "it looks as if somebody could call back")
        return "one callback without a number"

    async def _closed(self) -> str:
        number = "+380639100009"
        caller = await self.house.dial(NIGHT, number[1:])
        await caller.answered()
        await caller.ended(30)
        await self.books.over(number, "closed")
        await self.books.owed_once(number)
        return "heard the hours, callback open"


class BrokenParts(Scene):
    """The service is killed in mid-call; and nobody sees another provider's data."""

    def __init__(self, house: House, books: Books, answered: AnsweredCalls) -> None:
        super().__init__(house, books)
        self._answered = answered
        self._walls_seen = asyncio.Event()

    async def run(self) -> None:
        await asyncio.gather(
            self.books.check("service killed (-9) in mid-call: nothing is lost", self._killed()),
            self.books.check("nobody sees another provider's calls and recordings", self._walls()),
        )
        await self.books.check("the service says of itself that it is well", self._health())

    async def _killed(self) -> str:
        talks, leaves = "+380639100010", "+380639100011"
        self.set(ANSWERS, "101", "102")
        caller = await self.house.dial(DID, talks[1:])
        await self.books.talking(talks)
        await self._walls_seen.wait()
        await self.house.service.kill9()
        missed = await self.house.dial(KRAY, leaves[1:])
        await missed.answered()
        missed.hangup()
        await self.house.service.start()
        must(not caller.is_ended, "the conversation was cut")
        caller.hangup()
        call = await self.books.over(talks, "answered")
        recording = await self.books.recording(str(call["id"]))
        must(recording["state"] == "stored", f"the recording is {recording['state']}: {recording['note']}")
        must(not await self.books.owed(talks), "a callback for a conversation")
        await self.books.owed_once(leaves)
        await self.books.over(leaves, "left_in_greeting")
        return "one answered call with its recording, one callback for who called meanwhile"

    async def _walls(self) -> str:
        try:
            token = await self.house.new_token("domlink-only", "domlink")
            call = _had(self._answered.answered_call)
            recording = (await self.books.recording(call))["audio"]
            headers = {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(self.house.url, headers=headers) as http:
                for path in (f"/api/v1/calls/{call}", recording):
                    async with http.get(path) as answer:
                        must(answer.status == 404, f"{path}: {answer.status}")
                async with http.get("/api/v1/calls", params={"limit": "200"}) as answer:
                    seen = {each["did"] for each in (await answer.json())["items"]}
            must(seen == {f"+{ONE_LINE}"}, f"calls of {seen}")
        finally:
            self._walls_seen.set()
        return "another provider's token: 404, and its own calls only"

    async def _health(self) -> str:
        async with aiohttp.ClientSession() as http, http.get(f"{self.house.url}/healthz") as answer:
            told = await answer.json()
        bad = {name: part for name, part in told["parts"].items() if part["state"] != "ok"}
        if answer.status != 200 or bad:
            raise Broken(f"{answer.status}: {bad}")
        must((await self.house.api("GET", "/agents"))["linked"], "the picture of agents is an old one")
        alarms = (await self.house.api("GET", "/alarms"))["items"]
        raised = [(each["kind"], each["subject"]) for each in alarms]
        must(raised == [("unknown_did", UNKNOWN)], f"alarms: {raised}")
        return f"{len(told['parts'])} parts; the one alarm is the number nobody has"
