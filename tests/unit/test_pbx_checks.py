"""Every mistake of an operator is named before a file is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from callcenter.config import Settings
from callcenter.errors import Misconfigured
from callcenter.pbx import safe
from callcenter.pbx.checks import check, mistakes
from callcenter.pbx.dialplan import read_dialplan
from callcenter.pbx.render import render
from callcenter.pbx.safe import Unsafe
from callcenter.pbx.syntax import check_files, parse
from callcenter.pbx.version import PbxVersion
from callcenter.routing.book import Book, Member, Trunk
from callcenter.words import Did, ProviderId, QueueId
from tests.pbx_house import VOLIA, a_book, a_queue, an_agent, settings_for

ROOT = Path("/pbx")
BOOK = a_book()
FIRST, SECOND = BOOK.providers
ANNA = BOOK.agents[0]
LAB = BOOK.trunks[0]
Change = Callable[[Book], Book]


def provider(**other: Any) -> Change:
    return lambda book: replace(book, providers=(replace(FIRST, **other), SECOND))


def agent(**other: Any) -> Change:
    return lambda book: replace(book, agents=(replace(ANNA, **other), *book.agents[1:]))


def trunk(**other: Any) -> Change:
    return lambda book: replace(book, trunks=(replace(LAB, **other),))


def second_trunk(*hosts: str) -> Change:
    return lambda book: replace(book, trunks=(LAB, Trunk("other", None, hosts, None, "alaw")))


def queue(**other: Any) -> Change:
    return lambda book: replace(book, queues=(replace(book.queues[0], **other), *book.queues[1:]))


MISTAKES: list[tuple[str, Change, str]] = [
    ("a quote in a brand", provider(brand='Во"ля'), "provider volia: brand"),
    ("a newline in a brand", provider(brand="Воля\n[evil]"), "provider volia: brand"),
    ("a tab in a brand", provider(brand="Во\tля"), "provider volia: brand"),
    ("an expression in a brand", provider(brand="${SHELL(id)}"), "provider volia: brand"),
    ("a comment in a brand", provider(brand="Воля; exten"), "provider volia: brand"),
    ("a right-to-left override in a brand", provider(brand="Во\u202eля"), "provider volia: brand"),
    ("an empty brand", provider(brand="  "), "provider volia: brand"),
    ("a control character in a greeting", provider(greeting="Вітаю\x07"), "provider volia: greeting"),
    ("no line", provider(max_lines=0), "provider volia: max_lines"),
    ("a slug with a bracket", provider(slug="volia]"), "provider volia]: slug"),
    ("a DID twice", lambda b: replace(b, dids={**b.dids, Did("380441230001"): VOLIA}), "DID 380441230001: is there 2"),
    ("a DID that is no number", lambda b: replace(b, dids={Did("+38044"): VOLIA}), "DID +38044: is no phone number"),
    ("a DID of nobody", lambda b: replace(b, dids={Did("+380441230001"): ProviderId(9)}), "its provider 9 is not"),
    ("a DID without a queue", lambda b: replace(b, queues=b.queues[1:]), "provider volia: has a DID but no queue"),
    ("a queue without agents", queue(members=()), "queue volia-support: has no agents"),
    ("a queue with a stranger", queue(members=(Member("999", 0),)), "its agent 999 is not in the book"),
    ("a queue with an agent twice", queue(members=(Member("101", 0), Member("101", 1))), "agent 101: is there 2 times"),
    ("a queue named general", queue(name="general"), "queue general: the name means something else"),
    ("a queue named like a phone", queue(name="101"), "queue 101: the name means something else"),
    ("a queue with a newline", queue(name="a\nb"), "queue a\nb"),
    (
        "a queue twice",
        lambda b: replace(b, queues=(*b.queues, a_queue(9, VOLIA, "volia-support", "101"))),
        "queue volia-support: is there 2 times",
    ),
    ("a queue of nobody", queue(provider=ProviderId(9)), "queue volia-support: its provider 9"),
    ("a quote in an agent's name", agent(name='Анна "x"'), "agent 101: name"),
    ("a bracket in an agent's name", agent(name="Анна <sip:x>"), "agent 101: name"),
    ("a blank in a secret", agent(sip_secret=SecretStr("secret 101")), "agent 101: sip_secret"),
    ("a comment in a secret", agent(sip_secret=SecretStr("secret;101")), "agent 101: sip_secret"),
    ("a newline in a secret", agent(sip_secret=SecretStr("secret101\n")), "agent 101: sip_secret"),
    ("a short secret", agent(sip_secret=SecretStr("short")), "agent 101: sip_secret"),
    ("a contact that is no address", agent(contact="anna@10.0.0.1"), "agent 101: contact"),
    ("a contact with a newline", agent(contact="sip:a@10.0.0.1\nx=y"), "agent 101: contact"),
    ("a contact with port 70000", agent(contact="sip:a@10.0.0.1:70000"), "agent 101: contact"),
    ("an extension of letters", agent(extension="anna"), "agent anna: an extension is"),
    ("an extension of other digits", agent(extension="٣٨٠"), "agent ٣٨٠: an extension is"),
    ("an extension twice", lambda b: replace(b, agents=(*b.agents, an_agent("101"))), "agent 101: is there 2 times"),
    ("a phone at a trunk's address", agent(contact="sip:a@127.0.0.2:5071"), "which is trunk lab's"),
    ("a host that is none", trunk(hosts=("10.0.0.300",)), "trunk lab: host"),
    ("a host with a newline", trunk(hosts=("10.0.0.1\nmatch=0.0.0.0/0",)), "trunk lab: host"),
    ("the whole world as a host", trunk(hosts=("0.0.0.0/0",)), "is the whole world"),
    ("a network with host bits", trunk(hosts=("10.0.0.1/24",)), "trunk lab: host"),
    ("no host", trunk(hosts=()), "trunk lab: has no host"),
    ("a codec we do not have", trunk(codecs="alaw,g729"), "trunk lab: codecs"),
    ("a codec twice", trunk(codecs="alaw,alaw"), "trunk lab: codecs"),
    ("an address out that is none", trunk(outbound_uri="10.0.0.1"), "trunk lab: outbound_uri"),
    ("no address out of the common trunk", trunk(outbound_uri=None), "outbound.trunk: trunk lab has no outbound_uri"),
    ("two trunks at one address", second_trunk("127.0.0.2"), "is also trunk lab's"),
    ("two trunks whose networks overlap", second_trunk("127.0.0.0/29"), "is also trunk lab's"),
    ("no trunk at all", lambda b: replace(b, trunks=()), "there are DIDs but no trunk"),
]


@pytest.mark.parametrize(("change", "said"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_named_and_nothing_is_rendered(change: Change, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        render(change(a_book()), settings_for(ROOT), PbxVersion.parse("22.10.1"))
    assert said in str(caught.value)


def test_all_mistakes_are_named_at_once() -> None:
    book = replace(a_book(), trunks=(), queues=())
    found = list(mistakes(book, settings_for(ROOT)))
    assert len(found) == 4, found


def test_a_house_without_mistakes_passes_and_so_does_an_empty_one() -> None:
    check(a_book(), settings_for(ROOT))
    check(Book(), settings_for(ROOT, outbound={}))


SETTINGS: list[tuple[str, Callable[[], Settings], str]] = [
    ("a path with a blank", lambda: settings_for(Path("/my pbx")), "asterisk.etc_dir"),
    ("a path with a comment", lambda: settings_for(Path("/pbx;x")), "asterisk.var_dir"),
    ("a path that climbs", lambda: settings_for(Path("/pbx/../etc")), "asterisk.log_dir"),
    ("a bind without a port", lambda: settings_for(ROOT, sip_bind="0.0.0.0"), "asterisk.sip_bind"),
    ("a bind to a name", lambda: settings_for(ROOT, ami_bind="pbx.example"), "asterisk.ami_bind"),
    ("a prefix without a plus", lambda: settings_for(ROOT, outbound={"allow": ["380"]}), "outbound.allow"),
    ("a prefix that is all", lambda: settings_for(ROOT, outbound={"allow": ["+"]}), "outbound.allow"),
    ("a trunk that is not there", lambda: settings_for(ROOT, outbound={"trunk": "gone"}), "there is no trunk gone"),
]


@pytest.mark.parametrize(("make", "said"), [m[1:] for m in SETTINGS], ids=[m[0] for m in SETTINGS])
def test_a_mistake_of_the_settings_is_named(make: Callable[[], Settings], said: str) -> None:
    assert any(said in line for line in mistakes(a_book(), make()))


def test_a_refused_secret_is_not_shown() -> None:
    with pytest.raises(Unsafe) as caught:
        safe.secret(SecretStr("my secret"))
    assert "my secret" not in str(caught.value)


HOSTILE = ("a\nb", "a\rb", "a;b", "${SHELL(id)}", "$[1]", 'a"b', "a,b", "a b", "a\0b", "a\x85b", "a\u2028b", "", "а")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "rule", [safe.word, safe.path, safe.uri, safe.host, safe.secret, safe.url, safe.codecs, safe.bind]
)
def test_hostile_text_passes_no_filter(rule: Callable[[str], str], text: str) -> None:
    with pytest.raises(Unsafe):
        rule(text)


BROKEN_FILES = [
    ("pjsip.conf", "[a]\ntype = endpoint\nauth = gone\n", "names the auth gone"),
    ("pjsip.conf", "[a]\nallow = ulaw\n", "has no type"),
    ("pjsip.conf", "[a](gone)\ntype = aor\n", "the template gone is not there"),
    ("queues.conf", "[q]\nmember => PJSIP/agent-999,0,999\n", "has the member agent-999"),
    ("queues.conf", "strategy = ringall\n", "stands before the first section"),
    ("queues.conf", "[q\nstrategy = ringall\n", "is neither a section nor a setting"),
    ("queues.conf", "[q]\nstrategy\n", "is neither a section nor a setting"),
    ("queues.conf", "[q]\nstrategy = a\x07\n", "holds the control character"),
    ("queues.conf", "[q]\nstrategy = " + "a" * 5000 + "\n", "is longer than"),
]


@pytest.mark.parametrize(("name", "text", "said"), BROKEN_FILES)
def test_a_file_that_asterisk_would_misread_is_named(name: str, text: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said.replace("(", r"\(")):
        check_files({name: text})


BROKEN_DIALPLANS = [
    ("exten => s,1,System(id)", "application System is not one of ours"),
    ("exten => s,1,Set(X=${SHELL(id)})", "function SHELL is not one of ours"),
    ("exten => s,1,Goto(nowhere,s,1)", "goes to nowhere,s,1"),
    ("exten => s,1,GotoIf($[1]?gone)", "goes to gone"),
    ("exten => s,1,Set(X=${UNIQUEID)", "brackets or quotes are not closed"),
    ("exten => s,2,NoOp()", "is not a step"),
    ("exten => s,n,NoOp()", "is not a step"),
    ("exten => s,1,NoOp", "is not a step"),
    ("same => n,NoOp()", "is not a step of an extension"),
    ("exten => s,1,NoOp()\nexten => s,1,NoOp()", "is in [c] twice"),
]


@pytest.mark.parametrize(("lines", "said"), BROKEN_DIALPLANS)
def test_a_step_that_could_not_be_taken_is_named(lines: str, said: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_dialplan(parse("extensions.conf", f"[c]\n{lines}\n"))
    assert said in str(caught.value)


def test_a_queue_in_the_book_has_an_id_that_phones_can_dial() -> None:
    assert safe.code(f"*{QueueId(12)}") == "*12"
