"""Registers a page's phone at a real Asterisk: SIP over WebSocket (RFC 7118), with nothing of sound.

What a browser's phone does is proven with a browser; this says quickly which password is taken and which is not.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping

import aiohttp

_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^",\s]+))')


async def register(url: str, user: str, password: str, *, expires: int = 60, limit_s: float = 10.0) -> int:
    """The status that a REGISTER ends with: 200 when the password is right. Raises ``TimeoutError`` without any."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url, protocols=("sip",), timeout=aiohttp.ClientWSTimeout(ws_close=1)) as socket,
    ):
        return await register_over(socket, user, password, expires=expires, limit_s=limit_s)


async def register_over(
    socket: aiohttp.ClientWebSocketResponse, user: str, password: str, *, expires: int = 60, limit_s: float = 10.0
) -> int:
    """The same over a WebSocket that stays open: the contact lives as long as it does."""
    call, tag = secrets.token_hex(8), secrets.token_hex(4)
    await socket.send_str(_request(user, call, tag, 1, expires, ""))
    status, headers = await _answer(socket, limit_s)
    if status != 401:
        return status
    await socket.send_str(_request(user, call, tag, 2, expires, _credentials(headers, user, password)))
    return (await _answer(socket, limit_s))[0]


def _request(user: str, call: str, tag: str, number: int, expires: int, credentials: str) -> str:
    lines = [
        "REGISTER sip:callcenter SIP/2.0",
        f"Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK{secrets.token_hex(6)}",
        "Max-Forwards: 69",
        f"To: <sip:{user}@callcenter>",
        f"From: <sip:{user}@callcenter>;tag={tag}",
        f"Call-ID: {call}",
        f"CSeq: {number} REGISTER",
        f"Contact: <sip:{user}@df7jal23ls0d.invalid;transport=ws>;expires={expires}",
        f"Expires: {expires}",
        *([f"Authorization: {credentials}"] if credentials else []),
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines)


async def _answer(socket: aiohttp.ClientWebSocketResponse, limit_s: float) -> tuple[int, Mapping[str, str]]:
    while True:
        text = await socket.receive_str(timeout=limit_s)
        first, *lines = text.split("\r\n")
        if first.startswith("SIP/2.0 ") and not first.startswith("SIP/2.0 1"):
            headers = (line.partition(":") for line in lines if ":" in line)
            return int(first.split()[1]), {name.strip().lower(): value.strip() for name, _, value in headers}


def _credentials(headers: Mapping[str, str], user: str, password: str) -> str:
    """RFC 2617's digest, as Asterisk asks for it."""
    given = {name: quoted or bare for name, quoted, bare in _PARAMETER.findall(headers["www-authenticate"])}
    uri, nc, cnonce = "sip:callcenter", "00000001", secrets.token_hex(8)
    ha1 = _md5(f"{user}:{given['realm']}:{password}")
    ha2 = _md5(f"REGISTER:{uri}")
    answer = _md5(f"{ha1}:{given['nonce']}:{nc}:{cnonce}:auth:{ha2}")
    opaque = f', opaque="{given["opaque"]}"' if "opaque" in given else ""
    return (
        f'Digest username="{user}", realm="{given["realm"]}", nonce="{given["nonce"]}", uri="{uri}", '
        f'response="{answer}", algorithm=MD5, qop=auth, nc={nc}, cnonce="{cnonce}"{opaque}'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
