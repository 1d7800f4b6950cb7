"""Asterisk's configuration as text, from the book and the settings. Pure: files are written in ``install``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callcenter.config import PhoneSettings, Settings
from callcenter.errors import Misconfigured
from callcenter.pbx.checks import check
from callcenter.pbx.modules import modules, opus_module
from callcenter.pbx.safe import FILTERS, Unsafe, only_safe
from callcenter.pbx.version import PbxVersion
from callcenter.routing.book import Book, Provider, Queue, Trunk
from callcenter.routing.hours import DAYS, Holiday, Span, WeekHours
from callcenter.words import Did

_PACKAGED = Path(__file__).parents[1] / "_asterisk_conf"
TEMPLATES = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[2] / "asterisk-conf"

BESIDE = (
    "pjsip.conf", "extensions.conf", "queues.conf", "manager.conf", "cel.conf", "cel_custom.conf", "cli.conf",
    "musiconhold.conf",
)  # fmt: skip
"""The files an existing PBX includes."""
WHOLE = (
    *BESIDE, "asterisk.conf", "modules.conf", "logger.conf", "features.conf", "rtp.conf", "cdr.conf",
    "indications.conf", "acl.conf", "udptl.conf", "ccss.conf", "pjproject.conf", "queuerules.conf", "http.conf",
    "pjsip_notify.conf",
    "sorcery.conf",
)  # fmt: skip
"""The files of an Asterisk that is ours altogether."""

UNWANTED_EVENTS = (
    "VarSet", "Newexten", "RTCPSent", "RTCPReceived", "TestEvent", "CEL", "Cdr", "DialState", "SoftHangupRequest",
    "HangupRequest", "Newstate", "NewCallerid", "NewConnectedLine", "NewAccountCode", "DeviceStateChange",
    "BridgeCreate", "BridgeDestroy", "MusicOnHoldStart", "MusicOnHoldStop", "PeerStatus",
    "ChallengeSent", "SuccessfulAuth", "MixMonitorStart", "MixMonitorStop", "MixMonitorMute", "LocalBridge",
    "LocalOptimizationBegin", "LocalOptimizationEnd", "PresenceStateChange", "ExtensionStatus",
)  # fmt: skip
"""AMI events that nobody here reads: half of the stream's bytes."""

QUEUE_CODE = "*"
"""Phones dial a queue as this and its number in the database: ``*3``."""
DUTY_CODES = (("*45", "pause"), ("*46", "ready"), ("*47", "in"), ("*48", "out"))
"""What an agent dials to say what they are on duty as; a queue of such a number is dialled by its name."""
ECHO_CODE = "*43"
"""What an agent dials to hear themselves."""
PHONE_PAUSE = "phone"
"""The reason of a pause that was taken by such a code."""
TRANSFER_RING_S = 25
HOLD_S = 600
"""After so long on hold a caller is served anew."""
AWAY_S = 20
"""For so long a caller waits for a page that has gone in the middle of their talk."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def render(
    book: Book, settings: Settings, version: PbxVersion, prompts: Path | None = None, today: date | None = None
) -> dict[str, str]:
    """Every file's text by its name; raises ``Misconfigured`` with every mistake of the book and the settings.

    ``prompts`` is the folder of ``ivr.prompts``; by default ``sounds/callcenter`` below Asterisk's ``var_dir``.
    Asterisk knows no years: of the holidays those of the year from ``today`` on are rendered, all of them without it.
    """
    folder = prompts or prompts_folder(settings)
    check(book, settings)
    values = _values(book, settings, version, folder, today, opus_module(settings.asterisk.module_dir))
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=only_safe,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - no HTML here; every value passes a filter of pbx.safe or the render fails
    )
    environment.filters = dict(FILTERS)
    rendered: dict[str, str] = {}
    for name in WHOLE if settings.asterisk.own_whole else BESIDE:
        try:
            rendered[name] = environment.get_template(f"{name}.j2").render(values)
        except Unsafe as exc:
            raise Misconfigured(f"{name}: {exc}") from exc
    return rendered


def prompts_folder(settings: Settings) -> Path:
    return settings.asterisk.var_dir / "sounds" / "callcenter"


def music_folder(settings: Settings) -> Path:
    return settings.asterisk.var_dir / "sounds" / "callcenter-music"


@dataclass(frozen=True, slots=True)
class DialledDid:
    """A DID and every other way a trunk may write it that routing reads as the same DID."""

    number: Did
    slug: str
    digits: str
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HolidayWay:
    """A day of a month, and the times that somebody answers on it."""

    number: int
    month: str
    spans: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderWay:
    """What the dialplan needs of one provider."""

    slug: str
    language: str
    timezone: str
    max_lines: int
    always_open: bool
    open_spans: tuple[str, ...]
    holidays: tuple[HolidayWay, ...]
    prompts: Path
    main_queue: str
    queues: tuple[Queue, ...]
    auto_answer: bool


@dataclass(frozen=True, slots=True)
class QueueCode:
    name: str
    slug: str
    code: str


@dataclass(frozen=True, slots=True)
class OutboundWay:
    """How a provider's call backs leave: through which trunk, as which number, to which prefixes (digits)."""

    slug: str
    trunk: str
    did: Did
    allowed: tuple[str, ...]
    prompts: Path
    language: str


@dataclass(frozen=True, slots=True)
class _Ask:
    url: str
    token: object
    limit: str


@dataclass(frozen=True, slots=True)
class PagePhone:
    """Where Asterisk serves the phones in agents' pages."""

    bind: str
    host: str
    port: int
    tls_cert: Path | None
    tls_key: Path | None

    @classmethod
    def of(cls, settings: PhoneSettings) -> PagePhone | None:
        """``None`` where no page has a phone."""
        if not settings.address:
            return None
        host, _, port = settings.bind.rpartition(":")
        return cls(settings.bind, host, int(port), settings.tls_cert, settings.tls_key)


def _values(
    book: Book, settings: Settings, version: PbxVersion, folder: Path, today: date | None, opus: str
) -> dict[str, object]:
    slugs = {provider.id: provider.slug for provider in book.providers}
    page = PagePhone.of(settings.phone)
    return {
        "whole": settings.asterisk.own_whole,
        "at": settings.asterisk,
        "ami": settings.ami,
        "ask": _Ask(
            f"http://{settings.ivr.host}:{settings.ivr.port}/ivr/v1/arrival",
            settings.ivr.token,
            f"{settings.ivr.limit_s:g}",
        ),
        "modules": modules(version, phone=page is not None, opus=opus),
        "phone": page,
        "opus": bool(opus),
        "prepares": version.prepares_queued_phones,
        "echo_code": ECHO_CODE,
        "unwanted": UNWANTED_EVENTS,
        "named_filters": version.filters_events_by_name,
        "stereo": version.records_stereo,
        "trunks": book.trunks,
        "agents": book.agents,
        "dids": dialled_dids(book),
        "providers": [way for p in book.providers if (way := provider_way(book, p, folder, today)) is not None],
        "queues": book.queues,
        "queue_codes": [QueueCode(q.name, slugs[q.provider], _code_of(q)) for q in book.queues],
        "duty_codes": DUTY_CODES,
        "phone_pause": PHONE_PAUSE,
        "outbound": outbound_ways(book, settings, folder),
        "music": music_folder(settings),
        "ring_s": TRANSFER_RING_S,
        "hold_s": HOLD_S,
        "away_s": AWAY_S,
    }


def dialled_dids(book: Book) -> tuple[DialledDid, ...]:
    """A DID reaches its provider however the trunk writes it, as far as routing reads it as that DID."""
    return tuple(
        DialledDid(did, provider.slug, did.lstrip("+"), tuple(_forms(book, did)))
        for did, owner in sorted(book.dids.items())
        if (provider := book.provider(owner)) is not None
    )


def _code_of(queue: Queue) -> str:
    code = f"{QUEUE_CODE}{queue.id}"
    return "" if code in dict(DUTY_CODES) else code


def _forms(book: Book, did: Did) -> Iterable[str]:
    digits = did.lstrip("+")
    candidates = [
        did,
        f"00{digits}",
        *(f"{before}{digits[cut:]}" for cut in (1, 2, 3) for before in ("0", "8", "80", "")),
    ]
    seen = {digits}
    for form in candidates:
        found = book.provider_of(form)
        if form not in seen and found is not None and found[0] == did:
            seen.add(form)
            yield form


def provider_way(book: Book, provider: Provider, folder: Path, today: date | None = None) -> ProviderWay | None:
    """A provider's way; ``None`` for one without a queue, whom ``check`` lets pass only without a DID."""
    queues = tuple(sorted((q for q in book.queues if q.provider == provider.id), key=lambda q: q.id))
    if not queues:
        return None
    return ProviderWay(
        slug=provider.slug,
        language=provider.language,
        timezone=provider.timezone.key,
        max_lines=provider.max_lines,
        always_open=not provider.hours.days,
        open_spans=open_spans(provider.hours),
        holidays=holidays(provider.holidays, today),
        prompts=folder / provider.slug,
        main_queue=queues[0].name,
        queues=queues,
        auto_answer=provider.auto_answer,
    )


def open_spans(hours: WeekHours) -> tuple[str, ...]:
    """Opening hours as ``GotoIfTime`` reads them, whose last minute is inside the span: ``08:00-21:59,mon``."""
    return tuple(f"{_clock(span)},{day}" for day in DAYS for span in hours.days.get(day, ()))


def _clock(span: Span) -> str:
    return f"{span.start // 60:02}:{span.start % 60:02}-{(span.end - 1) // 60:02}:{(span.end - 1) % 60:02}"


def holidays(days: Iterable[Holiday], today: date | None = None) -> tuple[HolidayWay, ...]:
    """The holidays of the year from today on; one that is over would else come again a year later."""
    coming = [each for each in days if today is None or today <= each.day < today + timedelta(days=365)]
    return tuple(
        HolidayWay(each.day.day, MONTHS[each.day.month - 1], tuple(_clock(span) for span in each.spans))
        for each in sorted(coming, key=lambda each: each.day)
    )


def waiting_queues(book: Book, folder: Path) -> list[tuple[str, Path, int]]:
    """Queues whose callers may keep their place: the name, the file that tells them, and every how many seconds."""
    found = []
    for queue in book.queues:
        provider = book.provider(queue.provider)
        if queue.keep_place and provider is not None:
            said = folder / provider.slug / provider.language / "keep-place.wav"
            found.append((queue.name, said, queue.keep_place_every_s))
    return found


def outbound_ways(book: Book, settings: Settings, folder: Path) -> tuple[OutboundWay, ...]:
    """A call back leaves through the provider's own trunk, else the house's; a provider with neither has none."""
    ways = []
    for provider in book.providers:
        did, trunk = book.first_did(provider.id), outbound_trunk(book, provider, settings.outbound.trunk)
        if did is not None and trunk is not None:
            allowed = tuple(prefix.lstrip("+") for prefix in settings.outbound.allow)
            ways.append(OutboundWay(provider.slug, trunk.name, did, allowed, folder / provider.slug, provider.language))
    return tuple(ways)


def outbound_trunk(book: Book, provider: Provider, common: str | None) -> Trunk | None:
    own: Sequence[Trunk] = [t for t in book.trunks if t.provider == provider.id and t.outbound_uri]
    shared = [t for t in book.trunks if t.name == common and t.outbound_uri]
    return next(iter((*own, *shared)), None)
