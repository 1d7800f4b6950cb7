"""Telnet's own orders taken out of a stream of bytes, and what to answer to them (RFC 854, 855, 857, 858). Pure.

scrapli's Telnet transport loses an order that is cut in two, shows subnegotiations as text and swallows everything
after an order of two bytes (read in its code, 2025.1.30), so its reading is replaced by this.
"""

from __future__ import annotations

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
ECHO, SUPPRESS_GO_AHEAD = 1, 3


class TelnetStream:
    """We let the device echo, suppress go-aheads on both sides, and want nothing else."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._inside = False
        self._answered: set[tuple[int, int]] = set()

    def feed(self, raw: bytes) -> tuple[bytes, bytes]:
        """The text in this piece, and what to send back. Pieces may be cut anywhere. Each order is answered once."""
        text, answer = bytearray(), bytearray()
        data = bytes(self._held) + raw
        self._held.clear()
        at = 0
        while at < len(data):
            order = data.find(IAC, at)
            if order < 0:
                order = len(data)
            if not self._inside:
                text += data[at:order]
            at = order
            if at == len(data):
                break
            kind = data[at + 1] if at + 1 < len(data) else None
            if kind is None or (WILL <= kind <= DONT and at + 2 >= len(data)):
                self._held += data[at:]
                break
            at += self._take(kind, data[at + 2] if WILL <= kind <= DONT else 0, text, answer)
        return bytes(text), bytes(answer)

    def _take(self, kind: int, option: int, text: bytearray, answer: bytearray) -> int:
        """Carries out one order and tells how many bytes it had."""
        if kind == IAC:
            if not self._inside:
                text.append(IAC)
        elif kind == SB:
            self._inside = True
        elif kind == SE:
            self._inside = False
        elif WILL <= kind <= DONT:
            if not self._inside and (kind, option) not in self._answered:
                self._answered.add((kind, option))
                reply = _reply(kind, option)
                if reply is not None:
                    answer += bytes((IAC, reply, option))
            return 3
        return 2


def _reply(kind: int, option: int) -> int | None:
    match kind:
        case 253:  # DO
            return WILL if option == SUPPRESS_GO_AHEAD else WONT
        case 251:  # WILL
            return DO if option in {ECHO, SUPPRESS_GO_AHEAD} else DONT
        case _:  # WONT and DONT: we have asked for nothing that this would end
            return None
