"""Where the bytes of a file come from. Every kind offers random access and a fast way into a socket."""

import functools
import hashlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from ssl import SSLSocket

SEND_STEP = 8 << 20  # bytes handed to the kernel at once; also the grain of the progress count
HASH_STEP = 1 << 20
BLOCK = 1 << 20  # period of synthetic content; each block differs in its first TAG bytes
TAG = 16


class Content:
    """An immutable sequence of bytes."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        raise NotImplementedError

    def send(self, sock: socket, offset: int, length: int) -> Iterator[int]:
        """Writes the range to a blocking socket and yields the count of bytes written so far in each step."""
        for chunk in self.chunks(offset, length, SEND_STEP):
            sock.sendall(chunk)
            yield len(chunk)

    def chunks(self, offset: int, length: int, step: int) -> Iterator[bytes]:
        end = offset + length
        while offset < end:
            chunk = self.read(offset, min(step, end - offset))
            if not chunk:
                raise EOFError(f"content ends before byte {end}")
            yield chunk
            offset += len(chunk)

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for chunk in self.chunks(0, self.size, HASH_STEP):
            digest.update(chunk)
        return digest.hexdigest()


class BytesContent(Content):
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset:offset + length])


EMPTY = BytesContent(b"")


class DiskContent(Content):
    """A file that must not change while the hub runs: its digest is taken once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def read(self, offset: int, length: int) -> bytes:
        with open(self._path, "rb") as file:
            return os.pread(file.fileno(), length, offset)

    def send(self, sock: socket, offset: int, length: int) -> Iterator[int]:
        if isinstance(sock, SSLSocket):  # the kernel's sendfile would bypass the encryption
            yield from super().send(sock, offset, length)
            return
        end = offset + length
        with open(self._path, "rb") as file:
            while offset < end:
                sent = os.sendfile(sock.fileno(), file.fileno(), offset, min(SEND_STEP, end - offset))
                if sent == 0:
                    raise EOFError(f"{self._path} became shorter than {end} bytes")
                yield sent
                offset += sent


class SyntheticContent(Content):
    """`size` bytes that follow from `seed` alone: one random block, repeated, each repetition tagged with its number.

    The tag makes a block that landed at the wrong place visible. `prefix` overlays the first bytes, so that a file can
    begin like the format its name promises.
    """

    def __init__(self, size: int, seed: int, prefix: bytes = b"") -> None:
        self.size = size
        self.seed = seed
        self.prefix = prefix[:size]
        self._tail = memoryview(_block(seed))[TAG:]

    def read(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size - offset))
        return b"".join(self._pieces(offset, length))

    def send(self, sock: socket, offset: int, length: int) -> Iterator[int]:
        for piece in self._pieces(offset, max(0, min(length, self.size - offset))):
            sock.sendall(piece)
            yield len(piece)

    def sha256(self) -> str:
        return _synthetic_sha256(self.size, self.seed, self.prefix)

    def _pieces(self, offset: int, length: int) -> Iterator[bytes | memoryview]:
        end = offset + length
        while offset < end:
            if offset < len(self.prefix):
                piece = self.prefix[offset:end]
            else:
                index, within = divmod(offset, BLOCK)
                if within < TAG:
                    piece = _tag(self.seed, index)[within:within + end - offset]
                else:
                    piece = self._tail[within - TAG:within - TAG + end - offset]
            yield piece
            offset += len(piece)


@functools.cache
def _block(seed: int) -> bytes:
    return random.Random(seed).randbytes(BLOCK)


def _tag(seed: int, index: int) -> bytes:
    return hashlib.blake2b(f"{seed}/{index}".encode(), digest_size=TAG).digest()


@functools.cache
def _synthetic_sha256(size: int, seed: int, prefix: bytes) -> str:
    return Content.sha256(SyntheticContent(size, seed, prefix))
