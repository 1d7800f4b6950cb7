"""GCOM's command line, the same shell on EPON and GPON and under every badge, and its indexes.

Sources: captures of Intelbras 4840E and G08 (public test files), oxidized (gcombnps.rb), a Ukrainian provider's reader
of terminals (4oker12/simnet-workbranch). SSH lets anybody in and asks for the name and password as Telnet does; it
knows old algorithms only. The pager cannot be switched off.

Plain ``reboot``, even ``reboot ?``, asks to restart the OLT: it is never sent, whoever orders it. Questions are
answered with no, but for the one whether to write the configuration.
"""

from __future__ import annotations

from callcenter.diag.dialect import Dialect
from callcenter.diag.driver import Place, Walked
from callcenter.words import OnuAddress, PonFamily

BADGES = ("27514", "8888")
"""Enterprise numbers of QTECH and SmartFiber (ABillS, AXIOSTV)."""

DIALECT = Dialect(
    name="gcom",
    prompt=r"[\w.-]+(\([\w/-]+\))?[>#]\s?",
    privileged="#",
    login_user=r"(?i)username(\(1-32 chars\))?\s?:\s*$",
    login_password=r"(?i)password(\(1-16 chars\))?\s?:\s*$",  # noqa: S106 - a pattern
    pager=r"\.\.\.\.press ENTER to next line, CTRL_C to quit, other key to next page\.\.\.\.",
    save="copy running-config startup-config",
    errors=(r"^%\s?\S.*", r"(?i)^error:.*", r"(?i)^username or password error.*"),
    confirm={
        r"(?i)startup config in flash will be updated, are you sure\s?\(y/n\)\??\s*\[n\]\s*$": "y",
        r"(?i)\(y/n\)\s?\?\s?\[n\]\s*$": "n",
    },
    forbidden=(r"^\s*(do\s+)?reb\w*\b",),
    old_ssh=True,
)


def place_of(onu: OnuAddress) -> Place | None:
    """Tables are indexed by card (always 0), PON and ONU, as the command line writes them: ``EPON0/4:6`` is 0/4/6."""
    if len(onu.path) != 2 or onu.path[0] != 0:
        return None
    return Place((0, onu.port, onu.onu), (0, onu.port))


def listed(walked: Walked, family: PonFamily) -> dict[OnuAddress, Place]:
    return {
        OnuAddress(family, (0, index[1]), index[2]): Place(index, index[:2])
        for index in walked.get("status", {})
        if len(index) == 3 and index[0] == 0
    }


def name_of(onu: OnuAddress) -> str:
    """``0/4/6``, as commands take it and tables print it."""
    return f"0/{onu.port}/{onu.onu}"
