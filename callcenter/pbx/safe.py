"""What may stand in an Asterisk configuration file: every value passes one of these, or the render fails.

Asterisk's files have no quoting one could trust: ``;`` starts a comment, ``${`` an expression, a newline another
setting. So nothing is escaped, everything else is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import Any

from pydantic import SecretStr

CODECS = ("alaw", "ulaw", "g722")
"""What the rendered modules.conf can transcode and record."""


class Unsafe(ValueError):
    """A value that cannot stand where it was meant to; the message says why and shows no secret."""


class Safe(str):
    """A text that passed a filter. The renderer prints nothing else."""

    __slots__ = ()


_WORD = re.compile(r"[A-Za-z0-9_.+\-]+", re.ASCII)
_CODE = re.compile(r"\*[0-9]+", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_./+@:\-]+", re.ASCII)
_SECRET = re.compile(r"[!#%-:<-Z^_a-z|~]{8,128}", re.ASCII)  # printable, without blank " ; \ [ ] $ ` { }
_HOSTNAME = re.compile(r"(?=.{1,253}$)(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_URI = re.compile(
    r"sips?:(?:[A-Za-z0-9_.+\-]+@)?(?P<host>[A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?"
    r"(?P<transport>;transport=(?:udp|tcp|tls))?",
    re.ASCII,
)
_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9_./\-]*)?", re.ASCII)
_CLOCKTIMES = re.compile(r"\d\d:\d\d-\d\d:\d\d", re.ASCII)
_HOURS = re.compile(r"\d\d:\d\d-\d\d:\d\d,(?:mon|tue|wed|thu|fri|sat|sun)", re.ASCII)
_TEXT_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\"'`;\\\\\\[\\]<>{}$|\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def word(value: Any) -> Safe:
    """A name: Latin letters, digits and ``_ . + -``."""
    return _matching(_WORD, value, "a name of Latin letters, digits and _.+-")


def code(value: Any) -> Safe:
    return _matching(_CODE, value, "a code such as *12")


def path(value: PurePath | str | Any) -> Safe:
    """A path or a time zone without blanks, commas or anything a dialplan could read otherwise."""
    text = str(value)
    if ".." in text.split("/"):
        raise Unsafe(f"{text!r}: a path must not hold ..")
    return _matching(_PATH, text, "a path of Latin letters, digits and _./+@:- (no blanks)")


def secret(value: SecretStr | str) -> Safe:
    """A password: 8 to 128 printable ASCII characters, without blank and any of ``" ; \\ $ ` [ ] { }``."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if _SECRET.fullmatch(text) is None:
        raise Unsafe('a secret has 8 to 128 printable ASCII characters, without blanks and any of " ; \\ $ ` [ ] { }')
    return Safe(text)


def label(value: str) -> Safe:
    """A human's or a brand's name in any alphabet, on one line, without quotes, brackets, ``;`` or ``$``."""
    bad = _TEXT_FORBIDDEN.search(value)
    if bad is not None:
        raise Unsafe(f"{value!r}: the character {bad[0]!r} must not stand in a name")
    if not value.strip() or value != value.strip():
        raise Unsafe(f"{value!r}: a name must not be empty nor begin or end with a blank")
    return Safe(value)


def address(value: str) -> Safe:
    """One IP address."""
    try:
        found = ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        raise Unsafe(f"{value!r} is not an IP address") from None
    return Safe(f"[{found}]" if found.version == 6 else str(found))


def bind(value: str) -> Safe:
    """``0.0.0.0:5060``: an address to listen on and its port."""
    host_part, _, port = value.rpartition(":")
    return Safe(f"{address(host_part)}:{_port(port)}")


def host(value: str) -> Safe:
    """An IP address, a network (``198.51.100.0/24``) or a host's name."""
    try:
        return Safe(str(ipaddress.ip_network(value)))
    except ValueError:
        if re.fullmatch(r"[0-9./:]+", value, re.ASCII) or _HOSTNAME.fullmatch(value) is None:
            raise Unsafe(f"{value!r} is not an IP address, a network or a host's name") from None
    return Safe(value)


def uri(value: str) -> Safe:
    """``sip:101@10.0.0.5:5060``, with ``;transport=tcp`` if need be (its semicolon is escaped: the one exception)."""
    found = _URI.fullmatch(value)
    if found is None:
        raise Unsafe(f"{value!r} is not a SIP address such as sip:sbc.example.net:5060")
    host(found["host"].strip("[]"))
    if found["port"]:
        _port(found["port"][1:])
    return Safe(value.replace(";", "\\;"))


def uri_host(value: str) -> str:
    """The host of a SIP address that ``uri`` accepts; raises ``Unsafe`` for any other."""
    uri(value)
    found = _URI.fullmatch(value)
    return found["host"].strip("[]") if found else ""


def codecs(value: str) -> Safe:
    names = [name.strip() for name in value.split(",")]
    unknown = [name for name in names if name not in CODECS]
    if unknown or len(set(names)) != len(names):
        raise Unsafe(f"{value!r}: codecs are a list of {', '.join(CODECS)}")
    return Safe(",".join(names))


def url(value: str) -> Safe:
    return _matching(_URL, value, "an HTTP address")


def hours(value: str) -> Safe:
    return _matching(_HOURS, value, "hours such as 08:00-21:59,mon")


def clocktimes(value: str) -> Safe:
    return _matching(_CLOCKTIMES, value, "times such as 08:00-21:59")


def token(value: SecretStr) -> Safe:
    """A secret that stands in the dialplan: letters, digits and ``_ . + -`` only, at least 8 of them."""
    text = value.get_secret_value()
    if len(text) < 8 or len(text) > 128 or _WORD.fullmatch(text) is None:
        raise Unsafe("a token has 8 to 128 Latin letters, digits and _.+-")
    return Safe(text)


def alternatives(value: Iterable[str]) -> Safe:
    return Safe("|".join(word(each) for each in value))


def _port(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not 0 < int(text) < 65536:
        raise Unsafe(f"{text!r} is not a port")
    return int(text)


def _matching(pattern: re.Pattern[str], value: Any, what: str) -> Safe:
    text = str(value)
    if pattern.fullmatch(text) is None:
        raise Unsafe(f"{text!r} is not {what}")
    return Safe(text)


FILTERS: dict[str, Callable[[Any], Safe]] = {
    "word": word, "code": code, "path": path, "secret": secret, "label": label, "address": address, "bind": bind,
    "host": host, "uri": uri, "codecs": codecs, "url": url, "hours": hours, "clocktimes": clocktimes,
    "token": token,
    "alternatives": alternatives,
}  # fmt: skip


def only_safe(value: Any) -> Any:
    """The last gate: a template that prints a text without a filter is a mistake of ours, and fails."""
    if isinstance(value, Safe) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise Unsafe(f"a template prints a {type(value).__name__} that passed no filter")
