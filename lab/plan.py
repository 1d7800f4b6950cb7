"""How large a lab is and who lives in it: values, and the two files an operator would write by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from callcenter.words import OnuAddress
from lab.asterisk import AsteriskFolders
from lab.asterisk_root import AsteriskBinary
from lab.mibs import FAMILIES
from lab.mibs.family import Family
from lab.rtp import Tone


@dataclass(frozen=True, slots=True)
class LabProvider:
    """One invented provider; ``hours`` is TOML."""

    slug: str
    brand: str
    colour: str
    dids: tuple[str, ...]
    olt: str
    language: str = "uk"
    hours: str = "{}"
    max_lines: int = 30
    ring_s: int = 5
    timeout_s: int = 120
    max_waiting: int = 50
    wrapup_s: int = 2
    members: tuple[str, ...] | None = None
    """Extensions of its queue; ``None`` is everybody."""
    subscribers: int | None = None
    """How many it has; ``None`` as many as the plan says."""


@dataclass(frozen=True, slots=True)
class LabOlt:
    """One simulated OLT; ``device`` is a family of ``lab/mibs``, or ``epon`` and ``gpon`` for BDCOM's."""

    name: str
    device: str
    pons: int = 8
    onus: int = 48
    seed: int = 1
    area: str = ""

    @property
    def family(self) -> Family:
        return FAMILIES[f"bdcom_{self.device}" if self.device in {"epon", "gpon"} else self.device]


CLOSED = (
    '{ mon = ["00:00-00:01"], tue = ["00:00-00:01"], wed = ["00:00-00:01"], thu = ["00:00-00:01"], '
    'fri = ["00:00-00:01"], sat = ["00:00-00:01"], sun = ["00:00-00:01"] }'
)
"""Hours that are over at any time a test runs, but for the first minute after midnight."""
PROVIDERS = (
    LabProvider("svitlonet", "СвітлоНет", "#0b5fff", ("380441230001", "380441230002"), "svitlo-epon"),
    LabProvider("domlink", "Дім.Лінк", "#0f7b5a", ("380441240001",), "dom-gpon"),
    LabProvider("volia-kray", "Край Онлайн", "#8a3ffc", ("380441250001",), "kray-epon"),
    LabProvider("fastfiber", "FastFiber", "#b4440a", ("380441260001",), "fast-gpon", language="en"),
    LabProvider("nichnyk", "Нічник", "#475569", ("380441270001",), "night-gpon", hours=CLOSED),
)
NAMES = ("Олена", "Олег", "Тарас", "Надія", "Юрій", "Віра", "Богдан", "Катерина", "Максим", "Лариса")


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a lab."""

    providers: tuple[LabProvider, ...] = PROVIDERS
    olts: tuple[LabOlt, ...] = (
        LabOlt("svitlo-epon", "epon", seed=1),
        LabOlt("dom-gpon", "huawei_ma56xx", seed=2),
        LabOlt("kray-epon", "gcom_epon", seed=3),
        LabOlt("fast-gpon", "zte_c3xx", seed=4),
        LabOlt("night-gpon", "vsol_gpon", seed=5),
    )
    agent_count: int = 6
    unanswered_rings: int = 3
    signed_in: bool = True
    """The agents are at work from the beginning, as after the first morning."""
    subscribers: int = 400
    answer_after: float | None = 2.0
    """Seconds an agent's phone rings before it is taken; ``None`` never."""
    pages: tuple[str, ...] = ()
    """The agents whose phone is their page: a browser registers it, no phone of the lab."""
    site: bool = False
    """The OLTs have command lines, and the first provider has two switches with a circuit."""
    unheard_s: float = 8
    """After so many seconds of silence an alarm is raised."""
    agent_tone: Tone | None = None
    caller_tone: Tone | None = None

    @property
    def extensions(self) -> tuple[str, ...]:
        return tuple(str(101 + number) for number in range(self.agent_count))

    @property
    def agents(self) -> tuple[tuple[str, str], ...]:
        return tuple((extension, NAMES[number % len(NAMES)]) for number, extension in enumerate(self.extensions))

    def olt_of(self, slug: str) -> str:
        return next(provider.olt for provider in self.providers if provider.slug == slug)

    def subscribers_of(self, provider: LabProvider) -> int:
        return self.subscribers if provider.subscribers is None else provider.subscribers

    def onus_of(self, slug: str) -> list[str]:
        """The ONUs of the provider's OLT in the order subscribers get them."""
        olt = next(olt for olt in self.olts if olt.name == self.olt_of(slug))
        family = olt.family
        return [
            str(OnuAddress(family.family, (*family.before, pon), onu))
            for pon in range(1, olt.pons + 1)
            for onu in range(1, olt.onus + 1)
        ]


def settings_toml(
    plan: Plan, folder: Path, folders: AsteriskFolders, binary: AsteriskBinary, port: Callable[[str], object]
) -> str:
    """The lab's ``callcenter.toml``; the secrets are given by the environment."""
    return f"""\
data_dir = "{folder}"

[ami]
port = {port("ami")}

[asterisk]
version = "{binary.version}"
etc_dir = "{folders.etc}"
log_dir = "{folders.log}"
spool_dir = "{folders.spool}"
run_dir = "{folders.run}"
var_dir = "{folders.var}"
data_dir = "{binary.datadir}"
module_dir = "{binary.moddir}"
own_whole = true
sip_bind = "127.0.0.1:{port("sip")}"
ami_port = {port("pbx_ami")}
system_name = "lab"

[ivr]
port = {port("ivr")}

[web]
port = {port("web")}
public_url = "http://127.0.0.1:{port("web")}"

[recordings]
dir = "{folder}/recordings"
poll_s = 0.5

[outbound]
trunk = "lab"

[agents]
unanswered_rings = {plan.unanswered_rings}

[line]
traps_bind = "127.0.0.1:{port("traps")}"

[phone]
address = "ws://127.0.0.1:{port("page")}/ws"
bind = "127.0.0.1:{port("page")}"
unheard_s = {plan.unheard_s}
"""


def house_toml(
    plan: Plan, olt_ports: Mapping[str, int], contacts: Mapping[str, str], trunk_uri: str, secret: str
) -> str:
    """Everything of the house in one file, as `callcenter import` reads it."""
    lines: list[str] = []
    for provider in plan.providers:
        olt = next(olt for olt in plan.olts if olt.name == provider.olt)
        members = ", ".join(f'"{extension}"' for extension in provider.members or plan.extensions)
        dids = ", ".join(f'"+{did}"' for did in provider.dids)
        lines.append(f"""\
[[provider]]
slug = "{provider.slug}"
brand = "{provider.brand}"
colour = "{provider.colour}"
language = "{provider.language}"
hours = {provider.hours}
max_lines = {provider.max_lines}
dids = [{dids}]

[[provider.queue]]
name = "{provider.slug}"
ring_s = {provider.ring_s}
timeout_s = {provider.timeout_s}
wrapup_s = {provider.wrapup_s}
max_waiting = {provider.max_waiting}
agents = [{members}]

[[provider.device]]
name = "{olt.name}"
driver = "{olt.family.name}"
host = "127.0.0.1"
port = {olt_ports[olt.name]}
community = "public"
area = "{olt.area}"
""")
    for extension, name in plan.agents:
        lines.append(f"""\
[[agent]]
extension = "{extension}"
name = "{name}"
login = "agent{extension}"
{'phone = "browser"' if extension in plan.pages else f'contact = "{contacts[extension]}"'}
sip_secret = "{secret}"
""")
    lines.append(f"""\
[[trunk]]
name = "lab"
hosts = ["127.0.0.2"]
outbound_uri = "{trunk_uri}"
""")
    return "\n".join(lines)
