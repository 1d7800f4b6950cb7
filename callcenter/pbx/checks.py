"""Every mistake of the operator that would make Asterisk serve a caller wrongly, named before a file is written."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from callcenter.config import Settings
from callcenter.errors import Misconfigured
from callcenter.pbx import safe
from callcenter.pbx.safe import Unsafe
from callcenter.routing.book import Agent, Book, Provider, Queue, Trunk

RESERVED_QUEUES = frozenset({"general", "default", "h", "i", "s", "t", "e", "o", "a"})
"""Names that mean something else in queues.conf or as an extension."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def check(book: Book, settings: Settings) -> None:
    """Raises ``Misconfigured`` with one line for every mistake of the book or of the settings."""
    found = list(mistakes(book, settings))
    if found:
        raise Misconfigured("\n".join(found))


def mistakes(book: Book, settings: Settings) -> Iterator[str]:
    """Every mistake, as a sentence that names the thing and what is wrong with it."""
    yield from _settings(settings)
    yield from _dids(book)
    for provider in book.providers:
        yield from _provider(book, provider)
    for queue in book.queues:
        yield from _queue(book, queue)
    yield from _twice("queue", (queue.name for queue in book.queues))
    for agent in book.agents:
        yield from _agent(agent)
        if agent.phone == "browser" and not settings.phone.address:
            yield f"agent {agent.extension}: their phone is in the page, and phone.address is not set"
    yield from _twice("agent", (agent.extension for agent in book.agents))
    yield from _trunks(book)
    yield from _phones_behind_trunks(book)
    yield from _outbound(book, settings)


def _settings(settings: Settings) -> Iterator[str]:
    at = settings.asterisk
    for name in ("etc_dir", "log_dir", "spool_dir", "run_dir", "data_dir", "var_dir", "module_dir"):
        yield from _refused(f"asterisk.{name}", safe.path, getattr(at, name))
    if at.ami_tls_cert is not None:
        yield from _refused("asterisk.ami_tls_cert", safe.path, at.ami_tls_cert)
    yield from _refused("asterisk.sip_bind", safe.bind, at.sip_bind)
    yield from _refused("asterisk.ami_bind", safe.address, at.ami_bind)
    yield from _refused("ivr.host", safe.host, settings.ivr.host)
    yield from _refused("ivr.token", safe.token, settings.ivr.token)
    for user in ("events", "commands"):
        yield from _refused(f"ami.{user}_user", safe.word, getattr(settings.ami, f"{user}_user"))
        yield from _refused(f"ami.{user}_secret", safe.secret, getattr(settings.ami, f"{user}_secret"))
    if settings.phone.address:
        yield from _refused("phone.bind", safe.bind, settings.phone.bind)
        for name in ("tls_cert", "tls_key"):
            if getattr(settings.phone, name) is not None:
                yield from _refused(f"phone.{name}", safe.path, getattr(settings.phone, name))
    if settings.ami.events_user == settings.ami.commands_user:
        yield f"ami: {settings.ami.events_user!r} is the user of events and of commands: they are two"
    for prefix in settings.outbound.allow:
        if not (prefix.startswith("+") and prefix[1:].isascii() and prefix[1:].isdigit()):
            yield f"outbound.allow: {prefix!r} is not a prefix in E.164 such as +380"


def _dids(book: Book) -> Iterator[str]:
    known = {provider.id for provider in book.providers}
    for did, owner in book.dids.items():
        yield from _refused(f"DID {did}", safe.word, did)
        if owner not in known:
            yield f"DID {did}: its provider {owner} is not in the book"
        elif book.provider_of(did) is None:
            yield f"DID {did}: is no phone number in E.164, no call would find it"
    yield from _twice("DID", (did.lstrip("+") for did in book.dids))


def _provider(book: Book, provider: Provider) -> Iterator[str]:
    at = f"provider {provider.slug}"
    yield from _refused(f"{at}: slug", safe.word, provider.slug)
    yield from _refused(f"{at}: brand", safe.label, provider.brand)
    yield from _refused(f"{at}: timezone", safe.path, provider.timezone.key)
    for character in provider.greeting:
        if not character.isprintable() and character != "\n":
            yield f"{at}: greeting holds the control character {character!r}"
            break
    has_queue = any(queue.provider == provider.id for queue in book.queues)
    if provider.id in book.dids.values() and not has_queue:
        yield f"{at}: has a DID but no queue, its callers would reach nobody"
    if provider.max_lines < 1:
        yield f"{at}: max_lines is {provider.max_lines}, no caller would get through"


def _queue(book: Book, queue: Queue) -> Iterator[str]:
    at = f"queue {queue.name}"
    yield from _refused(at, safe.word, queue.name)
    if queue.name in RESERVED_QUEUES or queue.name.isdigit():
        yield f"{at}: the name means something else to Asterisk, choose another"
    if book.provider(queue.provider) is None:
        yield f"{at}: its provider {queue.provider} is not in the book"
    if not queue.members:
        yield f"{at}: has no agents, its callers would reach nobody"
    for member in queue.members:
        if book.agent(member.extension) is None:
            yield f"{at}: its agent {member.extension} is not in the book"
    yield from _twice(f"{at}: agent", (member.extension for member in queue.members))


def _agent(agent: Agent) -> Iterator[str]:
    at = f"agent {agent.extension}"
    if not (agent.extension.isascii() and agent.extension.isdigit() and 2 <= len(agent.extension) <= 6):
        yield f"{at}: an extension is 2 to 6 digits"
    yield from _refused(f"{at}: name", safe.label, agent.name)
    yield from _refused(f"{at}: sip_secret", safe.secret, agent.sip_secret)
    if agent.contact is not None:
        yield from _refused(f"{at}: contact", safe.uri, agent.contact)


def _trunks(book: Book) -> Iterator[str]:
    yield from _twice("trunk", (trunk.name for trunk in book.trunks))
    seen: list[tuple[str, Network | str]] = []
    for trunk in book.trunks:
        yield from _trunk(book, trunk)
        for text, network in _hosts(trunk):
            for other, taken in seen:
                if _overlap(network, taken):
                    yield f"trunk {trunk.name}: {text} is also trunk {other}'s, a call from there would be either's"
            seen.append((trunk.name, network))
    if book.dids and not book.trunks:
        yield "trunks: there are DIDs but no trunk, no call could arrive"


def _trunk(book: Book, trunk: Trunk) -> Iterator[str]:
    at = f"trunk {trunk.name}"
    yield from _refused(at, safe.word, trunk.name)
    yield from _refused(f"{at}: codecs", safe.codecs, trunk.codecs)
    if not trunk.hosts:
        yield f"{at}: has no host, its calls would not be known"
    for host in trunk.hosts:
        yield from _refused(f"{at}: host", safe.host, host)
    for _, network in _hosts(trunk):
        if not isinstance(network, str) and network.prefixlen == 0:
            yield f"{at}: {network} is the whole world"
    if trunk.outbound_uri is not None:
        yield from _refused(f"{at}: outbound_uri", safe.uri, trunk.outbound_uri)
    if trunk.provider is not None and book.provider(trunk.provider) is None:
        yield f"{at}: its provider {trunk.provider} is not in the book"


def _phones_behind_trunks(book: Book) -> Iterator[str]:
    """A phone at a trunk's address would be taken for the trunk: Asterisk looks at the address first."""
    for agent in book.agents:
        if agent.contact is None:
            continue
        try:
            phone = _network(safe.uri_host(agent.contact))
        except Unsafe:
            continue  # already named by _agent
        for trunk in book.trunks:
            for text, network in _hosts(trunk):
                if _overlap(phone, network):
                    yield f"agent {agent.extension}: the phone's address is {text}, which is trunk {trunk.name}'s"


def _outbound(book: Book, settings: Settings) -> Iterator[str]:
    name = settings.outbound.trunk
    if name is None:
        return
    trunk = book.trunk(name)
    if trunk is None:
        yield f"outbound.trunk: there is no trunk {name}"
    elif trunk.outbound_uri is None:
        yield f"outbound.trunk: trunk {name} has no outbound_uri, nothing can leave through it"


def _hosts(trunk: Trunk) -> Iterator[tuple[str, Network | str]]:
    for host in trunk.hosts:
        try:
            safe.host(host)
        except Unsafe:
            continue  # already named by _trunk
        yield host, _network(host)


def _network(host: str) -> Network | str:
    try:
        return ipaddress.ip_network(host)
    except ValueError:
        return host.casefold()


def _overlap(one: Network | str, other: Network | str) -> bool:
    if isinstance(one, ipaddress.IPv4Network) and isinstance(other, ipaddress.IPv4Network):
        return one.overlaps(other)
    if isinstance(one, ipaddress.IPv6Network) and isinstance(other, ipaddress.IPv6Network):
        return one.overlaps(other)
    return one == other


def _refused(what: str, rule: Callable[[Any], str], value: Any) -> Iterator[str]:
    try:
        rule(value)
    except Unsafe as exc:
        yield f"{what}: {exc}"


def _twice(what: str, names: Iterable[str]) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{what} {name}: is there {times} times"
