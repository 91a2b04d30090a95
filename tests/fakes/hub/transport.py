"""Sends an answer over a socket, well or badly."""

import fcntl
import http.client
import select
import socket
import struct
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate

from hub.load import Load
from hub.messages import Response

CAREFUL_STEP = 64 << 10  # bytes of a write that a fault may have to change
RATE_TICK = 0.02  # seconds of data that a capped connection gets at once
DRAIN_SECONDS = 5.0  # how long a reset waits until the peer has acknowledged what was sent before


@dataclass
class Transport:
    latency: float = 0.0
    rate: float | None = None  # bytes a second
    stop: str | None = None  # "stall" | "reset" | "close"
    stop_at: int | None = None  # after this many body bytes; None: before the headers
    stall_seconds: float | None = None  # None: until the peer closes
    flips: dict[int, int] = field(default_factory=dict)  # offset in the file -> bits to flip
    endless: bool = False
    endless_bytes: int | None = None
    slow_rate: float | None = None  # bytes a second, once the exchange is slow
    slow_after: int | None = None  # from this body byte on
    load: Load | None = None  # where this exchange counts; it is slow while more than the two below is going on
    load_key: str = ""
    load_connections: int | None = None
    load_bytes: int | None = None

    @property
    def is_clean(self) -> bool:
        return (self.rate is None and self.stop is None and not self.flips and not self.endless and self.slow_rate is None
                and self.load is None)

    def rate_at(self, sent: int) -> float | None:
        """What the exchange may send a second now."""
        if self.slow_rate is None:
            return self.rate
        slow = self.slow_after is not None and sent >= self.slow_after
        if self.load:
            slow = slow or (self.load_connections is not None and self.load.count(self.load_key) > self.load_connections)
            slow = slow or (self.load_bytes is not None and self.load.add(self.load_key, 0) > self.load_bytes)
        return self.slow_rate if slow else self.rate


class Broken(Exception):
    """A fault ended the connection on purpose."""


def send(sock: socket.socket, response: Response, transport: Transport, with_body: bool,
         progress: Callable[[int], None]) -> None:
    """Writes head and body; `progress` hears of each step's body bytes. Raises Broken or OSError if the connection
    ended."""
    if transport.latency:
        time.sleep(transport.latency)
    if transport.stop and transport.stop_at is None:
        _stop(sock, transport)
    sock.sendall(_head(response))
    if not with_body:
        return
    if transport.is_clean and not response.chunked:
        for sent in response.content.send(sock, response.start, response.length):
            progress(sent)
        return
    if transport.load is None:
        _send_carefully(sock, response, transport, progress)
        return
    transport.load.enter(transport.load_key)
    try:
        _send_carefully(sock, response, transport, progress)
    finally:
        transport.load.leave(transport.load_key)


def _head(response: Response) -> bytes:
    headers = {"Date": formatdate(usegmt=True)} | response.headers
    if response.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif response.status not in (204, 304):
        headers["Content-Length"] = str(response.length)
    lines = [f"HTTP/1.1 {response.status} {http.client.responses.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _send_carefully(sock: socket.socket, response: Response, transport: Transport,
                    progress: Callable[[int], None]) -> None:
    sent, due = 0, time.monotonic()
    slowest = min((rate for rate in (transport.rate, transport.slow_rate) if rate), default=None)
    step = max(1, min(CAREFUL_STEP, int(slowest * RATE_TICK))) if slowest else CAREFUL_STEP
    for chunk in _chunks(response, transport, step):
        if transport.stop and sent + len(chunk) > transport.stop_at:
            chunk = chunk[:transport.stop_at - sent]
        if chunk:
            sock.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk) if response.chunked else chunk)
            sent += len(chunk)
            progress(len(chunk))
            if transport.load:
                transport.load.add(transport.load_key, len(chunk))
        if transport.stop and sent >= transport.stop_at:
            _stop(sock, transport)
        if rate := transport.rate_at(sent):
            due += len(chunk) / rate
            time.sleep(max(0.0, due - time.monotonic()))
        else:
            due = time.monotonic()
    if transport.stop and sent >= transport.stop_at:  # an empty body
        _stop(sock, transport)
    if response.chunked:
        sock.sendall(b"0\r\n\r\n")


def _chunks(response: Response, transport: Transport, step: int) -> Iterator[bytes]:
    given = 0
    while True:
        position = response.start
        for chunk in response.content.chunks(response.start, response.length, step):
            yield _flipped(chunk, position, transport.flips)
            position += len(chunk)
            given += len(chunk)
            if transport.endless_bytes is not None and given >= transport.endless_bytes:
                return
        if not transport.endless:
            return


def _flipped(chunk: bytes, position: int, flips: dict[int, int]) -> bytes:
    inside = {offset - position: mask for offset, mask in flips.items() if position <= offset < position + len(chunk)}
    if not inside:
        return chunk
    changed = bytearray(chunk)
    for at, mask in inside.items():
        changed[at] ^= mask
    return bytes(changed)


def _stop(sock: socket.socket, transport: Transport) -> None:
    if transport.stop == "stall":
        # Readable means that the peer closed, or sent a request that it will get no answer to: either ends the wait.
        select.select([sock], [], [], transport.stall_seconds)
    elif transport.stop == "reset":
        _drain(sock)
        # Lingering for zero seconds turns close into RST.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Broken(transport.stop)


def _drain(sock: socket.socket) -> None:
    """Waits until the peer's kernel has all bytes: a reset throws away what is still queued here."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline:
        unsent = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))[0]
        if unsent == 0:
            return
        time.sleep(0.005)
