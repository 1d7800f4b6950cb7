"""The phone in the page as it is installed: behind nginx as the docs write it, and at Asterisk's own TLS."""

from __future__ import annotations

import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from playwright.async_api import Page, expect

from lab.front import Certificate, Nginx, told_by
from lab.house import House
from tests.browser.phone_pages import MARKS, PLAN, a_browser, begin_work, hears_page, phone_is, quiet_afterwards, talks
from tests.live.conftest import until
from tests.live.ports import free_port, free_ports

pytestmark = MARKS

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "howto" / "phone-in-the-page.md", ROOT / "README.md")


class HouseBehind(House):
    """A house whose settings are changed before anything starts: each text by another."""

    changes: dict[str, str]

    def _write_settings(self) -> None:
        super()._write_settings()
        written = self.settings_file.read_text("utf-8")
        for old, new in self.changes.items():
            assert old in written
            written = written.replace(old, new)
        self.settings_file.write_text(written, "utf-8")


@asynccontextmanager
async def a_house_behind(folder: Path, changes: dict[str, str], ports: object = None) -> AsyncIterator[HouseBehind]:
    house = HouseBehind(folder, PLAN, ports or free_ports())  # type: ignore[arg-type]
    house.changes = changes
    async with house, quiet_afterwards(house):
        for phone in house.phones.values():
            phone.forget()
        yield house


async def agents_page(page: Page, url: str, house: House) -> None:
    page.set_default_timeout(20_000)
    await page.goto(f"{url}/sign-in?next=/agent")
    await page.fill("[name=login]", "agent101")
    await page.fill("[name=password]", house.passwords["agent101"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#status .state")).to_be_visible()


async def takes_a_call(house: House, page: Page) -> None:
    await phone_is(page, "registered", within_s=60)
    await begin_work(page)
    call = await talks(house, page, "380639600001")
    await until(lambda: hears_page(call), 60, "the caller hears the agent")
    call.hangup()
    await phone_is(page, "registered")


async def test_desk_and_phone_are_behind_nginx_under_one_name() -> None:
    with tempfile.TemporaryDirectory(prefix="cc", ignore_cleanup_errors=True) as folder:
        root, front, ports = Path(folder), free_port(), free_ports()
        url = f"https://127.0.0.1:{front}"
        changes = {
            f'public_url = "http://127.0.0.1:{ports.web}"': f'public_url = "{url}"',
            f'address = "ws://127.0.0.1:{ports.page}/ws"': f'address = "wss://127.0.0.1:{front}/ws"',
        }
        locations = told_by(*DOCS).replace("127.0.0.1:8080", f"127.0.0.1:{ports.web}")
        assert "127.0.0.1:8088" in locations
        locations = locations.replace("127.0.0.1:8088", f"127.0.0.1:{ports.page}")
        certificate = Certificate.make(root)
        async with (
            a_house_behind(root / "h", changes, ports) as house,
            Nginx(root / "nginx", front, certificate, locations),
            a_browser() as browser,
        ):
            context = await browser.new_context(ignore_https_errors=True)
            page = await context.new_page()
            await agents_page(page, url, house)
            await takes_a_call(house, page)
            policy = await page.evaluate("async () => (await fetch('/agent')).headers.get('content-security-policy')")
            assert policy.endswith(f"connect-src 'self' wss://127.0.0.1:{front}")
            refused = await page.evaluate(
                """async (elsewhere) => {
                  const said = new Promise((told) => document.addEventListener('securitypolicyviolation', told));
                  try { new WebSocket(elsewhere); } catch { /* some browsers throw */ }
                  return (await said).effectiveDirective;
                }""",
                f"ws://127.0.0.1:{ports.page}/ws",
            )
            assert refused == "connect-src"
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=_trusting(certificate))) as http:
                for path in ("/ari/api-docs/resources.json", "/httpstatus", "/ws/../httpstatus", "/static/x"):
                    async with http.get(f"{url}{path}", allow_redirects=False) as answer:
                        assert "Asterisk" not in answer.headers.get("Server", ""), path


async def test_the_phone_registers_at_asterisks_own_tls_with_a_certificate_by_path() -> None:
    with tempfile.TemporaryDirectory(prefix="cc", ignore_cleanup_errors=True) as folder:
        root, ports = Path(folder), free_ports()
        certificate = Certificate.make(root)
        changes = {
            f'address = "ws://127.0.0.1:{ports.page}/ws"': f'address = "wss://127.0.0.1:{ports.page}/ws"',
            f'bind = "127.0.0.1:{ports.page}"': (
                f'bind = "127.0.0.1:{ports.page}"\ntls_cert = "{certificate.cert}"\ntls_key = "{certificate.key}"'
            ),
        }
        async with a_house_behind(root / "h", changes, ports) as house, a_browser() as browser:
            strict = await (await browser.new_context()).new_page()
            await agents_page(strict, house.url, house)
            await phone_is(strict, "lost", "connecting")
            await expect(strict.locator("#phone-bar")).to_be_visible(timeout=30_000)
            await strict.context.close()
            page = await (await browser.new_context(ignore_https_errors=True)).new_page()
            await agents_page(page, house.url, house)
            await takes_a_call(house, page)
            old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", ports.page), 10) as raw, old.wrap_socket(raw) as secured:
                assert secured.version() in {"TLSv1.2", "TLSv1.3"}


def _trusting(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate.cert))
    context.check_hostname = True
    return context
