"""The whole house on one machine: PostgreSQL, the rendered Asterisk, phones, OLTs and the service, all real.

Tests, the lab and the demo are this class with other sizes. Everything listens on loopback only: trunk callers on
127.0.0.2, the rest on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from callcenter.config import Settings, load
from callcenter.errors import Unavailable
from callcenter.store import Database
from callcenter.store.embedded import Embedded
from callcenter.store.migrate import migrate
from lab.asterisk import Asterisk, AsteriskFolders
from lab.asterisk_root import AsteriskBinary, asterisk_binary
from lab.olt import SimulatedOlt
from lab.people import people, write_csv
from lab.plan import LabProvider, Plan, house_toml, settings_toml
from lab.ports import Ports
from lab.service import ROOT, Service
from lab.sip import Behaviour, Call, CallerId, Phone, SipAgent, Tone
from lab.site import LabSite
from lab.wiretap import Wiretap

Say = Callable[[str], None]
SUPERVISOR = "supervisor"
SECRETS = ("CALLCENTER_AMI__EVENTS_SECRET", "CALLCENTER_AMI__COMMANDS_SECRET", "CALLCENTER_IVR__TOKEN")
_MEMBER = re.compile(r"\(PJSIP/agent-(\d+)\)")
_SIGN_IN = re.compile(r"^sign-in (\S+) +password (\S+)$", re.MULTILINE)


@dataclass
class House:
    """A running lab. Use as an async context; ``plan`` says how large and whose."""

    folder: Path
    plan: Plan = field(default_factory=Plan)
    ports: Ports = field(default_factory=Ports.free)
    say: Say = lambda _line: None
    keep: bool = False
    """True leaves PostgreSQL's data and the journal for the next start."""

    async def __aenter__(self) -> House:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stack.aclose()

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._stack = AsyncExitStack()
        self.secrets = {name: secrets.token_urlsafe(18) for name in SECRETS}
        self.phone_secret = secrets.token_urlsafe(12)
        """What every phone of this lab logs in with when it dials."""
        self.passwords: dict[str, str] = {}
        """Of the sign-ins, by login."""
        self.api_token = ""
        self.phones: dict[str, Phone] = {}
        self.olts: dict[str, SimulatedOlt] = {}
        self.site = LabSite()

    async def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.binary: AsteriskBinary = asterisk_binary(ROOT / "var" / "asterisk-root", say=self.say)
        self.folders = AsteriskFolders.under(self.folder / "asterisk")
        self.folders.make()
        await self._open_phones()
        await self._open_olts()
        fresh = not (self.keep and self._read_access())
        self._write_settings()
        await self._open_database()
        self.say(f"furnishing: {len(self.plan.providers)} providers and their subscribers")
        await self._furnish()
        if self.plan.site:
            await self.site.open(self, self._stack)
        async with asyncio.TaskGroup() as group:
            if fresh:
                for work in self._people():
                    group.create_task(work)
            await self._open_asterisk()
            await self._open_service()
        self._write_access()

    # --- the parts ---

    async def _open_phones(self) -> None:
        self.callers = await self._stack.enter_async_context(await SipAgent.open("127.0.0.2"))
        self.phone_agent = await self._stack.enter_async_context(await SipAgent.open("127.0.0.1"))
        for extension in self.plan.extensions:
            self.phones[extension] = self.phone_agent.phone(
                f"agent-{extension}",
                Behaviour(answer_after=self.plan.answer_after),
                password=self.phone_secret,
                tone=self.plan.agent_tone,
            )

    async def _open_olts(self) -> None:
        for olt in self.plan.olts:
            simulated = SimulatedOlt(
                olt.device, olt.name, pons=olt.pons, onus_per_pon=olt.onus, seed=olt.seed, area=olt.area,
                traps_to=("127.0.0.1", self.ports.traps),
            )  # fmt: skip
            self.olts[olt.name] = await self._stack.enter_async_context(simulated)

    def _write_settings(self) -> None:
        self.settings_file = self.folder / "callcenter.toml"
        self.settings_file.write_text(
            settings_toml(self.plan, self.folder, self.folders, self.binary, lambda name: getattr(self.ports, name)),
            "utf-8",
        )
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CALLCENTER_")}
        self.environment = {
            **clean, **self.secrets, "CALLCENTER_CONFIG": str(self.settings_file), "PYTHONUNBUFFERED": "1",
        }  # fmt: skip

    @property
    def _access_file(self) -> Path:
        return self.folder / "access.json"

    def _read_access(self) -> bool:
        """A kept house keeps its secrets and passwords; False when there is none to keep."""
        if not self._access_file.exists():
            return False
        kept = json.loads(self._access_file.read_text("utf-8"))
        self.secrets, self.passwords, self.api_token = kept["secrets"], kept["passwords"], kept["token"]
        return True

    def _write_access(self) -> None:
        kept = {"secrets": self.secrets, "passwords": self.passwords, "token": self.api_token}
        self._access_file.touch(0o600)
        self._access_file.write_text(json.dumps(kept), "utf-8")

    @property
    def settings(self) -> Settings:
        return load(self.settings_file, self.secrets)

    async def _open_database(self) -> None:
        self.say("starting PostgreSQL")
        self.postgres = Embedded(self.folder / "postgres")
        await asyncio.to_thread(self.postgres.start)
        self._stack.callback(self.postgres.stop)
        await migrate(self.postgres.owner_url)
        self.environment |= {
            "CALLCENTER_DATABASE__URL": self.postgres.url,
            "CALLCENTER_DATABASE__OWNER_URL": self.postgres.owner_url,
        }
        self.db = Database(self.postgres.url, pool_size=4)
        self._stack.push_async_callback(self.db.close)

    async def _furnish(self) -> None:
        """Puts the providers and agents in, with the product's own command."""
        house = self.folder / "house.toml"
        ports = {name: olt.port for name, olt in self.olts.items()}
        contacts = {extension: phone.uri for extension, phone in self.phones.items()}
        house.write_text(house_toml(self.plan, ports, contacts, self.trunk_uri, self.phone_secret), "utf-8")
        self.passwords |= dict(_SIGN_IN.findall(await self.callcenter("import", str(house))))
        if self.plan.signed_in:
            await self.callcenter("agent", "sign-in", *self.plan.extensions)

    def _people(self) -> Iterator[Coroutine[None, None, None]]:
        """The commands that bring in who calls and who looks on; they need not wait for each other."""
        yield self._add_supervisor()
        yield self._add_token()
        for number, provider in enumerate(self.plan.providers):
            if self.plan.subscribers_of(provider):
                yield self._add_subscribers(number, provider)

    async def _add_subscribers(self, number: int, provider: LabProvider) -> None:
        file, count = self.folder / f"{provider.slug}.csv", self.plan.subscribers_of(provider)
        write_csv(
            file,
            people(number, count, provider.olt, self.plan.onus_of(provider.slug), self.olts[provider.olt].plant.onus),
        )
        await self.callcenter("subscriber", "import", provider.slug, str(file))

    async def _add_supervisor(self) -> None:
        password = self.passwords[SUPERVISOR] = secrets.token_urlsafe(18)
        await self.callcenter(
            "user", "add", SUPERVISOR, "--name", "Ірина", "--role", "supervisor", "--password-stdin", stdin=password
        )

    async def _add_token(self) -> None:
        self.api_token = await self.new_token("lab")

    async def new_token(self, name: str, *slugs: str) -> str:
        """An API token of a supervisor of these providers; of all if none is named."""
        only = [word for slug in slugs for word in ("--provider", slug)]
        made = json.loads(await self.callcenter("token", "add", name, "--role", "supervisor", *only, "--json"))
        return str(made["token"])

    async def _open_asterisk(self) -> None:
        self.say("rendering and starting Asterisk")
        await self.callcenter("asterisk", "render", "--install")
        self.asterisk = Asterisk(
            self.binary, self.folders.etc / "asterisk.conf", output=self.folder / "asterisk-output.log"
        )
        self._stack.push_async_callback(self.asterisk.stop)
        await self.asterisk.start()

    async def _open_service(self) -> None:
        self.say("starting the service")
        self.wire = await self._stack.enter_async_context(Wiretap(self.ports.pbx_ami, self.ports.ami))
        self.service = Service(self.settings_file, self.environment, self.folder / "service.log", f"{self.url}/healthz")
        self._stack.push_async_callback(self.service.stop)
        await self.service.start()
        if self.plan.signed_in:
            await self._agents_at_work()

    async def _agents_at_work(self) -> None:
        """Returns when Asterisk has everybody in the queues they serve; raises ``Unavailable``."""
        serving = {each for provider in self.plan.providers for each in provider.members or self.plan.extensions}
        try:
            async with asyncio.timeout(30):
                while missing := serving - set(_MEMBER.findall(await self.asterisk.rx("queue show"))):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            who = ", ".join(sorted(missing))
            raise Unavailable("service", f"did not put to work: {who}\n{self.service.tail()}") from None

    # --- using it ---

    @property
    def trunk_uri(self) -> str:
        """Where calls back leave to: the callers' own socket."""
        return f"sip:127.0.0.2:{self.callers.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports.web}"

    async def callcenter(self, *arguments: str, stdin: str = "") -> str:
        """Runs the product's command as an operator would; raises ``Unavailable`` with what it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "callcenter", *arguments),
            env=self.environment,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complaint = await process.communicate(stdin.encode())
        if process.returncode:
            raise Unavailable("callcenter " + " ".join(arguments[:2]), complaint.decode() + said.decode())
        return said.decode()

    async def dial(
        self, did: str, caller: CallerId | str, *, tone: Tone | None = None, headers: Sequence[tuple[str, str]] = ()
    ) -> Call:
        """A subscriber dials a provider's number (digits, with or without plus)."""
        who = CallerId(caller) if isinstance(caller, str) else caller
        return await self.callers.dial(
            f"sip:{did}@127.0.0.1:{self.ports.sip}", who, tone=tone or self.plan.caller_tone, headers=headers
        )

    async def api(self, method: str, path: str, **more: Any) -> Any:
        """One call of the JSON API with the lab's token; raises ``Unavailable`` with what it answered."""
        async with (
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.api_token}"}) as http,
            http.request(method, f"{self.url}/api/v1{path}", **more) as reply,
        ):
            text = await reply.text()
            if reply.status >= 400:
                raise Unavailable("API", f"{method} {path}: {reply.status} {text}")
            return json.loads(text) if text else None

    def facts(self) -> dict[str, str]:
        """What `make lab` writes to ``var/lab.env``."""
        return {
            "LAB_URL": self.url,
            "LAB_SIP": f"127.0.0.1:{self.ports.sip}",
            "LAB_SIP_FROM": "127.0.0.2",
            "LAB_AMI": f"127.0.0.1:{self.ports.ami}",
            "LAB_AMI_EVENTS_USER": "callcenter-events",
            "LAB_AMI_EVENTS_SECRET": self.secrets[SECRETS[0]],
            "LAB_AMI_COMMANDS_USER": "callcenter-commands",
            "LAB_AMI_COMMANDS_SECRET": self.secrets[SECRETS[1]],
            "LAB_DIDS": ",".join(did for provider in self.plan.providers for did in provider.dids),
            "LAB_PROVIDERS": ",".join(f"{each.brand}={'/'.join(each.dids)}" for each in self.plan.providers),
            "LAB_CALLER": "0670000000",
            "LAB_CEL": str(self.settings.asterisk.journal),
            "LAB_QUEUE_LOG": str(self.settings.asterisk.queue_log),
            "LAB_DATABASE_URL": self.postgres.url,
            "LAB_DATABASE_ADMIN_URL": self.postgres.superuser_url.replace("/postgres?", "/callcenter?"),
            "LAB_API_TOKEN": self.api_token,
            "LAB_SUPERVISOR": SUPERVISOR,
            "LAB_SUPERVISOR_PASSWORD": self.passwords[SUPERVISOR],
            "LAB_AGENT": f"agent{self.plan.extensions[0]}",
            "LAB_AGENT_PASSWORD": self.passwords[f"agent{self.plan.extensions[0]}"],
            "LAB_PASSWORDS": " ".join(f"{login}:{password}" for login, password in self.passwords.items()),
            "LAB_AGENT_EXTENSIONS": ",".join(self.plan.extensions),
            "LAB_CONFIG": str(self.settings_file),
            "LAB_CALLCENTER": f"{sys.executable} -m callcenter",
            "LAB_ASTERISK_PID": str(self.asterisk.pid or ""),
            "LAB_SERVICE_PID": str(self.service.pid or ""),
            **{name: value for name, value in self.environment.items() if name.startswith("CALLCENTER_")},
        }
