"""What can go wrong, in our words. Every edge translates its library's exceptions into one of these at its door."""

from __future__ import annotations


class CallCenterError(Exception):
    """Anything this system says on purpose."""


class RuleBroken(CallCenterError):
    """A user asked for what the rules do not allow; the message says what and what to do.

    ``key`` and ``values`` name the same sentence in the catalogues of the pages, where it has one.
    """

    def __init__(self, message: str, key: str = "", **values: object) -> None:
        super().__init__(message)
        self.key = key
        self.values = values


class Misconfigured(CallCenterError):
    """The settings or the data of the operator cannot work; the message lists every mistake."""


class Unavailable(CallCenterError):
    """A system did not answer: it may later."""

    def __init__(self, system: str, why: str) -> None:
        super().__init__(f"{system}: {why}")
        self.system = system
        self.why = why


class Refused(CallCenterError):
    """A system answered no: asking again will not help."""

    def __init__(self, system: str, why: str) -> None:
        super().__init__(f"{system}: {why}")
        self.system = system
        self.why = why
