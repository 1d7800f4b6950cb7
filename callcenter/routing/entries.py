"""What an operator may write of the house: providers, DIDs, trunks, queues and agents, checked before anything is kept.

The same entries are made by the commands and read from a TOML file; a file's shape is ``HouseFile``.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import date
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from callcenter.routing.hours import WeekHours
from callcenter.routing.numbers import to_e164
from callcenter.routing.sentence import sentence_template

_UNFIT = re.compile('[\x00-\x1f\x7f-\x9f"`;\\\\\\[\\]<>{}$|\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]')
_HOSTNAME = re.compile(r"(?=.{1,253}$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_SIP = re.compile(
    r"sips?:([A-Za-z0-9_.+\-]+@)?([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(;transport=(udp|tcp|tls))?",
    re.ASCII,
)


def _label(value: str) -> str:
    """A name on one line; the typewriter's apostrophe becomes the letter's, which Asterisk's files can hold."""
    found = _UNFIT.search(value)
    if found is not None:
        raise ValueError(f"the character {found[0]!r} must not stand in a name")
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip().replace("'", "’")


def _host(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value, strict=True)).removesuffix("/32").removesuffix("/128")
    except ValueError:
        if re.fullmatch(r"[0-9./:]+", value, re.ASCII) or _HOSTNAME.fullmatch(value) is None:
            raise ValueError(f"{value!r} is not an address, a network or a host's name") from None
    return value


def _sip(value: str) -> str:
    if _SIP.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a SIP address such as sip:a101@192.0.2.10:5060")
    return value


def _number(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a phone number is written in quotes")  # noqa: TRY004 - the data is wrong, not the program
    return to_e164(value)


def _day(value: Any) -> Any:
    """TOML has dates of its own; whoever writes one in quotes means the same."""
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a day such as 2027-01-01") from None
    if type(value) is not date:
        raise ValueError("is a day such as 2027-01-01")
    return value


def _named(key: str) -> BeforeValidator:
    """Lets a plain text or day stand for an entry of which only this is said."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, (str, date)) else value)


Label = Annotated[str, Field(max_length=60), AfterValidator(_label)]
Name = Annotated[str, Field(max_length=80), AfterValidator(_label)]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$")]
QueueName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Extension = Annotated[str, Field(pattern=r"^[0-9]{2,6}$")]
Login = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,39}$")]
SipAddress = Annotated[str, AfterValidator(_sip)]
Strategy = Literal["leastrecent", "rrmemory", "fewestcalls", "ringall", "linear", "random", "rrordered", "wrandom"]


class Entry(BaseModel):
    """``given`` are the settings that were written: only they change what is there already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}


class DidEntry(Entry):
    number: Annotated[str, BeforeValidator(_number)]
    note: str = Field("", max_length=200)


class MemberEntry(Entry):
    extension: Extension
    penalty: int = Field(0, ge=0, le=20)


class QueueEntry(Entry):
    name: QueueName
    strategy: Strategy = "rrmemory"
    timeout_s: int = Field(300, ge=5, le=7200)
    ring_s: int = Field(20, ge=3, le=120)
    wrapup_s: int = Field(10, ge=0, le=600)
    max_waiting: int = Field(50, ge=1, le=1000)
    keep_place: bool = True
    keep_place_every_s: int = Field(60, ge=15, le=600)
    agents: tuple[Annotated[MemberEntry, _named("extension")], ...] = ()


class TrunkEntry(Entry):
    name: Slug
    hosts: tuple[Annotated[str, AfterValidator(_host)], ...] = Field(min_length=1)
    outbound_uri: SipAddress | None = None
    codecs: str = Field("alaw,ulaw", pattern=r"^(alaw|ulaw|g722)(,(alaw|ulaw|g722))*$")


class CliEntry(Entry):
    """The way to a device's command line."""

    protocol: Literal["ssh", "telnet"] = "ssh"
    user: str = Field("", max_length=64)
    password: SecretStr = Field(SecretStr(""), max_length=128)
    enable: SecretStr | None = Field(None, max_length=128)
    port: int | None = Field(None, ge=1, le=65535)
    host_key: str = Field("", max_length=2000)


class SnmpV3Entry(Entry):
    user: str = Field(min_length=1, max_length=64)
    auth: Literal["", "md5", "sha", "sha224", "sha256", "sha384", "sha512"] = ""
    auth_secret: SecretStr = Field(SecretStr(""), max_length=128)
    priv: Literal["", "des", "aes", "aes192", "aes256"] = ""
    priv_secret: SecretStr = Field(SecretStr(""), max_length=128)
    context: str = Field("", max_length=64)


class DeviceEntry(Entry):
    """An OLT or a switch; ``driver`` is one of ``callcenter device drivers``, or ``auto`` to find it out."""

    name: Name
    driver: str = Field(pattern=r"^[a-z][a-z0-9_]{0,29}$")
    host: Annotated[str, AfterValidator(_host)]
    port: int = Field(161, ge=1, le=65535)
    community: SecretStr = Field(SecretStr(""), max_length=64)
    write_community: SecretStr | None = Field(None, max_length=64)
    v3: SnmpV3Entry | None = None
    cli: CliEntry | None = None
    options: dict[str, str] = Field(default_factory=dict)
    area: str = Field("", max_length=100)
    site_ip: str = ""

    @field_validator("driver", mode="before")
    @classmethod
    def _spelling(cls, value: Any) -> Any:
        return value.replace("-", "_") if isinstance(value, str) else value

    @field_validator("site_ip")
    @classmethod
    def _site(cls, value: str) -> str:
        return str(ipaddress.ip_address(value)) if value else ""

    @model_validator(mode="after")
    def _asked_somehow(self) -> Self:
        if not self.community.get_secret_value() and self.v3 is None and self.cli is None:
            raise ValueError("needs a community, an SNMPv3 user or a command line login: how else is it asked?")
        return self


class ProviderEntry(Entry):
    slug: Slug
    brand: Label
    colour: str = Field("#0b5fff", pattern=r"^#[0-9a-f]{6}$")
    language: Literal["uk", "en"] = "uk"
    timezone: str = "Europe/Kyiv"
    greeting: str = Field("", max_length=500)
    hours: dict[str, list[str]] = Field(default_factory=dict)
    max_lines: int = Field(30, ge=1, le=1000)
    min_talk_s: float = Field(1.0, ge=0, le=60)
    short_abandon_s: int = Field(5, ge=0, le=60)
    callback_within_min: int = Field(30, ge=1, le=10080)
    callback_attempts: int = Field(3, ge=1, le=20)
    callback_every_min: int = Field(15, ge=1, le=1440)
    callback_talk_s: float = Field(5.0, ge=0, le=60)
    service_level_s: int = Field(20, ge=1, le=600)
    thresholds: dict[str, float] = Field(default_factory=dict)
    agents_restart: bool = False
    """An agent may restart an ONU of this provider; who leads always may."""
    auto_answer: bool = False
    """Agents' phones answer this provider's calls by themselves, after a tone and the provider's name.

    From the queue with Asterisk 18.26, 20.10, 21.5, 22 and later.
    """

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{value!r} is not a time zone such as Europe/Kyiv") from None
        return value

    @field_validator("thresholds", mode="before")
    @classmethod
    def _classes(cls, value: Any) -> Any:
        """``epon.onu_rx_weak = -24`` in TOML is a table in a table: one name here."""
        if not isinstance(value, dict):
            return value
        flat: dict[str, Any] = {}
        for name, each in value.items():
            flat |= (
                {f"{name}.{own}": number for own, number in each.items()} if isinstance(each, dict) else {name: each}
            )
        return flat

    @field_validator("hours")
    @classmethod
    def _hours(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        return WeekHours.parse(value).as_json()

    @field_validator("greeting")
    @classmethod
    def _template(cls, value: str) -> str:
        if any(not character.isprintable() and character != "\n" for character in value):
            raise ValueError("holds a control character")
        sentence_template(value)
        return value


class HolidayEntry(Entry):
    """A day unlike its weekday; without ``hours`` nobody answers on it."""

    day: Annotated[date, BeforeValidator(_day)]
    name: str = Field("", max_length=80)
    hours: list[str] = Field(default_factory=list)

    @field_validator("hours")
    @classmethod
    def _spans(cls, value: list[str]) -> list[str]:
        try:
            return WeekHours.parse({"mon": value}).as_json()["mon"]
        except ValueError as exc:
            raise ValueError(str(exc).removeprefix("mon: ")) from None


class ReasonEntry(Entry):
    """Why people call, in both languages; without ``en`` the Ukrainian name stands for both."""

    code: Slug
    uk: Name
    en: Name | None = None


class PauseEntry(ReasonEntry):
    """Why a pause is taken, and for how long at most; without ``limit_min`` for as long as it takes."""

    limit_min: int | None = Field(None, ge=1, le=1440)


class AgentEntry(Entry):
    extension: Extension
    name: Name
    sip_secret: SecretStr | None = None
    """Absent: a new agent gets a generated one, a present agent keeps theirs."""
    contact: SipAddress | None = None
    phone: Literal["desk", "browser"] = "desk"
    """A SIP phone of its own, or the agent's page."""
    auto_answer: bool = False

    @model_validator(mode="after")
    def _one_phone(self) -> Self:
        if self.phone == "browser" and self.contact is not None:
            raise ValueError("a phone in the page registers by itself: it has no contact")
        return self

    @field_validator("sip_secret")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!#-:<-Z^-~]{8,128}", value.get_secret_value(), re.ASCII):
            raise ValueError('has 8 to 128 printable ASCII characters, without blanks and any of " ; \\ [ ]')
        return value


class UserEntry(Entry):
    login: Login
    name: Name


class HouseProvider(ProviderEntry):
    """A provider of a file, with what belongs to it."""

    dids: tuple[Annotated[DidEntry, _named("number")], ...] = ()
    queue: tuple[QueueEntry, ...] = ()
    trunk: tuple[TrunkEntry, ...] = ()
    device: tuple[DeviceEntry, ...] = ()
    olt: tuple[DeviceEntry, ...] = ()
    """The same, by its older name."""
    holiday: tuple[Annotated[HolidayEntry, _named("day")], ...] = ()
    reason: tuple[ReasonEntry, ...] = ()


class HouseAgent(AgentEntry):
    """An agent of a file; with a ``login`` a sign-in is made, its password generated and shown once."""

    login: Login | None = None


class HouseFile(Entry):
    """Everything of the house in one file; what it does not name stays as it is."""

    provider: tuple[HouseProvider, ...] = ()
    agent: tuple[HouseAgent, ...] = ()
    trunk: tuple[TrunkEntry, ...] = ()
    pause: tuple[PauseEntry, ...] = ()
