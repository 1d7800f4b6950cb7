"""Settings: one TOML file for what is public, environment variables for what is secret.

``CALLCENTER_AMI__EVENTS_SECRET`` sets ``ami.events_secret``; any setting can be given so.
Every mistake is named at once.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from callcenter.errors import Misconfigured

ENV_PREFIX = "CALLCENTER_"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Section):
    """Where PostgreSQL is. Without ``url`` an embedded one is started in ``data_dir/postgres``."""

    url: SecretStr | None = None
    """``postgresql://user@host/name`` of the service's own role (a member of ``callcenter_app``, owner of nothing)."""
    owner_url: SecretStr | None = None
    """The same for the role that owns the tables; only ``callcenter migrate`` uses it."""
    pool_size: int = Field(10, ge=4, le=100)
    """Connections; two of them are kept for the lead among services and for notices."""

    @field_validator("url", "owner_url")
    @classmethod
    def _of_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
            raise ValueError("must begin with postgresql://")
        return value


class AmiSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(5038, ge=1, le=65535)
    tls_cafile: Path | None = None
    """With a file the link is TLS and the PBX's certificate is checked against it."""
    events_user: str = "callcenter-events"
    events_secret: SecretStr
    commands_user: str = "callcenter-commands"
    commands_secret: SecretStr
    tape: Path | None = None
    """Keeps every byte received in this file, for a field report."""


class AsteriskSettings(_Section):
    """The PBX that is rendered for and followed."""

    version: str = "22.10.1"
    etc_dir: Path
    """Where the rendered configuration goes."""
    log_dir: Path
    """``astlogdir``: the CEL journal and ``queue_log`` are below it."""
    spool_dir: Path
    """``astspooldir``: MixMonitor writes below ``monitor/``."""
    run_dir: Path
    data_dir: Path
    """``astdatadir``: sounds; prompts go to ``sounds/callcenter`` below ``var_dir``."""
    var_dir: Path
    module_dir: Path
    own_whole: bool = False
    """True renders a whole configuration, asterisk.conf and all; False files for an existing PBX to include."""
    sip_bind: str = "0.0.0.0:5060"
    ami_bind: str = "127.0.0.1"
    ami_permit: tuple[str, ...] = ("127.0.0.1",)
    """Addresses and networks whose AMI logins Asterisk takes; the service's own, when it is not on this machine."""
    ami_port: int = Field(5038, ge=1, le=65535)
    ami_tls_cert: Path | None = None
    max_calls: int = Field(500, ge=1)
    system_name: str = Field("pbx1", pattern=r"^[A-Za-z0-9]{1,16}$")

    @property
    def journal(self) -> Path:
        """The CEL journal, the source of the ledger."""
        return self.log_dir / "cel-custom" / "callcenter.journal"

    @property
    def queue_log(self) -> Path:
        return self.log_dir / "queue_log"

    @property
    def monitor_dir(self) -> Path:
        return self.spool_dir / "monitor"


class IvrSettings(_Section):
    """Where Asterisk asks its one question."""

    host: str = "127.0.0.1"
    port: int = Field(8089, ge=1, le=65535)
    token: SecretStr
    limit_s: float = Field(1.0, gt=0, le=5)


class WebSettings(_Section):
    host: str = "127.0.0.1"
    port: int = Field(8080, ge=1, le=65535)
    public_url: str = "http://127.0.0.1:8080"
    """What browsers type: its scheme makes the session cookie Secure, its host says which WebSocket origins pass."""
    session_hours: int = Field(12, ge=1, le=72)
    trust_forwarded: bool = False
    """True behind a reverse proxy of your own: the caller's address is then read from X-Forwarded-For."""


class RecordingSettings(_Section):
    dir: Path
    poll_s: float = Field(1.0, gt=0)


class OutboundSettings(_Section):
    allow: tuple[str, ...] = ("+380",)
    """Prefixes in E.164 that an agent's call back may dial."""
    trunk: str | None = None
    """The trunk calls back leave through when the provider has none of its own."""


class AgentSettings(_Section):
    unanswered_rings: int = Field(3, ge=1, le=20)
    """After so many calls in a row that rang and were not answered an agent is paused."""


class PhoneSettings(_Section):
    """Phones in agents' pages: WebSocket to Asterisk's own HTTP server, sound by DTLS-SRTP."""

    address: str = ""
    """What browsers connect to: ``wss://pbx.example.net:8089/ws``; empty for no phone in any page."""
    bind: str = "127.0.0.1:8088"
    """Where Asterisk's HTTP server listens: plain on a loopback address, behind a proxy, or with ``tls_cert``."""
    tls_cert: Path | None = None
    """A certificate with its chain, in PEM; with it the server speaks TLS only."""
    tls_key: Path | None = None
    """The key of that certificate."""
    credential_minutes: int = Field(60, ge=5, le=720)
    """For so long the password of one sign-in is good; the page asks for a new one in time."""
    unheard_s: float = Field(8, ge=3, le=120)
    """Of whom nothing at all is heard for so many seconds of a talk, of them an alarm is raised; every phone's."""
    stun: tuple[str, ...] = ()
    """``stun:stun.example.net:3478``: for agents whose address the PBX does not see."""
    turn: tuple[str, ...] = ()
    """``turn:turn.example.net:3478?transport=udp``: for agents outside, whose sound goes through it."""
    relay_only: bool = False
    """Sound goes through the relay and no other way: where the networks of agents let nothing else out."""
    turn_secret: SecretStr | None = None
    """The secret that coturn shares (``static-auth-secret``); in the environment, not in the file."""

    @field_validator("address")
    @classmethod
    def _websocket(cls, value: str) -> str:
        if value and not re.fullmatch(r"wss?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9_./\-]*)?", value, re.ASCII):
            raise ValueError("must be a WebSocket's address such as wss://pbx.example.net:8089/ws")
        if value.startswith("ws://") and not re.match(r"ws://(127\.0\.0\.1|localhost|\[::1\])[:/]", value + "/"):
            raise ValueError("must begin with wss:// (browsers give no microphone to ws://, except on this machine)")
        return value

    @field_validator("stun", "turn")
    @classmethod
    def _ice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            if not re.fullmatch(r"(stun|turn)s?:[A-Za-z0-9.\-\[\]:]+(\?transport=(udp|tcp))?", each, re.ASCII):
                raise ValueError(f"{each!r} is not an address such as turn:turn.example.net:3478?transport=udp")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.turn and self.turn_secret is None:
            raise ValueError("turn needs turn_secret (CALLCENTER_PHONE__TURN_SECRET)")
        if self.relay_only and not self.turn:
            raise ValueError("relay_only needs turn: there is no relay to go through")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together")
        if self.address and self.tls_cert is None and not self.bind.startswith(("127.", "[::1]")):
            raise ValueError("bind: without tls_cert Asterisk's HTTP server listens on a loopback address only")
        return self


class VaultSettings(_Section):
    """The key to the devices' credentials; without ``keys`` a key file is made in ``data_dir``."""

    keys: SecretStr | None = None
    """Fernet keys separated by commas: the first seals, all open. In the environment, not in the file."""


class LineSettings(_Section):
    """How lines are read beside the calls."""

    sweep_every_s: int = Field(300, ge=30, le=86_400)
    """Every ONU of every provider is read this often."""
    sweep_at_once: int = Field(20, ge=1, le=500)
    """OLTs that are swept at the same time; each gets one request at a time."""
    keep_days: int = Field(8, ge=2, le=60)
    """Days for which single readings are kept; days are summed up for ``keep_sums_days``."""
    keep_sums_days: int = Field(400, ge=30, le=4000)
    """Days for which the sum of a day (least, mean and best light, how often it went down) is kept."""
    traps_bind: str = ""
    """``host:port`` on which SNMP traps are heard (162 needs a capability); empty for none."""
    ping: bool = True
    """Whether a diagnosis may send ICMP echo requests."""


class Settings(_Section):
    data_dir: Path
    database: DatabaseSettings = DatabaseSettings()
    ami: AmiSettings
    asterisk: AsteriskSettings
    ivr: IvrSettings
    web: WebSettings = WebSettings()
    recordings: RecordingSettings
    outbound: OutboundSettings = OutboundSettings()
    agents: AgentSettings = AgentSettings()
    phone: PhoneSettings = PhoneSettings()
    vault: VaultSettings = VaultSettings()
    line: LineSettings = LineSettings()
    country: str = Field("UA", pattern=r"^[A-Z]{2}$")
    """Where a number without a country code is at home."""


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the settings file (``CALLCENTER_CONFIG`` or ``./callcenter.toml``) and the environment.

    Raises ``Misconfigured`` with every mistake on a line of its own.
    """
    env = os.environ if environ is None else environ
    file = path or Path(env.get("CALLCENTER_CONFIG", "callcenter.toml"))
    try:
        values: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise Misconfigured(f"{file}: no such settings file (set CALLCENTER_CONFIG or write callcenter.toml)") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Misconfigured(f"{file}: not readable TOML: {exc}") from exc
    for name, value in env.items():
        if name.startswith(ENV_PREFIX) and name not in {"CALLCENTER_CONFIG"}:
            _put(values, name.removeprefix(ENV_PREFIX).lower().split("__"), value)
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        lines = [
            f"{file}: {'.'.join(str(p) for p in e['loc'])} "
            f"({ENV_PREFIX}{'__'.join(str(p) for p in e['loc']).upper()}): {e['msg']}"
            for e in exc.errors(include_input=False)
        ]
        raise Misconfigured("\n".join(lines)) from None


def _put(values: dict[str, Any], path: list[str], value: str) -> None:
    for part in path[:-1]:
        inner = values.setdefault(part, {})
        if not isinstance(inner, dict):
            raise Misconfigured(f"{ENV_PREFIX}{'__'.join(path).upper()}: {part} is not a section of the settings")
        values = inner
    values[path[-1]] = value
