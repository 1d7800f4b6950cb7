"""The floor's end of the web's orders: keeps what was asked, in order, so that a test can read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from callcenter.desk.ports import ListenMode
from callcenter.errors import CallCenterError
from callcenter.floor.page_phones import PhoneLogin
from callcenter.words import ProviderId, UniqueId


@dataclass
class Orders:
    """Takes every order; ``given`` is what was asked, ``given_by`` who is said to have asked, where that is told."""

    given: list[tuple[object, ...]] = field(default_factory=list)
    given_by: list[str] = field(default_factory=list)
    fails_with: CallCenterError | None = None
    """What the next orders raise, as a floor that says no does."""

    def _take(self, *order: object, who: str | None = None) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.given.append(order)
        if who is not None:
            self.given_by.append(who)

    async def sign_in(self, extension: str, who: str) -> None:
        self._take("sign_in", extension, who=who)

    async def sign_out(self, extension: str, who: str) -> None:
        self._take("sign_out", extension, who=who)

    async def pause(self, extension: str, *, reason: str, who: str) -> None:
        self._take("pause", extension, reason, who=who)

    async def ready(self, extension: str, who: str) -> None:
        self._take("ready", extension, who=who)

    async def finish_wrap_up(self, extension: str, who: str) -> None:
        self._take("finish_wrap_up", extension, who=who)

    async def prolong_wrap_up(self, extension: str, who: str, by_s: int = 60) -> None:
        self._take("prolong_wrap_up", extension, by_s, who=who)

    async def serve(self, extension: str, queue_name: str, penalty: int | None, who: str) -> None:
        self._take("serve", extension, queue_name, penalty, who=who)

    async def call_back(self, callback: int, extension: str) -> None:
        self._take("call_back", callback, extension)

    async def dial(self, extension: str, provider: ProviderId, number: str, who: str) -> None:
        self._take("dial", extension, provider, number, who=who)

    async def call_colleague(self, extension: str, other: str) -> None:
        self._take("call_colleague", extension, other)

    async def hold(self, extension: str) -> None:
        self._take("hold", extension)

    async def unhold(self, extension: str) -> None:
        self._take("unhold", extension)

    async def hang_up(self, extension: str) -> None:
        self._take("hang_up", extension)

    async def transfer(self, extension: str, to: str) -> None:
        self._take("transfer", extension, to)

    async def consult(self, extension: str, to: str) -> None:
        self._take("consult", extension, to)

    async def complete(self, extension: str) -> None:
        self._take("complete", extension)

    async def take_back(self, extension: str) -> None:
        self._take("take_back", extension)

    async def echo(self, extension: str) -> None:
        self._take("echo", extension)

    async def dtmf(self, extension: str, digits: str) -> None:
        self._take("dtmf", extension, digits)

    async def answer(self, extension: str) -> None:
        self._take("answer", extension)

    async def mute(self, extension: str, muted: bool) -> None:
        self._take("mute", extension, muted)

    async def listen(self, extension: str, agent: str, mode: ListenMode, *, call: UniqueId) -> None:
        self._take("listen", extension, agent, mode, call)


@dataclass
class Phones:
    """The floor's end of pages' phones: keeps who asked for what."""

    given: list[tuple[object, ...]] = field(default_factory=list)
    fails_with: CallCenterError | None = None
    until: datetime = datetime(2026, 3, 10, 15, tzinfo=UTC)

    def _take(self, *order: object) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.given.append(order)

    async def login(self, extension: str, session: bytes, tab: str, *, take_over: bool) -> PhoneLogin:
        self._take("login", extension, tab, take_over)
        return PhoneLogin(f"agent-{extension}", "made-at-this-sign-in", self.until)

    async def logout(self, extension: str, tab: str) -> None:
        self._take("logout", extension, tab)

    async def session_ended(self, session: bytes) -> None:
        self._take("session_ended")

    async def leaving(self, extension: str, tab: str) -> None:
        self._take("leaving", extension, tab)

    async def back(self, extension: str, tab: str) -> bool:
        self._take("back", extension, tab)
        return True
