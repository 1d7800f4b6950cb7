"""What is rendered for phones in agents' pages: only for those who have one, only where one is configured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from callcenter.config import PhoneSettings, Settings
from callcenter.errors import Misconfigured
from callcenter.pbx.install import check_rendered
from callcenter.pbx.modules import OPUS, PAGE_PHONE, opus_module
from callcenter.pbx.render import render
from callcenter.pbx.syntax import parse
from callcenter.pbx.version import PbxVersion
from callcenter.routing.book import Book
from tests.pbx_house import VOLIA, a_book, settings_for

NEWEST = PbxVersion.parse("22.10.1")
PAGE = PhoneSettings(address="wss://pbx.example.net:8089/ws", bind="127.0.0.1:8088")


def house(root: Path, phone: PhoneSettings = PAGE) -> Settings:
    return settings_for(root).model_copy(update={"phone": phone})


def with_a_page(book: Book | None = None) -> Book:
    found = book or a_book()
    return replace(found, agents=(*found.agents[:2], replace(found.agents[2], phone="browser")))


def test_a_phone_in_the_page_is_encrypted_has_no_password_in_a_file_and_hands_nobody_on(tmp_path: Path) -> None:
    files = render(with_a_page(), house(tmp_path), NEWEST)
    check_rendered(files)
    sections = parse("pjsip.conf", files["pjsip.conf"])
    template = next(each for each in sections if each.name == "callcenter-page")
    assert (template.value("webrtc"), template.value("allow_transfer"), template.value("context")) == (
        ("yes", "no", "from-agent")
    )  # fmt: skip
    theirs = [each for each in sections if each.name == "agent-103"]
    assert [each.options for each in theirs] == [("callcenter-page",), ()]
    assert "secret-103-x" not in files["pjsip.conf"]
    assert [each.value("max_contacts") for each in theirs][1] == "1"
    assert "secret-101-x" in files["pjsip.conf"], "a phone of its own keeps its password"


def test_without_a_page_no_server_listens_and_nothing_more_is_loaded(tmp_path: Path) -> None:
    files = render(a_book(), settings_for(tmp_path), NEWEST)
    assert parse("http.conf", files["http.conf"])[0].value("enabled") == "no"
    assert "astdb" not in files["sorcery.conf"].partition("[res_pjsip]")[2]
    assert not any(module in files["modules.conf"] for module in PAGE_PHONE)
    assert "callcenter-page" not in files["pjsip.conf"]
    assert "exten => resume" not in files["extensions.conf"]


def test_the_server_speaks_plainly_on_this_machine_only(tmp_path: Path) -> None:
    [plain] = parse("http.conf", render(with_a_page(), house(tmp_path), NEWEST)["http.conf"])
    assert (plain.value("bindaddr"), plain.value("bindport"), plain.value("tlsenable")) == ("127.0.0.1", "8088", None)
    pem = PhoneSettings(address=PAGE.address, bind="0.0.0.0:8089", tls_cert=Path("/c.pem"), tls_key=Path("/k.pem"))
    [tls] = parse("http.conf", render(with_a_page(), house(tmp_path, pem), NEWEST)["http.conf"])
    assert (tls.value("bindaddr"), tls.value("tlsbindaddr")) == ("127.0.0.1", "0.0.0.0:8089")
    assert (tls.value("tlscertfile"), tls.value("tlsprivatekey")) == ("/c.pem", "/k.pem")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"address": "ws://pbx.example.net/ws"}, "must begin with wss://"),
        ({"address": "https://pbx.example.net/ws"}, "WebSocket's address"),
        ({"address": "wss://pbx/ws;x"}, "WebSocket's address"),
        ({"address": "wss://pbx/ws", "bind": "0.0.0.0:8088"}, "loopback address only"),
        ({"tls_cert": "/c.pem"}, "belong together"),
        ({"turn": ["turn:t.example.net:3478"]}, "turn needs turn_secret"),
        ({"relay_only": True}, "relay_only needs turn"),
        ({"stun": ["javascript:alert(1)"]}, "is not an address"),
        ({"stun": ["stun:a\nb"]}, "is not an address"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        PhoneSettings.model_validate(given)


def test_an_agent_with_a_phone_in_the_page_needs_the_page_to_have_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"agent 103: their phone is in the page, and phone\.address is not set"):
        render(with_a_page(), settings_for(tmp_path), NEWEST)


def test_opus_is_offered_only_where_it_can_be_turned_into_what_the_trunk_speaks(tmp_path: Path) -> None:
    def codecs() -> str | None:
        files = render(with_a_page(), house(tmp_path), NEWEST)
        sections = parse("pjsip.conf", files["pjsip.conf"])
        assert (OPUS[1] in files["modules.conf"]) == bool(opus_module(tmp_path / "modules"))
        return next(each for each in sections if each.name == "callcenter-page").value("allow")

    assert codecs() == "ulaw,alaw"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / f"{OPUS[1]}.so").touch()
    assert codecs() == "opus,ulaw,alaw"


def test_who_answers_by_themselves_is_an_agents_or_a_providers_choice(tmp_path: Path) -> None:
    book = a_book()
    first, second = book.providers
    book = replace(
        book,
        providers=(replace(first, auto_answer=True), second),
        agents=(replace(book.agents[0], auto_answer=True), *book.agents[1:]),
    )
    files = render(book, settings_for(tmp_path), NEWEST)
    check_rendered(files)
    [listed] = [each for each in parse("extensions.conf", files["extensions.conf"]) if each.name == "answers-itself"]
    assert [entry.value.partition(",")[0] for entry in listed.entries] == ["never", "101", "provider-volia"]
    assert first.id == VOLIA
    queues = parse("queues.conf", files["queues.conf"])
    assert {each.value("membergosub") for each in queues if each.name.endswith("support")} == {"agent-answered,s,1"}
