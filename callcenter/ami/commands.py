"""What we ask Asterisk to do: pause, call, reload, hang up. A login of its own, so that no flood of events delays it.

Each command is asked once. ``Unavailable`` means that nobody knows whether it happened: whoever asked decides anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from callcenter.ami.actions import Value
from callcenter.ami.health import LinkHealth
from callcenter.ami.session import AmiAddress, Pace, Session
from callcenter.errors import RuleBroken
from callcenter.words import Clock

_CHANNEL = re.compile(r"PJSIP/[A-Za-z0-9+@._-]{1,80}", re.ASCII).fullmatch
_EXTEN = re.compile(r"[A-Za-z0-9+*#_-]{1,80}", re.ASCII).fullmatch
_VARIABLE = re.compile(r"_{0,2}[A-Z][A-Z0-9_]{0,40}", re.ASCII).fullmatch
_VARIABLE_VALUE = re.compile(r"[\w+@:.\-]*", re.ASCII).fullmatch
_ENDPOINT = re.compile(r"agent-[0-9]{2,6}", re.ASCII).fullmatch
_SECRET = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII).fullmatch
_DIGIT = re.compile(r"[0-9*#A-D]", re.ASCII).fullmatch
_MODULE = re.compile(r"[a-z0-9_]{1,60}(\.so)?", re.ASCII).fullmatch


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """``started`` and ``reloaded`` are Asterisk's own local time as text: good to compare, not to count with."""

    started: str
    reloaded: str
    calls: int


class Commands:
    """The commands' login; ``run`` keeps it alive."""

    def __init__(self, address: AmiAddress, *, clock: Clock, pace: Pace | None = None) -> None:
        self._session = Session(address, None, clock=clock, pace=pace)

    @property
    def health(self) -> LinkHealth:
        """How the link is now."""
        return self._session.health

    @property
    def pending(self) -> int:
        """Commands that wait for an answer now."""
        return self._session.pending

    async def run(self) -> None:
        """Keeps the link for ever; ends only by being cancelled."""
        await self._session.run()

    async def queue_pause(self, interface: str, paused: bool, reason: str = "", queue: str = "") -> None:
        """An agent takes no calls, or takes them again: in one queue, or in all.

        Raises ``Refused`` when the interface is a member of none, ``Unavailable`` without an answer.
        """
        headers: dict[str, Value] = {"Interface": _checked(_CHANNEL(interface), "interface", interface)}
        headers["Paused"] = "true" if paused else "false"
        if reason:
            headers["Reason"] = reason
        if queue:
            headers["Queue"] = queue
        await self._session.send("QueuePause", headers)

    async def queue_add(self, queue: str, interface: str, name: str, *, penalty: int = 0, paused: bool = False) -> None:
        """An agent begins to serve a queue; Asterisk keeps it across its own restarts. ``Refused`` if there is none."""
        headers: dict[str, Value] = {
            "Queue": _checked(_EXTEN(queue), "queue", queue),
            "Interface": _checked(_CHANNEL(interface), "interface", interface),
            "MemberName": _checked(_EXTEN(name), "member", name),
            "Penalty": penalty,
            "Paused": "true" if paused else "false",
        }
        await self._session.send("QueueAdd", headers)

    async def queue_remove(self, queue: str, interface: str) -> None:
        """An agent serves a queue no more. Raises ``Refused`` when they did not, or are named in ``queues.conf``."""
        headers: dict[str, Value] = {
            "Queue": _checked(_EXTEN(queue), "queue", queue),
            "Interface": _checked(_CHANNEL(interface), "interface", interface),
        }
        await self._session.send("QueueRemove", headers)

    async def queue_penalty(self, interface: str, penalty: int, queue: str) -> None:
        """Agents with a smaller penalty are rung first. Raises ``Refused`` when there is no such member."""
        headers: dict[str, Value] = {
            "Interface": _checked(_CHANNEL(interface), "interface", interface),
            "Penalty": penalty,
            "Queue": _checked(_EXTEN(queue), "queue", queue),
        }
        await self._session.send("QueuePenalty", headers)

    async def originate(
        self,
        channel: str,
        *,
        context: str,
        exten: str,
        caller_id: str,
        ring_for: timedelta = timedelta(seconds=30),
        variables: Mapping[str, str] | None = None,
        action_id: str = "",
        answers_itself: bool = False,
        channels: Mapping[str, str] | None = None,
    ) -> None:
        """Rings ``channel`` (an agent's phone), and when it answers sends it to an extension of our own dialplan.

        ``channels`` are variables that name other channels. With ``answers_itself`` the phone is told to pick up.
        Returns when Asterisk has taken the order; how it ended comes as ``OriginateResponse`` on the live link, and
        what became of it is in the journal. Only a context and an extension: an application could run commands.
        Raises ``Refused``, ``RuleBroken``, or ``Unavailable``: then it may ring all the same, so it is never repeated.
        """
        pairs: list[str] = []
        for name, value in (variables or {}).items():
            _checked(_VARIABLE(name), "variable", name)
            pairs.append(f"{name}={_checked(_VARIABLE_VALUE(value), name, value)}")
        for name, value in (channels or {}).items():
            _checked(_VARIABLE(name), "variable", name)
            pairs.append(f"{name}={_checked(_CHANNEL(value), name, value)}")
        if answers_itself:
            pairs.append("PJSIP_HEADER(add,Call-Info)=<sip:callcenter>;answer-after=0")
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Context": _checked(_EXTEN(context), "context", context),
            "Exten": _checked(_EXTEN(exten), "extension", exten),
            "Priority": 1,
            "CallerID": _checked(_EXTEN(caller_id), "caller id", caller_id),
            "Timeout": int(ring_for / timedelta(milliseconds=1)),
            "Async": "true",
        }
        if pairs:
            headers["Variable"] = pairs
        await self._session.send("Originate", headers, action_id=action_id)

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Names to a channel another channel: that is all it may be told. Raises ``Refused`` when there is none."""
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Variable": _checked(_VARIABLE(name), "variable", name),
            "Value": _checked(_CHANNEL(value), "channel", value),
        }
        await self._session.send("Setvar", headers)

    async def redirect(self, channel: str, exten: str, *, context: str, other: tuple[str, str] | None = None) -> None:
        """Sends a channel to an extension of our dialplan; ``other``: a second channel and its extension, in one step.

        Raises ``Refused`` when one of them is no more: then neither was sent.
        """
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Context": _checked(_EXTEN(context), "context", context),
            "Exten": _checked(_EXTEN(exten), "extension", exten),
            "Priority": 1,
        }
        if other is not None:
            headers |= {
                "ExtraChannel": _checked(_CHANNEL(other[0]), "channel", other[0]),
                "ExtraContext": context,
                "ExtraExten": _checked(_EXTEN(other[1]), "extension", other[1]),
                "ExtraPriority": 1,
            }
        await self._session.send("Redirect", headers)

    async def blind_transfer(self, channel: str, exten: str, *, context: str) -> None:
        """Hands on whom this channel shares a bridge with, as its phone would. ``Refused`` when it shares none."""
        await self._session.send("BlindTransfer", _to(channel, exten, context))

    async def attended_transfer(self, channel: str, exten: str, *, context: str) -> None:
        """Asks somebody first: Asterisk keeps the other party with music meanwhile. What came of it the events tell."""
        await self._session.send("Atxfer", _to(channel, exten, context))

    async def cancel_transfer(self, channel: str) -> None:
        """Lets go whom this channel has asked, and has it talk with the other party again."""
        await self._session.send("CancelAtxfer", {"Channel": _checked(_CHANNEL(channel), "channel", channel)})

    async def put_password(self, endpoint: str, password: str) -> None:
        """The phone of this endpoint may register with this password from now on, and with no other.

        Asterisk keeps it in its own database (family ``callcenter/auth`` of ``sorcery.conf``), across its restarts.
        """
        words = {"auth_type": "userpass", "username": endpoint, "password": password}
        _checked(_SECRET(password), "password", "***")
        headers: dict[str, Value] = {
            "Family": "callcenter/auth",
            "Key": _checked(_ENDPOINT(endpoint), "endpoint", endpoint),
            "Val": json.dumps(words),
        }
        await self._session.send("DBPut", headers)

    async def dtmf(self, channel: str, digit: str) -> None:
        """Whom this channel is hears one key. Raises ``Refused`` when there is none."""
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Digit": _checked(_DIGIT(digit), "key", digit),
            "Duration": 160,
        }
        await self._session.send("PlayDTMF", headers)

    async def mute(self, channel: str, muted: bool) -> None:
        """What this channel says is heard by nobody, or again. Raises ``Refused`` when there is none."""
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Direction": "in",
            "State": "on" if muted else "off",
        }
        await self._session.send("MuteAudio", headers)

    async def ask_to_answer(self, channel: str) -> None:
        """Tells the phone that rings to answer, in its own dialog: ``NOTIFY`` with ``Event: talk`` (BroadSoft's).

        Asterisk takes the order at once; whether the phone knows it, its answering tells. Raises ``Refused``.
        """
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Variable": "Event=talk",
        }
        await self._session.send("PJSIPNotify", headers)

    async def listen_for_voice(self, channel: str, on: bool) -> None:
        """Whether Asterisk tells when something is heard of this channel (``TALK_DETECT``). Raises ``Refused``."""
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Variable": f"TALK_DETECT({'set' if on else 'remove'})",
            "Value": "",
        }
        await self._session.send("Setvar", headers)

    async def rtcp(self, channel: str) -> str:
        """What RTP and RTCP of this channel have counted (``calls.rtcp`` reads it). ``Refused`` when it is no more."""
        headers: dict[str, Value] = {
            "Channel": _checked(_CHANNEL(channel), "channel", channel),
            "Variable": "CHANNEL(rtcp,all)",
        }
        return (await self._session.send("Getvar", headers)).headers.get("Value", "")

    async def reload(self, module: str = "") -> None:
        """Reads the configuration of one module again, or of all; calls in progress go on."""
        headers: dict[str, Value] = {"Module": _checked(_MODULE(module), "module", module)} if module else {}
        await self._session.send("Reload", headers, deadline=30.0)

    async def hangup(self, channel: str, cause: int = 16) -> None:
        """Ends a channel, named as Asterisk names it. Raises ``Refused`` when there is none."""
        headers: dict[str, Value] = {"Channel": _checked(_CHANNEL(channel), "channel", channel), "Cause": cause}
        await self._session.send("Hangup", headers)

    async def core_status(self) -> CoreStatus:
        """When Asterisk started, and how many calls it carries."""
        headers = (await self._session.send("CoreStatus")).headers
        return CoreStatus(
            started=f"{headers.get('CoreStartupDate', '')} {headers.get('CoreStartupTime', '')}".strip(),
            reloaded=f"{headers.get('CoreReloadDate', '')} {headers.get('CoreReloadTime', '')}".strip(),
            calls=int(headers.get("CoreCurrentCalls", "0")),
        )


def _to(channel: str, exten: str, context: str) -> dict[str, Value]:
    return {
        "Channel": _checked(_CHANNEL(channel), "channel", channel),
        "Context": _checked(_EXTEN(context), "context", context),
        "Exten": _checked(_EXTEN(exten), "extension", exten),
    }


def _checked(match: re.Match[str] | None, what: str, value: str) -> str:
    if match is None:
        raise RuleBroken(f"{value!r} cannot be a {what}")
    return value
