"""The sound of a lab call: G.711 tones sent in real time over RTP, and what arrives, kept to be listened to.

Each party sends a tone of its own pitch, so that a recording or a phone can be asked whom it heard. All calls
of a process share one timer; a call costs about fifty packets a second each way.
"""

from __future__ import annotations

import asyncio
import math
import random
import socket
import struct
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

RATE = 8_000
FRAME = 160
PIECE = 800
_FRAME_SECONDS = FRAME / RATE
_KEPT = RATE * 120
_AMPLITUDE = 8_000
_DTMF = {c: i for i, c in enumerate("0123456789*#ABCD")}
_DTMF_NAMES = {i: c for c, i in _DTMF.items()}
_DTMF_FRAMES = 5
_DTMF_PAUSE = 5


@dataclass(frozen=True, slots=True)
class Tone:
    """A steady tone in whole Hz, so that one second of it can be repeated without a click; 0 is silence."""

    hertz: int = 440

    @lru_cache(maxsize=64)  # noqa: B019  a Tone is a value and there are a handful of them
    def encoded(self, payload: int) -> bytes:
        """One second of the tone in the law of RTP payload 0 (mu) or 8 (A)."""
        encode = _to_ulaw if payload == 0 else _to_alaw
        wave = (math.sin(2 * math.pi * self.hertz * n / RATE) for n in range(RATE))
        return bytes(encode(round(_AMPLITUDE * each) if self.hertz else 0) for each in wave)


def _to_ulaw(sample: int) -> int:
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32_635) + 0x84
    exponent = max(0, magnitude.bit_length() - 8)
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0F)) & 0xFF


def _to_alaw(sample: int) -> int:
    sign = 0x80 if sample >= 0 else 0
    magnitude = min(abs(sample) if sample >= 0 else -sample - 1, 32_635) >> 3
    exponent = max(0, magnitude.bit_length() - 5)
    mantissa = (magnitude >> max(1, exponent)) & 0x0F
    return (sign | (exponent << 4) | mantissa) ^ 0x55


def _from_ulaw(byte: int) -> int:
    value = ~byte & 0xFF
    magnitude = ((((value & 0x0F) << 3) + 0x84) << ((value >> 4) & 7)) - 0x84
    return -magnitude if value & 0x80 else magnitude


def _from_alaw(byte: int) -> int:
    value = byte ^ 0x55
    exponent, mantissa = (value >> 4) & 7, value & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << (exponent - 1)
    return magnitude if value & 0x80 else -magnitude


_ULAW = tuple(_from_ulaw(each) for each in range(256))
_ALAW = tuple(_from_alaw(each) for each in range(256))


def level(samples: list[int], hertz: int) -> float:
    """For how much of the time the sound is this tone: 1.0 for all of it and nothing else, near 0 for none of it.

    Measured in pieces of 100 ms (Goertzel): over a long stretch a tone whose packets came late or not at all changes
    its phase and would cancel itself out.
    """
    pieces = [samples[start : start + PIECE] for start in range(0, max(1, len(samples) - PIECE // 2), PIECE)]
    return sum(_purity(piece, hertz) for piece in pieces) / len(pieces)


def _purity(samples: list[int], hertz: int) -> float:
    energy = sum(each * each for each in samples)
    return 2 * _power(samples, hertz) / (len(samples) * energy) if energy else 0.0


def _power(samples: list[int], hertz: int) -> float:
    coefficient = 2 * math.cos(2 * math.pi * hertz / RATE)
    before = earlier = 0.0
    for each in samples:
        before, earlier = each + coefficient * before - earlier, before
    return before * before + earlier * earlier - coefficient * before * earlier


class RtpClock:
    """One timer for all streams of a process: every 20 ms each sends its next packet."""

    def __init__(self) -> None:
        self._streams: set[RtpStream] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = 0.0

    def add(self, stream: RtpStream) -> None:
        self._streams.add(stream)
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._next = loop.time()
            self._timer = loop.call_soon(self._tick)  # type: ignore[assignment]

    def remove(self, stream: RtpStream) -> None:
        self._streams.discard(stream)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for each in tuple(self._streams):
            each.send_frame()
        if not self._streams:
            self._timer = None
            return
        # A machine that stalled for long starts anew instead of sending a burst.
        self._next = max(self._next + _FRAME_SECONDS, loop.time() - 0.2)
        self._timer = loop.call_at(self._next, self._tick)


class RtpStream:
    """The sound of one leg: a socket of its own, a tone going out, what comes in counted and kept (two minutes)."""

    def __init__(self, host: str, clock: RtpClock, tone: Tone) -> None:
        self.tone = tone
        self.sent = 0
        self.received = 0
        self.digits = ""
        self.sources: Counter[tuple[str, int]] = Counter()
        self.muted = False
        self.lose_every = 0
        """Of so many packets one never leaves, as on a bad network; 0 is none."""
        self._clock = clock
        self._heard = bytearray()
        self._payload = 8
        self._heard_payload = 8
        self._remote: tuple[str, int] | None = None
        self._dtmf_payload: int | None = None
        self._dtmf_queue: list[bytes | None] = []
        self._last_event = -1
        self._sequence, self._timestamp = random.randrange(0x8000), random.randrange(0x8000_0000)
        self._ssrc = random.randrange(0x1_0000_0000)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        self.port: int = self._socket.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._socket, self._on_readable)

    def talk_to(self, host: str, port: int, payload: int, dtmf_payload: int | None) -> None:
        """Starts sending there, or moves there; port 0 stops."""
        self._payload, self._dtmf_payload = payload, dtmf_payload
        self._remote = (host, port) if port else None
        if self._remote is not None:
            self._clock.add(self)

    def close(self) -> None:
        self._clock.remove(self)
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def heard(self, seconds: float = 1.0) -> list[int]:
        """The last samples that arrived, decoded to 16 bits, oldest first."""
        table = _ULAW if self._heard_payload == 0 else _ALAW
        return [table[each] for each in self._heard[-int(seconds * RATE) :]]

    def hears(self, hertz: int, seconds: float = 0.5, at_least: float = 0.5) -> bool:
        """Whether that tone is what has been heard for the last ``seconds``; false while less than that came."""
        samples = self.heard(seconds)
        return len(samples) >= int(seconds * RATE) and level(samples, hertz) >= at_least

    def forget(self) -> None:
        """Forgets what was heard, so that the next look sees only what comes after."""
        self._heard.clear()

    def press(self, digits: str) -> None:
        """Sends keys as RFC 4733 events, 100 ms each with a pause of 100 ms. Raises ``ValueError``."""
        if self._dtmf_payload is None:
            raise ValueError("the other side takes no telephone-event")
        for digit in digits.upper():
            if digit not in _DTMF:
                raise ValueError(f"{digit!r} is no key of a phone")
            for number in range(1, _DTMF_FRAMES + 4):
                ended = number > _DTMF_FRAMES  # the end is said three times, as it may be lost
                lasted = min(number, _DTMF_FRAMES) * FRAME
                self._dtmf_queue.append(struct.pack("!BBH", _DTMF[digit], (0x80 if ended else 0) | 10, lasted))
            self._dtmf_queue.extend([None] * _DTMF_PAUSE)

    @property
    def keys_left(self) -> bool:
        """Whether keys pressed earlier are still going out."""
        return bool(self._dtmf_queue)

    def send_frame(self) -> None:
        """Sends the next 20 ms; called by the clock."""
        if self._remote is None:
            return
        self._sequence = (self._sequence + 1) & 0xFFFF
        event = self._dtmf_queue.pop(0) if self._dtmf_queue else None
        if event is not None and self._dtmf_payload is not None:
            marker = 0x80 if struct.unpack("!H", event[2:])[0] == FRAME and not event[1] & 0x80 else 0
            self._send(self._dtmf_payload | marker, event)
            if event[1] & 0x80 and not (self._dtmf_queue and self._dtmf_queue[0] is not None):
                self._timestamp = (self._timestamp + (_DTMF_FRAMES + 3) * FRAME) & 0xFFFF_FFFF
            return
        self._timestamp = (self._timestamp + FRAME) & 0xFFFF_FFFF
        if self.muted:
            return
        second = self.tone.encoded(self._payload)
        start = (self.sent * FRAME) % RATE
        self.sent += 1
        if self.lose_every and self.sent % self.lose_every == 0:
            return
        self._send(self._payload, second[start : start + FRAME])

    def _send(self, payload: int, body: bytes) -> None:
        head = struct.pack("!BBHII", 0x80, payload, self._sequence, self._timestamp, self._ssrc)
        try:
            self._socket.sendto(head + body, self._remote or ("127.0.0.1", 9))
        except (BlockingIOError, ConnectionRefusedError):
            return  # sound is lost on a full or closed socket, as on any network

    def _on_readable(self) -> None:
        while True:
            try:
                packet, source = self._socket.recvfrom(2_048)
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue  # the ICMP echo of a packet sent to a port that has closed
            if len(packet) < 13 or packet[0] >> 6 != 2:
                continue
            self.sources[source] += 1
            self._take(packet[1] & 0x7F, packet[12 + 4 * (packet[0] & 0x0F) :], packet[4:8])

    def _take(self, payload: int, body: bytes, stamp: bytes) -> None:
        if payload in (0, 8):
            self.received += 1
            self._heard_payload = payload
            self._heard += body
            if len(self._heard) > 2 * _KEPT:
                del self._heard[:-_KEPT]
        elif payload == self._dtmf_payload and len(body) >= 4 and body[1] & 0x80:
            event = struct.unpack("!I", stamp)[0]
            if event != self._last_event:
                self._last_event = event
                self.digits += _DTMF_NAMES.get(body[0], "")
