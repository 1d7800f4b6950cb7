"""How a family's command line is spoken, as a value: prompts, pagers, logins and what means "no". Pure.

Patterns are matched at the end of what was received, after escape codes, backspaces and NULs were taken out: log lines
that interrupt a session do not look like a prompt there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

CliProtocol: TypeAlias = Literal["ssh", "telnet"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One family's command line. Every pattern is a regular expression; sources are in the driver's docstring."""

    name: str
    prompt: str
    r"""Any prompt after login, matched against the last line: ``[\w.|-]+(\([\w/-]+\))?[>#]\s?``."""
    privileged: str = ""
    """A prompt that ends so has the rights to ask everything; empty where there is only one level."""
    login_user: str = r"(?i)(user ?name|login)[^:\n]*:\s*$"
    login_password: str = r"(?i)password[^:\n]*:\s*$"  # noqa: S105 - a pattern, no password
    enable: str = "enable"
    """The command that gives the rights; empty where there is none."""
    unpage: tuple[str, ...] = ()
    """Commands that switch the pager off; an error in answer is no harm."""
    pager: str = r"--\s?More\s?--|---- More.*----"
    pager_key: str = " "
    configure: str = "configure terminal"
    leave_configure: str = "end"
    save: str = ""
    errors: tuple[str, ...] = (r"^%\s?\S.*", r"(?i)^error:.*", r"(?i)unknown command.*", r"(?i)invalid input.*")
    """Lines of an answer that mean it was refused."""
    confirm: Mapping[str, str] = field(default_factory=dict)
    """Questions the device asks in the middle of a command, and what we answer: ``{ <cr>||<K> }:`` -> a newline."""
    greets: Mapping[str, str] = field(default_factory=dict)
    """What it says before its first prompt and waits for, and our answer: ``Press any key to continue``."""
    newline: str = "\n"
    forbidden: tuple[str, ...] = ()
    """Commands that are never sent, whoever asks: patterns (GCOM's ``reboot`` restarts the OLT)."""
    leave: tuple[str, ...] = ("exit",)
    old_ssh: bool = False
    """Its SSH knows old algorithms only (group1, ssh-rsa, 3des-cbc), which have to be allowed for it."""
    default_protocol: CliProtocol = "ssh"
