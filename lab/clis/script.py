"""What a simulated command line is: prompts, pager and oddities as values, answers as a function of the device's state.

Nothing here is imported from the drivers: prompts and oddities are written out again, from the same sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Answer: TypeAlias = "str | Ask | None"
"""What a command shows; ``Ask`` for a question first; ``None`` for a command that this family does not know."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The device asks in the middle of a command, and goes on with the line that is typed."""

    question: str
    then: Callable[[str], Answer]


@dataclass(slots=True)
class Place:
    """Where one session stands: ``mode`` is the script's own word (``user``, ``enable``, ``config``, ``config-if``...);
    ``at`` what the mode is about (an interface); ``model`` the device's state, shared by its sessions."""

    name: str
    model: Any
    mode: str = "user"
    at: str = ""
    paging: bool = True
    leaving: bool = False
    """Set by a command that ends the session."""


@dataclass(frozen=True, slots=True)
class Script:
    """``name`` is that of the dialect's family. ``answer(place, line)`` may change the place and the model."""

    name: str
    answer: Callable[[Place, str], Answer]
    prompt: Callable[[Place], str]
    model: Callable[[], Any]
    """Makes the state of a new device, where the test gives none."""
    unknown: str = "% Unknown command"
    banner: str = ""
    greet: str = ""
    """Text after which any key is waited for."""
    user_prompt: str = "Username: "
    password_prompt: str = "Password: "
    wrong_login: str = "% Authentication failed"
    login_inside_ssh: bool = False
    """SSH lets everybody in, and the shell asks for the name and password (GCOM)."""
    login_twice: bool = False
    """SSH asks, and the shell asks again (C-Data)."""
    enable: str = "enable"
    """The command that asks for the enable password where the device has one; empty where there is none."""
    pager: str = ""
    page: int = 24
    """Lines."""
    pager_erased: str = ""
    """What is sent over the pager's text when a key was pressed."""
    before_prompt: str = ""
    """Bytes that this family puts before every prompt (NULs, cursor movements)."""
    newline: str = "\r\n"
    old_ssh: bool = False
    width: int = 0
    """Echoed lines are wrapped here; 0 for never."""
    echoes: bool = True
